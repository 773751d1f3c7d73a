//! What tests change in the slots, which elsewhere only the programs write.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::super::entry::Entry;
use super::super::slots::Slots;
use super::super::wire::dns_key;
use super::super::wire::dns_role;
use super::super::wire::dns_slot;

const STATE: u64 = 3;
const FILLING: u64 = 1;
const READY: u64 = 2;
const VERSION: u64 = 4;
/// Below the tag of the key's hash: the slot's number, a version, the state.
const BELOW_THE_TAG: u64 = 0x7ff;

/// The queries in the slots, and where each is.
pub(super) type Waiting = Vec<(usize, u64, dns_slot)>;

/// What only tests do with them.
pub(super) trait InTests {
    /// All that wait.
    fn waiting(&self) -> Waiting;
    /// Forgets everything but the numbers of the slots.
    fn clear(&self);
    /// Puts back what waited.
    fn restore(&self, waiting: &Waiting);
    /// Gives the queries of a socket to another one.
    fn move_to(&self, old: u64, new: u64);
    /// Changes each query that waits.
    fn change(&self, change: impl Fn(&mut dns_slot));

    /// The same, as a program does that puts the next query into the slot.
    fn use_again(&self, change: impl Fn(&mut dns_slot));

    /// A program is just filling each slot that was in use.
    fn fill_anew(&self);
    /// Counts what is in `dns_inflight` and what waits, as the programs would have.
    fn count(&self, entries: &[Entry]);
    /// How many queries wait of each socket for which the programs have counted any.
    fn counted(&self) -> BTreeMap<u64, u64>;
    fn write(&self, index: usize, slot: &dns_slot);
}

impl InTests for Slots<'_> {
    fn waiting(&self) -> Waiting {
        let words = self.buckets.as_flattened().iter().enumerate();
        words
            .filter(|(index, word)| index % 8 != 0 && word.load(Ordering::Relaxed) & STATE == READY)
            .map(|(index, word)| (index, word.load(Ordering::Relaxed), self.read(index)))
            .collect()
    }

    fn clear(&self) {
        for (index, word) in self.buckets.as_flattened().iter().enumerate() {
            word.store(((index % 8) as u64) << 8, Ordering::Relaxed);
        }
        for share in self.shares.iter().chain(self.connection_shares) {
            share.store(0, Ordering::Relaxed);
        }
        for word in self.waiting {
            word.store(0, Ordering::Relaxed);
        }
    }

    fn restore(&self, waiting: &Waiting) {
        self.clear();
        for (index, word, slot) in waiting {
            self.write(*index, slot);
            self.buckets.as_flattened()[*index].store(*word, Ordering::Relaxed);
        }
    }

    fn move_to(&self, old: u64, new: u64) {
        for (index, word, mut slot) in self.waiting() {
            if slot.record.cookie != old {
                continue;
            }
            slot.record.cookie = new;
            let hash = hash(&super::super::slots::entry(&slot, None).key);
            let bucket = &self.buckets[(hash & 1023) as usize];
            let free = (1..8).find(|&way| bucket[way].load(Ordering::Relaxed) & STATE == 0);
            let way = free.expect("a free slot");
            self.buckets.as_flattened()[index]
                .store(word & BELOW_THE_TAG & !STATE, Ordering::Relaxed);
            self.write((hash & 1023) as usize * 8 + way, &slot);
            let numbered = (way as u64) << 8 | READY;
            bucket[way].store(hash & !BELOW_THE_TAG | numbered, Ordering::Relaxed);
        }
    }

    fn change(&self, change: impl Fn(&mut dns_slot)) {
        for (index, _, mut slot) in self.waiting() {
            change(&mut slot);
            self.write(index, &slot);
        }
    }

    fn use_again(&self, change: impl Fn(&mut dns_slot)) {
        self.change(change);
        for (index, word, _) in self.waiting() {
            self.buckets.as_flattened()[index].store(word + VERSION, Ordering::Relaxed);
        }
    }

    fn fill_anew(&self) {
        for (index, word, _) in self.waiting() {
            let filling = word & !STATE | FILLING;
            self.buckets.as_flattened()[index].store(filling, Ordering::Relaxed);
        }
    }

    fn count(&self, entries: &[Entry]) {
        for bucket in self.buckets {
            bucket[0].store(0, Ordering::Relaxed);
        }
        for share in self.shares {
            share.store(0, Ordering::Relaxed);
        }
        for entry in entries.iter().filter(|entry| entry.place.is_none()) {
            if i32::from(entry.key.transport) == libc::IPPROTO_UDP {
                let bucket = (hash(&entry.key) & 1023) as usize;
                self.buckets[bucket][0].fetch_add(1, Ordering::Relaxed);
            }
            for place in [0, 1 + usize::from(entry.query.share)] {
                self.shares[place].fetch_add(1, Ordering::Relaxed);
            }
        }
        for word in self.waiting {
            word.store(0, Ordering::Relaxed);
        }
        for (cookie, number) in waiting(entries) {
            let word = &self.waiting[cookie as usize % self.waiting.len()];
            word.store(cookie | number << 48, Ordering::Relaxed);
        }
    }

    fn counted(&self) -> BTreeMap<u64, u64> {
        let words = self.waiting.iter().map(|word| word.load(Ordering::Relaxed));
        let counted = words.filter(|word| word >> 48 > 0);
        counted
            .map(|word| (word & ((1 << 48) - 1), word >> 48))
            .collect()
    }

    fn write(&self, index: usize, slot: &dns_slot) {
        assert!(index < 8192, "within the array");
        // SAFETY: within the array; no program runs just now.
        unsafe { self.slots.cast_mut().add(index).write_volatile(*slot) };
    }
}

/// How many of them wait at each client's socket.
pub(super) fn waiting(entries: &[Entry]) -> BTreeMap<u64, u64> {
    let mut all = BTreeMap::new();
    for cookie in entries.iter().filter_map(Entry::client_socket) {
        *all.entry(cookie).or_default() += 1;
    }
    all
}

/// The number of the bucket that counts the entry.
pub(super) fn bucket(key: &dns_key) -> u16 {
    (hash(key) & 1023) as u16
}

/// `hash_of()` of bpf/record.h.
fn hash(key: &dns_key) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = key.cookie ^ u64::from(key.id) << 48 ^ u64::from(key.local_port) << 32;
    if dns_role(u32::from(key.role)) == dns_role::DNS_ROLE_SERVER {
        let (high, low) = key.peer_ip.split_at(8);
        let half = |half: &[u8]| u64::from_ne_bytes(half.try_into().expect("eight octets"));
        let peer = (half(high) ^ half(low)).wrapping_mul(GOLDEN);
        hash ^= peer ^ u64::from(key.peer_port) ^ 1 << 63;
    }
    hash = hash.wrapping_mul(GOLDEN);
    hash ^= hash >> 29;
    hash = hash.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^ hash >> 32
}
