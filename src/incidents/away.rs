//! Servers elsewhere that were silent for a time, and answered before or after it.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;

use super::incident::Incident;
use super::rates::Rates;
use super::rates::SECOND_NS;
use super::rates::Second;
use super::rates::Way;
use crate::attempt::Outcome;
use crate::attempt::Transport;
use crate::contrast::Contrast;
use crate::contrast::Failed;
use crate::thresholds::DEAD_PERCENT;

/// Source ports and questions that have to be met: one that is stuck, or that is never
/// answered, is silent for a time as well.
const UNLIKE_MIN: usize = 3;

/// A time in which nearly nothing was answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Away {
    /// Of what was sent then over UDP, against all that was sent before and after it, by the
    /// second.
    pub contrast: Contrast,
    /// When the first and the last query were sent that went unanswered then, in nanoseconds
    /// of `CLOCK_MONOTONIC`.
    pub first_ns: u64,
    /// See `first_ns`.
    pub last_ns: u64,
    /// Whether something was answered that was sent after it.
    pub is_over: bool,
    /// The same of what was sent before.
    pub has_begun: bool,
}

/// By network namespace of the clients and server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AwayServers(HashMap<Way, Away>);

impl AwayServers {
    pub(super) fn of(rates: &Rates, incidents: &[Incident]) -> Self {
        let mut silent: HashMap<Way, Vec<&Incident>> = HashMap::new();
        for incident in incidents.iter().filter(|it| is_silent(it)) {
            let way = (incident.attempt.owner.netns, incident.server());
            silent.entry(way).or_default().push(incident);
        }
        let of_one = |(way, silent): (Way, Vec<&Incident>)| {
            let seconds = rates.of(way)?;
            Some((way, away(seconds, &silent)?))
        };
        Self(silent.into_iter().filter_map(of_one).collect())
    }

    /// The time in which this query was sent, if its server was away then.
    pub fn of_incident(&self, incident: &Incident) -> Option<&Away> {
        let away = self
            .0
            .get(&(incident.attempt.owner.netns, incident.server()))?;
        let is_then = (away.first_ns..=away.last_ns).contains(&incident.attempt.sent_ns);
        (is_then && is_silent(incident)).then_some(away)
    }
}

/// No server of this host had it, and nothing is known of its end.
fn is_silent(incident: &Incident) -> bool {
    let attempt = &incident.attempt;
    matches!(attempt.outcome, Outcome::Unanswered | Outcome::Late)
        && attempt.transport == Transport::Udp
        && attempt.ignored.count() == 0
        && incident.server_view.is_none()
        && incident.like.is_none()
}

fn away(seconds: &BTreeMap<u64, Second>, silent: &[&Incident]) -> Option<Away> {
    let (from, to) = worst(seconds)?;
    let failed = |seconds: &mut dyn Iterator<Item = &Second>| {
        let mut sum = Failed::default();
        for it in seconds {
            sum.add(it.unanswered, true);
            sum.add(it.answered, false);
        }
        sum
    };
    let mut with = failed(&mut seconds.range(from..=to).map(|(_, it)| it));
    let all = failed(&mut seconds.values());
    // It begins and ends within a second.
    let (begin, end) = (from.checked_sub(1), to.checked_add(1));
    let at = |at: Option<u64>| Some((at?, seconds.get(&at?)?));
    let sent_in = |at: u64| {
        let sent = silent.iter().map(|it| it.attempt.sent_ns);
        sent.filter(move |sent_ns| sent_ns / SECOND_NS == at)
    };
    let begins = at(begin).is_some_and(|(at, it)| {
        let last_ns = at * SECOND_NS + u64::from(it.last_ns);
        it.unanswered > 0 && sent_in(at).all(|sent_ns| sent_ns > last_ns)
    });
    let ends = at(end).is_some_and(|(at, it)| {
        let first_ns = at * SECOND_NS + u64::from(it.first_ns);
        it.unanswered > 0 && sent_in(at).all(|sent_ns| sent_ns < first_ns)
    });
    for (_, it) in [at(begin.filter(|_| begins)), at(end.filter(|_| ends))]
        .into_iter()
        .flatten()
    {
        with.add(it.unanswered, true);
    }
    // Any two seconds could have been its ends.
    let looked_at = seconds.len() * (seconds.len() + 1) / 2;
    let contrast = Contrast::of(with, all, looked_at)?;
    let from = from - u64::from(begins);
    let to = to + u64::from(ends);
    let then = silent
        .iter()
        .filter(|it| (from..=to).contains(&(it.attempt.sent_ns / SECOND_NS)));
    let sent = || then.clone().map(|it| it.attempt.sent_ns);
    let ports: HashSet<_> = then.clone().map(|it| it.attempt.local).collect();
    let questions: HashSet<_> = then
        .clone()
        .map(|it| it.attempt.question.fingerprint())
        .collect();
    let unlike = ports.len().min(questions.len());
    let answered = |it: (&u64, &Second)| it.1.answered > 0;
    (unlike >= UNLIKE_MIN).then_some(Away {
        contrast,
        first_ns: sent().min()?,
        last_ns: sent().max()?,
        is_over: ends || seconds.range(to + 1..).any(answered),
        has_begun: begins || seconds.range(..from).any(answered),
    })
}

/// The first and the last second of the time in which most went unanswered, with not more
/// answered than a contrast allows (J. Bentley, "Programming Pearls", column 8).
fn worst(seconds: &BTreeMap<u64, Second>) -> Option<(u64, u64)> {
    let weight = DEAD_PERCENT as i64 / (100 - DEAD_PERCENT as i64);
    let (mut best, mut sum, mut found, mut begin) = (0, 0, None, None);
    for (&at, it) in seconds {
        let score = it.unanswered as i64 - weight * it.answered as i64;
        if sum <= 0 {
            (sum, begin) = (0, Some(at));
        }
        sum += score;
        if sum > best {
            best = sum;
            found = begin.map(|begin| (begin, at));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(of: &[(u64, u64)]) -> BTreeMap<u64, Second> {
        let second = |&(answered, unanswered)| Second {
            answered,
            unanswered,
            ..Second::default()
        };
        (0..).zip(of.iter().map(second)).collect()
    }

    #[test]
    fn the_time_is_that_with_most_silence_in_it() {
        let of = |it: &[(u64, u64)]| worst(&seconds(it));
        assert_eq!(of(&[(9, 0), (0, 9), (0, 9), (9, 0)]), Some((1, 2)));
        // A single loss elsewhere, and one answer amid it.
        let noisy = [(9, 1), (9, 0), (0, 9), (1, 20), (0, 9), (9, 0), (8, 1)];
        assert_eq!(of(&noisy), Some((2, 4)));
        // Half of a second.
        assert_eq!(of(&[(9, 0), (5, 4), (0, 9), (4, 5)]), Some((2, 2)));
        assert_eq!(of(&[(9, 0), (9, 1)]), None);
        assert_eq!(of(&[]), None);
    }
}
