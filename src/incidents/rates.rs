//! How many queries a second a server answered, and left unanswered: one that limits
//! their rate answers as many whatever is asked.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::net::SocketAddr;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::table::Table;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Plain;
use crate::attempt::Transport;

/// Servers, by network namespace of their clients, and the latest seconds of each: 2 MB.
const SERVERS_MAX: usize = 512;
const SECONDS_MAX: usize = 128;
pub(super) const SECOND_NS: u64 = 1_000_000_000;

/// Seconds in which some went unanswered, the first and the last left out, which are parts.
const OVER_MIN: usize = 4;
/// Those that are unanswered in them.
const UNANSWERED_MIN: u64 = 10;
/// A second is as the others if it has so many answered, more or less, in percent.
const ALIKE_PERCENT: u64 = 20;
/// So many of them are, in percent.
const FLAT_PERCENT: usize = 80;
/// A limit has to describe what was answered so many times better than a share of what was
/// asked does, by the sum of squares. Simulated with losses of every second or third query,
/// at random, in bursts and with a link that is up and down, and eight ways of asking: 0.05 %
/// of such were taken for a limit, and 60 % to 95 % of servers with one that were asked at
/// random times.
const BETTER: f64 = 4.0;
/// And a share has to miss by more than rounding does: a balancer that leads every other
/// query to a dead server answers the half, one more or less.
const MISSED_MIN: f64 = 1.0;
/// Of the seconds those that fit worst are left out, one in so many: a limit lets more
/// through after a pause.
const ODD_IN: usize = 5;

/// Who asks, by network namespace, and which server.
pub(super) type Way = (u32, SocketAddr);

#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Second {
    pub(super) answered: u64,
    pub(super) unanswered: u64,
    /// When within it the first and the last was sent that was answered, if any was, in
    /// nanoseconds; of those that are counted together to a tenth of a second.
    pub(super) first_ns: u32,
    pub(super) last_ns: u32,
}

impl Second {
    /// So many that were sent at this time.
    fn of_answered(answered: u64, sent_ns: u64) -> Self {
        let within = (sent_ns % SECOND_NS) as u32;
        Self {
            answered,
            unanswered: 0,
            first_ns: within,
            last_ns: within,
        }
    }

    fn absorb(&mut self, more: &Self) {
        if self.answered == 0 {
            (self.first_ns, self.last_ns) = (more.first_ns, more.last_ns);
        } else if more.answered > 0 {
            self.first_ns = self.first_ns.min(more.first_ns);
            self.last_ns = self.last_ns.max(more.last_ns);
        }
        self.answered += more.answered;
        self.unanswered += more.unanswered;
    }

    fn asked(&self) -> u64 {
        self.answered + self.unanswered
    }
}

/// Counts of the latest seconds, by server.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq)]
pub(super) struct Rates(Table<Way, BTreeMap<u64, Second>>);

/// A server that answers so many queries a second of these clients, and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Answered in a second, half of the time.
    pub per_second: u64,
    /// The fewest and the most that were asked in a second with unanswered ones.
    pub asked: (u64, u64),
    /// How many such seconds there were.
    pub seconds: u64,
}

impl Rates {
    pub(super) fn record(&mut self, attempt: &Attempt) {
        let second = match attempt.outcome {
            Outcome::Answered => Second::of_answered(1, attempt.sent_ns),
            Outcome::Unanswered => Second {
                unanswered: 1,
                ..Second::default()
            },
            _ => return,
        };
        if attempt.transport == Transport::Udp {
            let way = (attempt.owner.netns, attempt.peer);
            self.add(way, attempt.sent_ns / SECOND_NS, second);
        }
    }

    /// They are told once a second, so it matters little to which they are added.
    pub(super) fn count(&mut self, plain: &Plain) {
        let way = (plain.example.owner.netns, plain.example.peer);
        let moments = plain.moments.len().max(1) as u64;
        let mut left = plain.number();
        for (place, sent_ns) in plain.moments.iter().enumerate() {
            let answered = left / (moments - place as u64);
            left -= answered;
            let second = Second::of_answered(answered, *sent_ns);
            self.add(way, sent_ns / SECOND_NS, second);
        }
    }

    fn add(&mut self, way: Way, at: u64, more: Second) {
        if self.0.len() >= SERVERS_MAX && !self.0.contains_key(&way) {
            return;
        }
        let seconds = self.0.entry(way).or_default();
        seconds.entry(at).or_default().absorb(&more);
        if seconds.len() > SECONDS_MAX {
            seconds.pop_first();
        }
    }

    /// Adds what was counted in the window right after.
    pub(super) fn follow(&mut self, next: &Self) {
        for (way, seconds) in &next.0 {
            for (at, second) in seconds {
                self.add(*way, *at, *second);
            }
        }
    }

    /// The latest seconds of one server.
    pub(super) fn of(&self, way: Way) -> Option<&BTreeMap<u64, Second>> {
        self.0.get(&way)
    }

    /// The servers with a limit.
    pub(super) fn limits(&self) -> HashMap<Way, RateLimit> {
        let of_one = |(way, seconds): (&Way, &BTreeMap<u64, Second>)| Some((*way, limit(seconds)?));
        self.0.iter().filter_map(of_one).collect()
    }
}

