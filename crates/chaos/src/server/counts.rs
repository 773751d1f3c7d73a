//! What the server did, counted.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

/// What the server did with the messages that reached it. Once it has stopped,
/// `received = answered + junk + unsent` holds exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Messages taken from the sockets.
    pub received: u64,
    /// Answers given to the kernel (UDP) or to the connection (TCP).
    pub answered: u64,
    /// Messages that no server answers: no whole header, or themselves answers.
    pub junk: u64,
    /// Answers that the kernel would not send.
    pub unsent: u64,
}

/// The counting itself.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) received: AtomicU64,
    pub(super) answered: AtomicU64,
    pub(super) junk: AtomicU64,
    pub(super) unsent: AtomicU64,
}

impl Counters {
    pub(super) fn snapshot(&self) -> Counts {
        Counts {
            received: self.received.load(Relaxed),
            answered: self.answered.load(Relaxed),
            junk: self.junk.load(Relaxed),
            unsent: self.unsent.load(Relaxed),
        }
    }
}
