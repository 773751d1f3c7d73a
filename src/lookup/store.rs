//! The lookups that may still go on, found by process and first label.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::open::Open;
use super::open::Thread;
use super::step::Step;

/// Lookups that may be open at one time, some 250 octets each with two messages.
pub(super) const OPEN_MAX: usize = 16_384;
/// Of one process and label; a crowd beyond that is not looked through.
const CHAIN_MAX: usize = 64;

/// Places are used again, with the room that their lists have.
#[derive(Debug, Default)]
pub(super) struct Store {
    opens: Vec<Open>,
    free: Vec<u32>,
    /// The first of each chain.
    heads: HashMap<u64, Head, RandomState>,
    /// Whose turn it is to make room.
    hand: usize,
}

/// Where a chain begins, with its newest one.
#[derive(Clone, Copy, Debug)]
struct Head {
    newest: u32,
    /// The thread of all of them; else there are several.
    thread: Thread,
    is_mixed: bool,
}

/// By what a lookup is found: its process and the hash of its first label.
pub(super) fn chain(pid: u32, label: u64) -> u64 {
    label ^ u64::from(pid).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Store {
    pub(super) fn is_full(&self) -> bool {
        self.free.is_empty() && self.opens.len() >= OPEN_MAX
    }

    pub(super) fn has(&self, chain: u64) -> bool {
        self.len() > 0 && self.heads.contains_key(&chain)
    }

    pub(super) fn len(&self) -> usize {
        self.opens.len() - self.free.len()
    }

    pub(super) fn get(&mut self, at: usize) -> &mut Open {
        &mut self.opens[at]
    }

    pub(super) fn all(&self) -> &[Open] {
        &self.opens
    }

    /// Whether several threads have lookups in it.
    pub(super) fn is_mixed(&self, chain: u64) -> bool {
        self.heads.get(&chain).is_some_and(|head| head.is_mixed)
    }

    /// The places of a chain, the newest first.
    pub(super) fn of_chain(&self, chain: u64) -> impl Iterator<Item = usize> + '_ {
        let mut next = self.heads.get(&chain).map(|head| head.newest as usize);
        std::iter::from_fn(move || {
            let at = next?;
            next = (self.opens[at].next as usize).checked_sub(1);
            Some(at)
        })
        .take(CHAIN_MAX)
    }

    /// Begins a lookup; there must be room.
    pub(super) fn begin(&mut self, thread: Thread, chain: u64, step: &Step) -> usize {
        let at = self.free.pop().unwrap_or_else(|| {
            self.opens.push(Open::default());
            // Bounded by OPEN_MAX.
            (self.opens.len() - 1) as u32
        });
        let mut next = 0;
        let head = self.heads.entry(chain).and_modify(|head| {
            next = head.newest + 1;
            head.newest = at;
            head.is_mixed |= head.thread != thread;
        });
        head.or_insert(Head {
            newest: at,
            thread,
            is_mixed: false,
        });
        if let Some(older) = next.checked_sub(1) {
            self.opens[older as usize].newer = at + 1;
        }
        let open = &mut self.opens[at as usize];
        open.begin(thread, chain, step);
        (open.next, open.newer) = (next, 0);
        at as usize
    }

    /// Takes a lookup out of its chain; its place keeps what it has until it is freed.
    pub(super) fn unlink(&mut self, at: usize) {
        let open = &mut self.opens[at];
        open.is_used = false;
        let (chain, next, newer) = (open.chain, open.next, open.newer);
        if let Some(older) = next.checked_sub(1) {
            self.opens[older as usize].newer = newer;
        }
        match (newer.checked_sub(1), next.checked_sub(1)) {
            (Some(newer), _) => self.opens[newer as usize].next = next,
            (None, None) => {
                self.heads.remove(&chain);
            }
            (None, Some(older)) => {
                if let Some(head) = self.heads.get_mut(&chain) {
                    head.newest = older;
                }
            }
        }
    }

    pub(super) fn free(&mut self, at: usize) {
        self.free.push(at as u32);
    }

    /// The one that has to make room.
    pub(super) fn victim(&mut self) -> usize {
        loop {
            self.hand = (self.hand + 1) % self.opens.len().max(1);
            if self.opens[self.hand].is_used {
                return self.hand;
            }
        }
    }

    pub(super) fn take_two(&mut self, one: usize, other: usize) -> (&mut Open, Open) {
        let other = std::mem::take(&mut self.opens[other]);
        (&mut self.opens[one], other)
    }
}
