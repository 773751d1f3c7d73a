//! Replies that wait for their time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

/// Replies that wait at once. At a test's rate no delay needs more; what comes on
/// top is sent at once.
const DELAYED_MAX: usize = 4_096;

/// What is still to be said over a socket, which `send` does.
pub(super) struct Outbox<S> {
    send: S,
    /// By the time at which they are due, and their number.
    delayed: BTreeMap<(Instant, u64), (Vec<u8>, SocketAddr)>,
    replies: u64,
}

impl<S: FnMut(&[u8], SocketAddr)> Outbox<S> {
    pub(super) fn new(send: S) -> Self {
        Self {
            send,
            delayed: BTreeMap::new(),
            replies: 0,
        }
    }

    pub(super) fn put(&mut self, after: Duration, octets: Vec<u8>, client: SocketAddr) {
        if after.is_zero() || self.delayed.len() >= DELAYED_MAX {
            (self.send)(&octets, client);
            return;
        }
        self.replies += 1;
        let due = (Instant::now() + after, self.replies);
        self.delayed.insert(due, (octets, client));
    }

    /// Sends what is due, and returns how long until the next one is.
    pub(super) fn send_due(&mut self) -> Option<Duration> {
        loop {
            let next = self.delayed.first_entry()?;
            let (due, _) = *next.key();
            let left = due.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Some(left);
            }
            let (octets, client) = next.remove();
            (self.send)(&octets, client);
        }
    }
}