/// What one server's seconds have in common, if it is a limit.
fn limit(seconds: &BTreeMap<u64, Second>) -> Option<RateLimit> {
    let over: Vec<&Second> = seconds.values().filter(|it| it.unanswered > 0).collect();
    let over = over.get(1..over.len().checked_sub(1)?)?;
    let unanswered: u64 = over.iter().map(|it| it.unanswered).sum();
    if over.len() < OVER_MIN || unanswered < UNANSWERED_MIN {
        return None;
    }
    let mut answered: Vec<u64> = over.iter().map(|it| it.answered).collect();
    answered.sort_unstable();
    let per_second = answered[answered.len() / 2];
    let is_alike = |it: &&u64| it.abs_diff(per_second) * 100 <= per_second * ALIKE_PERCENT;
    let alike = answered.iter().filter(is_alike).count();
    let asked = over.iter().map(|it| it.asked());
    let (least, most) = (asked.clone().min()?, asked.clone().max()?);
    let share = answered.iter().sum::<u64>() as f64 / asked.sum::<u64>() as f64;
    let by_limit = missed(over.iter().map(|it| it.answered as f64 - per_second as f64));
    let by_share = missed(
        over.iter()
            .map(|it| it.answered as f64 - share * it.asked() as f64),
    );
    let is_limit = per_second > 0
        && alike * 100 >= over.len() * FLAT_PERCENT
        && by_share >= BETTER * by_limit
        && by_share > MISSED_MIN;
    is_limit.then_some(RateLimit {
        per_second,
        asked: (least, most),
        seconds: over.len() as u64,
    })
}

/// By how much a description misses, squared, on average.
fn missed(by: impl Iterator<Item = f64>) -> f64 {
    let mut squares: Vec<f64> = by.map(|it| it * it).collect();
    squares.sort_unstable_by(f64::total_cmp);
    squares.truncate(squares.len() - squares.len() / ODD_IN);
    squares.iter().sum::<f64>() / squares.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds with so many answered and unanswered.
    fn of(seconds: &[(u64, u64)]) -> Option<RateLimit> {
        let seconds = seconds.iter().map(|&(answered, unanswered)| Second {
            answered,
            unanswered,
            ..Second::default()
        });
        limit(&(0..).zip(seconds).collect())
    }

    #[test]
    fn answers_that_do_not_follow_the_questions_are_limited() {
        let limited = of(&[(9, 3), (20, 5), (20, 30), (19, 41), (21, 9), (4, 1)]);
        let expected = RateLimit {
            per_second: 20,
            asked: (25, 60),
            seconds: 4,
        };
        assert_eq!(limited, Some(expected));
        // Quiet seconds before and after it.
        let over = [(9, 3), (20, 5), (20, 30), (19, 41), (21, 9), (4, 1)];
        let quiet = [&[(5, 0)], &over[..], &[(7, 0)]].concat();
        assert!(of(&quiet).is_some());
    }

    #[test]
    fn losses_at_random_and_dead_servers_have_no_limit() {
        // A third is lost, whatever is asked.
        assert_eq!(
            of(&[(9, 3), (20, 10), (40, 20), (21, 9), (39, 21), (4, 1)]),
            None
        );
        // Always as much is asked: it cannot be told apart.
        assert_eq!(
            of(&[(9, 3), (20, 10), (20, 10), (20, 10), (20, 10), (4, 1)]),
            None
        );
        assert_eq!(
            of(&[(0, 3), (0, 10), (0, 50), (0, 10), (0, 10), (0, 1)]),
            None
        );
        // One bad second, or too few.
        assert_eq!(of(&[(20, 0), (20, 0), (5, 40), (20, 0)]), None);
        assert_eq!(of(&[(20, 1), (20, 1), (20, 2), (20, 1), (20, 1)]), None);
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(1, 1)]), None);
    }

    /// Programs seldom ask evenly: what they ask more of, or less, tells the two apart.
    #[test]
    fn what_is_asked_at_random_times_is_enough() {
        let asked = [41, 38, 44, 30, 52, 39, 47, 36, 33, 45];
        let seconds = |answered: fn(u64) -> u64| {
            let of_one = |&asked: &u64| (answered(asked), asked - answered(asked));
            asked.iter().map(of_one).collect::<Vec<_>>()
        };
        assert_eq!(of(&seconds(|_| 20)).map(|it| it.per_second), Some(20));
        // Every other one, or every third, goes to a server that is dead.
        assert_eq!(of(&seconds(|asked| asked / 2)), None);
        assert_eq!(of(&seconds(|asked| asked.div_ceil(2))), None);
        assert_eq!(of(&seconds(|asked| asked * 2 / 3)), None);
        // A pause before one of them lets more through.
        let mut after_pause = seconds(|_| 20);
        after_pause[4] = (35, 17);
        assert_eq!(of(&after_pause).map(|it| it.per_second), Some(20));
    }

    #[test]
    fn seconds_and_servers_are_bounded() {
        let mut rates = Rates::default();
        for n in 0..2 * SERVERS_MAX as u32 {
            let way = (n, "10.0.0.1:53".parse().expect("an address"));
            for at in 0..200 {
                rates.add(way, at, Second::default());
            }
        }
        assert_eq!(rates.0.len(), SERVERS_MAX);
        assert!(rates.0.values().all(|it| it.len() == SECONDS_MAX));
    }
}
