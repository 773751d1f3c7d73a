//! When a server was asked, and from where.

use std::net::IpAddr;

/// It is not kept on disk, so that of some windows it is not known. They are compared without it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen(Option<Stay>);

/// A span of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stay {
    /// When the first and the last query was sent, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
    /// The address that the first came from.
    pub(super) from: IpAddr,
}

impl Seen {
    pub(super) fn record(&mut self, sent_ns: u64, from: IpAddr) {
        let stay = self.0.get_or_insert(Stay {
            first_ns: sent_ns,
            last_ns: sent_ns,
            from,
        });
        stay.first_ns = stay.first_ns.min(sent_ns);
        stay.last_ns = stay.last_ns.max(sent_ns);
    }

    /// If it is known.
    pub(super) fn stay(self) -> Option<Stay> {
        self.0
    }

    /// Of both, if it is known of both.
    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0.zip(other.0).map(|(own, other)| Stay {
            first_ns: own.first_ns.min(other.first_ns),
            last_ns: own.last_ns.max(other.last_ns),
            from: own.from,
        }))
    }
}

impl PartialEq for Seen {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Seen {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_windows_it_is_known_if_both_know_it() {
        let mut first = Seen::default();
        let from = IpAddr::from([10, 0, 1, 2]);
        first.record(5, from);
        let mut next = Seen::default();
        next.record(9, from);
        let both = first.with(next).stay().expect("both are known");
        assert_eq!((both.first_ns, both.last_ns), (5, 9));
        assert!(first.with(Seen::default()).stay().is_none());
    }
}
