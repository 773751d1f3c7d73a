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
    /// How many there have been.
    begun: u64,
}

/// Where a chain begins, with its newest one.
#[derive(Clone, Copy, Debug)]
struct Head {
    newest: u32,
    /// How many there are.
    len: u32,
    /// The thread of the newest ones, how many these are, and the number of the first of them.
    thread: Thread,
    run: u32,
    run_from: u64,
    /// How many of all are apart.
    apart: u32,
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

    /// Whether several threads have lookups in it. It may say so of one alone, until that begins the
    /// next: the name that many ask for all the time is not to be looked through for all time.
    pub(super) fn is_mixed(&self, chain: u64) -> bool {
        let head = self.heads.get(&chain);
        head.is_some_and(|head| head.run < head.len)
    }

    /// Whether parts of it are to be put together: several threads have some, or had some when
    /// one of those was begun.
    pub(super) fn has_parts(&self, chain: u64) -> bool {
        let head = self.heads.get(&chain);
        head.is_some_and(|head| head.run < head.len || head.apart > 0)
    }

    /// It was begun beside one that it might have been the next of.
    pub(super) fn set_apart(&mut self, at: usize) {
        let open = &mut self.opens[at];
        if let Some(head) = self.heads.get_mut(&open.chain)
            && !open.is_apart
        {
            open.is_apart = true;
            head.apart += 1;
        }
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
        self.begun += 1;
        let number = self.begun;
        let mut next = 0;
        let head = self.heads.entry(chain).and_modify(|head| {
            next = head.newest + 1;
            head.newest = at;
            head.len += 1;
            if head.thread == thread {
                head.run += 1;
            } else {
                (head.thread, head.run, head.run_from) = (thread, 1, number);
            }
        });
        head.or_insert(Head {
            newest: at,
            len: 1,
            thread,
            run: 1,
            run_from: number,
            apart: 0,
        });
        if let Some(older) = next.checked_sub(1) {
            self.opens[older as usize].newer = at + 1;
        }
        let open = &mut self.opens[at as usize];
        open.begin(thread, chain, step);
        (open.next, open.newer, open.number) = (next, 0, number);
        at as usize
    }

    /// Takes a lookup out of its chain; its place keeps what it has until it is freed.
    pub(super) fn unlink(&mut self, at: usize) {
        let open = &mut self.opens[at];
        open.is_used = false;
        let (chain, next, newer) = (open.chain, open.next, open.newer);
        let (number, is_apart) = (open.number, open.is_apart);
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
        if let Some(head) = self.heads.get_mut(&chain) {
            head.len -= 1;
            head.run -= u32::from(number >= head.run_from);
            head.apart -= u32::from(is_apart);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::step::Step;
    use crate::sample;

    const CHAIN: u64 = 7;

    #[test]
    fn a_chain_is_mixed_while_several_threads_have_lookups_in_it() {
        let step = Step::of(&sample::plain_attempt());
        let mut store = Store::default();
        let begin = |store: &mut Store, tid| store.begin(Thread { pid: 1, tid }, CHAIN, &step);
        let end = |store: &mut Store, at| {
            store.unlink(at);
            store.free(at);
        };
        let first = [begin(&mut store, 1), begin(&mut store, 1)];
        assert!(!store.is_mixed(CHAIN));
        // Another thread goes on with the same name, and the first one's end.
        let mut last = begin(&mut store, 2);
        assert!(store.is_mixed(CHAIN) && store.has_parts(CHAIN));
        store.set_apart(last);
        end(&mut store, first[1]);
        assert!(store.is_mixed(CHAIN));
        end(&mut store, first[0]);
        assert!(!store.is_mixed(CHAIN) && store.has_parts(CHAIN));
        for _ in 0..3 {
            let next = begin(&mut store, 2);
            end(&mut store, last);
            last = next;
            assert!(!store.has_parts(CHAIN));
        }
        // The newest ends before the older one.
        let other = begin(&mut store, 3);
        end(&mut store, other);
        let next = begin(&mut store, 2);
        assert!(store.is_mixed(CHAIN), "the older one is counted apart");
        end(&mut store, last);
        assert!(!store.is_mixed(CHAIN));
        end(&mut store, next);
        assert!(!store.has(CHAIN) && !store.has_parts(CHAIN));
    }
}
