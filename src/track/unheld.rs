//! Answers that came while others took half of their client's receive buffer or more: the
//! kernel may have discarded them right behind the hook, for there was no room.

use std::collections::VecDeque;

use super::kernel_errors::JOIN_DELAY;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::thresholds::QUEUED_BYTES;

/// Attempts that wait at one time, some 500 bytes each. More go on at once; their drops
/// count as unjoined.
const WAITING_MAX: usize = 8_192;

/// Whether there may have been no room for the answer. The smallest buffer that a socket
/// can have (`SOCK_MIN_RCVBUF`, include/net/sock.h) takes two small answers.
pub(super) fn may_be_discarded(attempt: &Attempt) -> bool {
    attempt.outcome == Outcome::Answered
        && attempt.role == Role::Client
        && attempt.transport == Transport::Udp
        && attempt.queued_bytes >= QUEUED_BYTES
}

/// Those of which it is not yet known, in the order of their answers.
#[derive(Debug, Default)]
pub(super) struct Unheld(VecDeque<Attempt>);

impl Unheld {
    /// Takes one; gives it back if there is no room.
    pub(super) fn wait(&mut self, attempt: Attempt) -> Option<Attempt> {
        if self.0.len() >= WAITING_MAX {
            return Some(attempt);
        }
        self.0.push_back(attempt);
        None
    }

    /// Those that have waited for so long that a drop would be known.
    pub(super) fn due(&mut self, now_ns: u64) -> Vec<Attempt> {
        let horizon = now_ns.saturating_sub(JOIN_DELAY.as_nanos() as u64);
        let mut due = Vec::new();
        while self.0.front().is_some_and(|it| it.end_ns <= horizon) {
            due.extend(self.0.pop_front());
        }
        due
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
