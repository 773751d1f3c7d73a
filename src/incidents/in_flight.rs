//! Servers that leave queries unanswered, or answer them with an error, while others wait for
//! their answers there: the contrast by the number in flight.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::net::SocketAddr;

use super::incident::FailureKind;
use super::incident::Incident;
use super::traits::Way;
use crate::attempt::Outcome;
use crate::contrast::Contrast;
use crate::contrast::Failed;

/// A server that takes so many queries at once and leaves the rest unanswered, or answers
/// the rest with an error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InFlightLimit {
    /// How many others waited for their answers, at the least, when a query was sent that
    /// got none, or an error.
    pub others: u64,
    /// Queries that were sent while so many waited, against those sent while fewer did.
    pub contrast: Contrast,
    /// What half of those that waited took or more, in nanoseconds.
    pub median_ns: u64,
}

/// Of those that go unanswered, and of those that get an error.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InFlightLimits {
    silent: Limits,
    errors: Limits,
}

/// By network namespace of the clients and server; a server elsewhere is the same one for
/// all who ask it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Limits {
    ways: HashMap<Way, InFlightLimit>,
    elsewhere: HashMap<SocketAddr, InFlightLimit>,
}

/// A query and its fate. Fast answers are no incidents, and hardly ever under way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    sent_ns: u64,
    /// Until when it waited at the server, if it did.
    waited_until_ns: Option<u64>,
}

impl InFlightLimits {
    /// `here` are the addresses of servers on this host.
    pub(super) fn of(incidents: &[Incident], here: &HashSet<SocketAddr>) -> Self {
        Self {
            silent: Limits::of(incidents, here, silent),
            errors: Limits::of(incidents, here, error),
        }
    }

    /// The limit that this unanswered query met, if its server has one.
    pub fn of_silent(&self, incident: &Incident) -> Option<&InFlightLimit> {
        silent(incident)?.waited_until_ns.is_none().then_some(())?;
        self.silent.at(incident)
    }

    /// The limit that this query met which got an error, if its server has one.
    pub fn of_error(&self, incident: &Incident) -> Option<&InFlightLimit> {
        error(incident)?.waited_until_ns.is_none().then_some(())?;
        self.errors.at(incident)
    }
}

impl Limits {
    fn of(
        incidents: &[Incident],
        here: &HashSet<SocketAddr>,
        sent: fn(&Incident) -> Option<Sent>,
    ) -> Self {
        let mut ways: HashMap<Way, Vec<Sent>> = HashMap::new();
        for incident in incidents.iter().filter(|it| !it.is_tcp()) {
            if let Some(sent) = sent(incident) {
                let way = (incident.attempt.owner.netns, incident.server());
                ways.entry(way).or_default().push(sent);
            }
        }
        let mut elsewhere: HashMap<SocketAddr, Vec<Sent>> = HashMap::new();
        for ((_, server), sent) in &ways {
            if !here.contains(server) && !server.ip().is_loopback() {
                elsewhere.entry(*server).or_default().extend(sent);
            }
        }
        Self {
            ways: limits(ways),
            elsewhere: limits(elsewhere),
        }
    }

    fn at(&self, incident: &Incident) -> Option<&InFlightLimit> {
        let way = (incident.attempt.owner.netns, incident.server());
        let of_server = || self.elsewhere.get(&way.1);
        let limit = self.ways.get(&way).or_else(of_server)?;
        (!incident.is_tcp()).then_some(limit)
    }
}

/// A query that was answered, or of whose end nothing is known.
fn silent(incident: &Incident) -> Option<Sent> {
    let attempt = &incident.attempt;
    let waited_until_ns = match attempt.outcome {
        Outcome::Answered | Outcome::Late => Some(attempt.end_ns),
        Outcome::Unanswered
            if attempt.ignored.count() == 0
                && incident.like.is_none()
                && incident.upstream.is_none() =>
        {
            None
        }
        _ => return None,
    };
    Some(Sent {
        sent_ns: attempt.sent_ns,
        waited_until_ns,
    })
}

/// A query that was answered with an error, or waited there: for an answer, or in vain.
fn error(incident: &Incident) -> Option<Sent> {
    let attempt = &incident.attempt;
    let waited_until_ns = match (incident.kind, attempt.outcome) {
        (FailureKind::ErrorAnswer, _) => None,
        (_, Outcome::Answered | Outcome::Late) => Some(attempt.end_ns),
        (_, Outcome::Unanswered) => Some(attempt.end_ns),
        _ => return None,
    };
    Some(Sent {
        sent_ns: attempt.sent_ns,
        waited_until_ns,
    })
}

fn limits<K: Eq + std::hash::Hash>(queries: HashMap<K, Vec<Sent>>) -> HashMap<K, InFlightLimit> {
    let found = queries.into_iter();
    found
        .filter_map(|(key, queries)| Some((key, limit(&queries)?)))
        .collect()
}

