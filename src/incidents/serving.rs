//! Which processes answered at an address of this host, and when: a server that is gone is
//! known by that.

use std::collections::HashMap;
use std::net::SocketAddr;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Plain;

/// Addresses that are kept.
const ADDRESSES_MAX: usize = 1_024;
/// Processes of one address, the latest: one that is started again and again.
const PROCESSES_MAX: usize = 16;
/// Who has not answered for so long is known in the windows from then only: ten minutes.
const KNOWN_NS: u64 = 600_000_000_000;

/// A process, from its first answer at an address to its last.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) pid: u32,
    /// In nanoseconds of `CLOCK_MONOTONIC`.
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
}

/// By network namespace and address.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Serving {
    at: HashMap<(u32, SocketAddr), Vec<Served>>,
}

impl Serving {
    /// Takes an attempt of the server role.
    pub(super) fn record(&mut self, attempt: &Attempt) {
        if matches!(attempt.outcome, Outcome::Answered | Outcome::Late) {
            self.add(attempt, attempt.end_ns, attempt.end_ns);
        }
    }

    /// As [`Self::record`] of each of them.
    pub(super) fn count(&mut self, plain: &Plain) {
        let own = plain.example.end_ns;
        let ends = plain.exchanges.iter().map(|it| it.ended_ns);
        let (first, last) = ends.fold((own, own), |(first, last), end| {
            (first.min(end), last.max(end))
        });
        self.add(&plain.example, first, last);
    }

    fn add(&mut self, attempt: &Attempt, first_ns: u64, last_ns: u64) {
        let Some(pid) = attempt.owner.pid else {
            return;
        };
        let served = Served {
            pid,
            first_ns,
            last_ns,
        };
        self.put((attempt.owner.netns, attempt.local), served);
    }

    fn put(&mut self, address: (u32, SocketAddr), served: Served) {
        if self.at.len() == ADDRESSES_MAX && !self.at.contains_key(&address) {
            return;
        }
        let all = self.at.entry(address).or_default();
        match all.iter_mut().find(|it| it.pid == served.pid) {
            Some(own) => {
                own.first_ns = own.first_ns.min(served.first_ns);
                own.last_ns = own.last_ns.max(served.last_ns);
            }
            None => {
                if all.len() == PROCESSES_MAX {
                    all.remove(0);
                }
                all.push(served);
            }
        }
    }

    /// What the window that begins at this moment has to know of it.
    pub(super) fn next(&self, begin_ns: u64) -> Self {
        let since_ns = begin_ns.saturating_sub(KNOWN_NS);
        let young = |(address, all): (&(u32, SocketAddr), &Vec<Served>)| {
            let all = all.iter().filter(|it| it.last_ns >= since_ns);
            let all: Vec<_> = all.copied().collect();
            (!all.is_empty()).then_some((*address, all))
        };
        Self {
            at: self.at.iter().filter_map(young).collect(),
        }
    }

    /// Adds what was seen in the window after.
    pub(super) fn follow(&mut self, next: Self) {
        for (address, all) in next.at {
            all.into_iter().for_each(|it| self.put(address, it));
        }
    }

    /// The addresses of a process that answered there before this moment, and for each when
    /// another process first answered there after it. That may have served all the time
    /// beside it: then it is the moment itself.
    pub(super) fn of(&self, pid: u32, at_ns: u64) -> Vec<((u32, SocketAddr), Option<u64>)> {
        let served = |all: &[Served]| {
            let mut own = all.iter();
            own.any(|it| it.pid == pid && it.first_ns <= at_ns)
        };
        let addresses = self.at.iter().filter(|(_, all)| served(all));
        addresses
            .map(|(address, _)| (*address, self.after(*address, pid, at_ns)))
            .collect()
    }

    /// When another process first answered there after this one had ended.
    pub(super) fn after(&self, address: (u32, SocketAddr), pid: u32, at_ns: u64) -> Option<u64> {
        let others = self.at.get(&address)?.iter();
        let others = others.filter(|it| it.pid != pid && it.last_ns > at_ns);
        others.map(|it| it.first_ns.max(at_ns)).min()
    }
}
