//! What a faulty server did, counted.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use serde::Deserialize;
use serde::Serialize;

/// What a server did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Served {
    /// Queries read from its sockets.
    pub(crate) received: u64,
    /// Answers that the kernel took.
    pub(crate) answered: u64,
    /// Answers that the kernel would not take.
    pub(crate) unsent: u64,
    /// Of those received, queries for which a fault was foreseen.
    pub(crate) faulty: u64,
}

/// The counting itself.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) received: AtomicU64,
    pub(super) answered: AtomicU64,
    pub(super) unsent: AtomicU64,
    pub(super) faulty: AtomicU64,
    /// Answers over UDP that are not sent yet: they wait for their time.
    pub(super) owed: AtomicU64,
}

impl Counters {
    pub(super) fn sent(&self, succeeded: bool) {
        let counter = if succeeded {
            &self.answered
        } else {
            &self.unsent
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(super) fn served(&self) -> Served {
        Served {
            received: self.received.load(Relaxed),
            answered: self.answered.load(Relaxed),
            unsent: self.unsent.load(Relaxed),
            faulty: self.faulty.load(Relaxed),
        }
    }
}
