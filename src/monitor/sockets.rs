//! Which sockets had an answer of late: what is asked at one of them is not the first
//! of its port.

use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Role;
use crate::attempt::Transport;

/// Places of sockets, 64 KiB. Of two that share one, the later has it; the other counts
/// as if it had no answer yet.
const PLACES: usize = 8_192;

/// Cookies of clients' sockets that were answered, each at its place.
#[derive(Debug)]
pub(super) struct Sockets(Box<[u64]>);

impl Sockets {
    pub(super) fn new() -> Self {
        Self(vec![0; PLACES].into())
    }

    /// It had an answer now; returns whether it had one before.
    pub(super) fn answered(&mut self, cookie: u64) -> bool {
        let place = &mut self.0[Self::place(cookie)];
        std::mem::replace(place, cookie) == cookie && cookie != 0
    }

    /// Whether it had an answer.
    pub(super) fn has(&self, cookie: u64) -> bool {
        self.0[Self::place(cookie)] == cookie && cookie != 0
    }

    /// Attempts that have ended one by one, in their order.
    pub(super) fn see(&mut self, attempts: &mut [Attempt]) {
        let is_asked = |it: &&mut Attempt| {
            it.role == Role::Client && it.transport == Transport::Udp && it.id.is_some()
        };
        for attempt in attempts.iter_mut().filter(is_asked) {
            attempt.is_after_answer = match attempt.outcome {
                Outcome::Answered => self.answered(attempt.cookie),
                _ => self.has(attempt.cookie),
            };
        }
    }

    /// The kernel counts its cookies up.
    fn place(cookie: u64) -> usize {
        (cookie % PLACES as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_socket_is_known_by_its_first_answer_until_another_takes_its_place() {
        let mut sockets = Sockets::new();
        assert!(!sockets.has(7));
        assert!(!sockets.answered(7));
        assert!(sockets.has(7) && sockets.answered(7));
        let other = 7 + PLACES as u64;
        assert!(!sockets.has(other) && !sockets.answered(other));
        assert!(!sockets.has(7) && sockets.has(other));
        // One by one.
        let mut attempts = vec![sample::plain_attempt(); 4];
        attempts[1].outcome = Outcome::Unanswered;
        attempts[2].transport = Transport::Tcp;
        attempts[3].cookie = 99;
        sockets.see(&mut attempts);
        let after: Vec<_> = attempts.iter().map(|it| it.is_after_answer).collect();
        assert_eq!(after, [false, true, false, false]);
        // No cookie is known of it.
        assert!(!sockets.has(0) && !sockets.answered(0) && !sockets.answered(0));
    }
}
