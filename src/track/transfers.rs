//! Zone transfers: one question over TCP, and as many messages of its answer as the zone takes
//! (RFC 5936 section 2.2).

use std::collections::HashMap;
use std::time::Duration;

use domain::base::iana::Rtype;

use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::event::Stray;

/// So long nothing may come of one that goes on.
const PAUSE: Duration = Duration::from_secs(60);
/// About 40 bytes each.
const MAX: usize = 1024;

/// Socket, id, and which end it is.
type Key = (u64, u16, Role);

/// Those whose first message has come, and when the last one did.
#[derive(Debug, Default)]
pub(super) struct Transfers(HashMap<Key, u64>);

impl Transfers {
    /// Takes an attempt that has ended: the first message ends that of a transfer.
    pub(super) fn see(&mut self, attempt: &Attempt) {
        let is_first = attempt.transport == Transport::Tcp
            && attempt.outcome == Outcome::Answered
            && attempt
                .question
                .shape()
                .is_some_and(|it| is_transfer(it.rtype));
        if let Some(id) = attempt.id.filter(|_| is_first && self.0.len() < MAX) {
            self.0
                .insert((attempt.cookie, id, attempt.role), attempt.end_ns);
        }
    }

    /// Whether the answer is a further message of one.
    pub(super) fn goes_on(&mut self, stray: &Stray) -> bool {
        let key = stray.cookie.map(|cookie| (cookie, stray.id, stray.role));
        let last_ns = key.and_then(|key| self.0.get_mut(&key));
        match last_ns.filter(|_| stray.transport == Transport::Tcp) {
            Some(last_ns) => {
                *last_ns = stray.at_ns;
                true
            }
            None => false,
        }
    }

    pub(super) fn forget(&mut self, now_ns: u64) {
        let horizon = now_ns.saturating_sub(PAUSE.as_nanos() as u64);
        self.0.retain(|_, last_ns| *last_ns >= horizon);
    }
}

fn is_transfer(rtype: Rtype) -> bool {
    matches!(rtype, Rtype::AXFR | Rtype::IXFR)
}