fn limit(queries: &[Sent]) -> Option<InFlightLimit> {
    let span = |it: &Sent| Some((it.sent_ns, it.waited_until_ns?));
    let (mut begun, mut ended): (Vec<u64>, Vec<u64>) = queries.iter().filter_map(span).unzip();
    let mut took: Vec<u64> = begun
        .iter()
        .zip(&ended)
        .map(|(a, b)| b.saturating_sub(*a))
        .collect();
    begun.sort_unstable();
    ended.sort_unstable();
    took.sort_unstable();
    let median_ns = *took.get(took.len() / 2)?;
    let in_flight = |it: &Sent| {
        let before = |times: &[u64]| times.partition_point(|at| *at <= it.sent_ns) as u64;
        let itself = u64::from(it.waited_until_ns.is_some());
        before(&begun).saturating_sub(before(&ended) + itself)
    };
    // What was under way when the watch began is not known: the first queries may have met
    // more than was seen.
    let settled_ns = queries.iter().map(|it| it.sent_ns).min()? + took.last()?;
    let compared = |from_ns: u64| {
        let counted = queries.iter().filter(|it| it.sent_ns >= from_ns);
        cut(counted.map(|it| (in_flight(it), it.waited_until_ns.is_none())))
    };
    let (others, contrast) = compared(0).or_else(|| compared(settled_ns))?;
    Some(InFlightLimit {
        others,
        contrast,
        median_ns,
    })
}

/// The number in flight from which on nearly all fail, and below nearly none.
fn cut(queries: impl Iterator<Item = (u64, bool)>) -> Option<(u64, Contrast)> {
    let (mut all, mut by_number) = (Failed::default(), BTreeMap::<u64, Failed>::new());
    for (in_flight, has_failed) in queries {
        all.add(1, has_failed);
        by_number.entry(in_flight).or_default().add(1, has_failed);
    }
    // All are looked at twice.
    let looked_at = 2 * by_number.len();
    let mut with = Failed::default();
    let mut found: Vec<(u64, Contrast)> = Vec::new();
    for (number, failed) in by_number.iter().rev().filter(|(number, _)| **number > 0) {
        with.absorb(failed);
        let contrast = Contrast::of(with, all, looked_at);
        found.extend(contrast.map(|it| (*number, it)));
    }
    found
        .into_iter()
        .min_by(|(_, one), (_, other)| one.chance.total_cmp(&other.chance))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A server that takes so many at once, each so long, asked each `every_ms`.
    fn served(limit: usize, takes_ms: u64, every_ms: u64, number: u64) -> Vec<Sent> {
        let mut under_way: Vec<u64> = Vec::new();
        let query = |n: u64| {
            let sent_ns = n * every_ms * MS;
            under_way.retain(|end| *end > sent_ns);
            let has_room = under_way.len() < limit;
            let waited_until_ns = has_room.then_some(sent_ns + takes_ms * MS);
            under_way.extend(waited_until_ns);
            Sent {
                sent_ns,
                waited_until_ns,
            }
        };
        (0..number).map(query).collect()
    }

    #[test]
    fn what_comes_beyond_a_number_is_left_out() {
        let found = limit(&served(10, 1_250, 100, 90)).expect("a limit");
        assert_eq!((found.others, found.median_ns), (10, 1_250 * MS));
        let Contrast { with, others, .. } = found.contrast;
        assert_eq!((with.failed, others.failed), (with.of, 0));
        assert_eq!(with.of + others.of, 90);
    }

    #[test]
    fn one_burst_is_enough() {
        let found = limit(&served(10, 1_000, 1, 40)).expect("a limit");
        assert_eq!(found.others, 10);
        assert_eq!((found.contrast.with.of, found.contrast.others.of), (30, 10));
    }

    /// Ten were sent before the watch began, and their answers are seen as strays.
    #[test]
    fn what_was_under_way_before_the_watch_is_not_counted_on() {
        let queries = served(10, 1_250, 100, 90);
        let seen = &queries[10..];
        assert_eq!(limit(seen).map(|it| it.others), Some(10));
    }

    #[test]
    fn losses_at_random_and_outages_have_no_limit() {
        let slow = |n: u64| Sent {
            sent_ns: n * 50 * MS,
            waited_until_ns: Some(n * 50 * MS + 400 * MS),
        };
        let silent = |n: u64| Sent {
            waited_until_ns: None,
            ..slow(n)
        };
        // A third is lost, in no order.
        let lossy = (0..300).map(|n| if n * n % 7 == 2 { silent(n) } else { slow(n) });
        assert_eq!(limit(&lossy.collect::<Vec<_>>()), None);
        // It goes away, and is back.
        let away = (0..300).map(|n| match n {
            100..200 => silent(n),
            _ => slow(n),
        });
        assert_eq!(limit(&away.collect::<Vec<_>>()), None);
        // Nothing is answered; nothing is lost; nothing is there.
        assert_eq!(limit(&(0..50).map(silent).collect::<Vec<_>>()), None);
        assert_eq!(limit(&(0..50).map(slow).collect::<Vec<_>>()), None);
        assert_eq!(limit(&[]), None);
    }
}
