//! Which sockets had an answer of late: what is asked at one of them is not the first
//! of its port.

use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Role;

/// Places of sockets, 128 KiB: as many as are answered while a query is waited for, on all
/// but the busiest hosts.
const BUCKETS: usize = 4_096;
/// Of those in one bucket the eldest goes; it counts as if it had no answer yet.
const WAYS: usize = 4;

/// Cookies of clients' sockets that were answered, the latest of a bucket first.
#[derive(Debug)]
pub(super) struct Sockets(Box<[[u64; WAYS]]>);

impl Sockets {
    pub(super) fn new() -> Self {
        Self(vec![[0; WAYS]; BUCKETS].into())
    }

    /// It had an answer now; returns whether it had one before.
    pub(super) fn answered(&mut self, cookie: u64) -> bool {
        let bucket = &mut self.0[Self::bucket(cookie)];
        let place = bucket.iter().position(|it| *it == cookie);
        // It is the latest now.
        bucket[..=place.unwrap_or(WAYS - 1)].rotate_right(1);
        bucket[0] = cookie;
        place.is_some() && cookie != 0
    }

    /// Whether it had an answer.
    pub(super) fn has(&self, cookie: u64) -> bool {
        self.0[Self::bucket(cookie)].contains(&cookie) && cookie != 0
    }

    /// Attempts that have ended one by one, in their order.
    pub(super) fn see(&mut self, attempts: &mut [Attempt]) {
        let is_asked = |it: &&mut Attempt| it.role == Role::Client && it.id.is_some();
        for attempt in attempts.iter_mut().filter(is_asked) {
            attempt.is_after_answer = match attempt.outcome {
                Outcome::Answered => self.answered(attempt.cookie),
                _ => self.has(attempt.cookie),
            };
        }
    }

    /// The kernel counts its cookies up, on each CPU from elsewhere: a multiplication
    /// spreads them (Knuth, "The Art of Computer Programming", section 6.4).
    fn bucket(cookie: u64) -> usize {
        (cookie.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - BUCKETS.ilog2())) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_socket_is_known_by_its_first_answer_until_others_take_its_place() {
        let mut sockets = Sockets::new();
        assert!(!sockets.has(7));
        assert!(!sockets.answered(7));
        assert!(sockets.has(7) && sockets.answered(7));
        let others: Vec<u64> = (8..u64::MAX)
            .filter(|it| Sockets::bucket(*it) == Sockets::bucket(7))
            .take(WAYS)
            .collect();
        for other in &others[1..] {
            assert!(!sockets.answered(*other));
        }
        // It is answered again, so another one is the eldest.
        assert!(sockets.answered(7) && !sockets.answered(others[0]));
        assert!(sockets.has(7) && !sockets.has(others[1]));
    }

    #[test]
    fn many_at_once_are_known() {
        let mut sockets = Sockets::new();
        // As two CPUs give them out.
        let cookies = || (1..=500).chain(8_193..=8_692);
        assert!(!cookies().any(|it| sockets.answered(it)));
        assert!(cookies().all(|it| sockets.has(it)));
    }

    #[test]
    fn attempts_that_are_told_one_by_one_count_as_well() {
        let mut sockets = Sockets::new();
        // One by one.
        let mut attempts = vec![sample::plain_attempt(); 4];
        attempts[1].outcome = Outcome::Unanswered;
        attempts[2].role = Role::Server;
        attempts[3].cookie = 99;
        sockets.see(&mut attempts);
        let after: Vec<_> = attempts.iter().map(|it| it.is_after_answer).collect();
        assert_eq!(after, [false, true, false, false]);
        // No cookie is known of it.
        assert!(!sockets.has(0) && !sockets.answered(0) && !sockets.answered(0));
    }
}
