//! Sockets that were closed while their queries waited, until these end.

use std::collections::HashMap;
use std::collections::VecDeque;

use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Role;
use crate::event::ClosedSocket;

/// Twice as many sockets as there may be queries in flight: one that must go has none. 24
/// octets each.
const CLOSED_MAX: usize = 32_768;

/// When each was closed.
#[derive(Debug, Default)]
pub(super) struct Closings {
    at_ns: HashMap<u64, u64>,
    order: VecDeque<u64>,
}

impl Closings {
    pub(super) fn add(&mut self, closed: &ClosedSocket) {
        if self.at_ns.insert(closed.cookie, closed.at_ns).is_some() {
            return;
        }
        if self.order.len() == CLOSED_MAX
            && let Some(eldest) = self.order.pop_front()
        {
            self.at_ns.remove(&eldest);
        }
        self.order.push_back(closed.cookie);
    }

    pub(super) fn any(&self) -> bool {
        !self.order.is_empty()
    }

    /// Says when the program of an attempt without an answer gave up on it, if it did before
    /// kerno. What this host discards has its end long before that.
    pub(super) fn see(&self, attempt: &mut Attempt) {
        let ends_early = attempt.outcome == Outcome::Dropped;
        if attempt.role != Role::Client || !(ends_early || attempt.outcome == Outcome::Unanswered) {
            return;
        }
        let at_ns = self.at_ns.get(&attempt.cookie).copied();
        attempt.gave_up_ns =
            at_ns.filter(|&at| at >= attempt.sent_ns && (ends_early || at <= attempt.end_ns));
    }
}
