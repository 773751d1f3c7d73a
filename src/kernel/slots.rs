//! The plain queries in flight, in the arrays that the programs share with user
//! space: see bpf/slots.h.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use super::bpf::DnsMonitorMaps;
use super::entry::Claim;
use super::entry::Entry;
use super::entry::Place;
use super::wire::dns_bucket;
use super::wire::dns_connection;
use super::wire::dns_key;
use super::wire::dns_limit;
use super::wire::dns_query;
use super::wire::dns_record;
use super::wire::dns_role;
use super::wire::dns_share_table;
use super::wire::dns_slot;
use super::wire::dns_slot_state;
use super::wire::dns_slot_word;

const BUCKETS: usize = dns_limit::DNS_BUCKETS.0 as usize;
const SHARES: usize = dns_limit::DNS_SHARES.0 as usize;
/// Slots of a bucket in the array, of which the first is not used.
const STRIDE: usize = 8;

const WAY_SHIFT: u32 = dns_slot_word::DNS_SLOT_WAY_SHIFT.0;
const STATE: u64 = dns_slot_state::DNS_SLOT_STATE.0 as u64;
const READY: u64 = dns_slot_state::DNS_SLOT_READY.0 as u64;
const TAKEN: u64 = dns_slot_state::DNS_SLOT_TAKEN.0 as u64;

const WAITING: usize = dns_limit::DNS_WAITING.0 as usize;
const WAITING_SHIFT: u32 = dns_limit::DNS_WAITING_SHIFT.0;
const ONE_WAITS: u64 = 1 << WAITING_SHIFT;

/// How many entries there are, and after that of each tenant.
type Shares = [AtomicU64; SHARES + 1];

/// One entry less.
fn give_back(shares: &Shares, share: u16) {
    for place in [0, 1 + usize::from(share) % SHARES] {
        shares[place].fetch_sub(1, Ordering::AcqRel);
    }
}

/// The arrays, which the programs change at any moment.
pub(super) struct Slots<'obj> {
    /// Of each bucket `spilled`, then its words; a slot has its word's number.
    pub(super) buckets: &'obj [[AtomicU64; STRIDE]; BUCKETS],
    pub(super) shares: &'obj Shares,
    /// The same for `dns_connections`.
    pub(super) connection_shares: &'obj Shares,
    /// How many queries of a client's socket wait, by cookie: bpf/waiting.h.
    pub(super) waiting: &'obj [AtomicU64; WAITING],
    pub(super) slots: *const dns_slot,
}

// SAFETY: it only reads through the pointer, which stays valid whatever thread holds it.
unsafe impl Send for Slots<'_> {}
// SAFETY: as above; what two threads read at the same time, the kernel may write as well.
unsafe impl Sync for Slots<'_> {}

impl<'obj> Slots<'obj> {
    /// Queries that there is room for.
    pub(super) const ROOM: usize = BUCKETS * (STRIDE - 1);

    /// Takes them from the maps, once, before anything is attached.
    pub(super) fn take(maps: &mut DnsMonitorMaps<'obj>) -> Option<Self> {
        const _: () = assert!(size_of::<dns_bucket>() == size_of::<[AtomicU64; STRIDE]>());
        const _: () = assert!(size_of::<dns_share_table>() == size_of::<Shares>());
        let buckets = &raw mut maps.bss_buckets_data.take()?.dns_buckets;
        let shares = maps.bss_shares_data.take()?;
        let connection_shares = &raw mut shares.dns_connection_shares;
        let shares = &raw mut shares.dns_shares;
        let slots = &raw const maps.bss_slots_data.take()?.dns_slots;
        let waiting = &raw mut maps.bss_waiting_data.take()?.dns_waiting;
        let taken = Self {
            // SAFETY: mapped memory of that size that lives as long as the object, and
            // that nobody here refers to in another way; an AtomicU64 is laid out as a
            // u64, and the alignment is that of a cache line.
            buckets: unsafe { &*buckets.cast() },
            // SAFETY: as above.
            shares: unsafe { &*shares.cast() },
            // SAFETY: as above.
            connection_shares: unsafe { &*connection_shares.cast() },
            // SAFETY: as above.
            waiting: unsafe { &*waiting.cast() },
            slots: slots.cast(),
        };
        for words in taken.buckets {
            for (way, word) in words.iter().enumerate().skip(1) {
                word.store((way as u64) << WAY_SHIFT, Ordering::Release);
            }
        }
        Some(taken)
    }

    /// Whether anything is in `dns_inflight`: it is counted before it is there, and until
    /// it is gone.
    pub(super) fn any_elsewhere(&self) -> bool {
        self.shares[0].load(Ordering::Acquire) != 0
    }

    /// How many entries `dns_inflight` and `dns_connections` have.
    pub(super) fn elsewhere(&self) -> (u64, u64) {
        // Signed on the other side: a miscount is nothing, not everything.
        let number = |shares: &Shares| {
            let number = shares[0].load(Ordering::Acquire).cast_signed();
            number.max(0).cast_unsigned()
        };
        (number(self.shares), number(self.connection_shares))
    }

    /// Whether anything is in `dns_connections`.
    pub(super) fn any_connection(&self) -> bool {
        self.connection_shares[0].load(Ordering::Acquire) != 0
    }

    /// Every query that waits in a slot.
    pub(super) fn snapshot(&self, entries: &mut Vec<Entry>) {
        for (bucket, words) in self.buckets.iter().enumerate() {
            for (way, word) in words.iter().enumerate().skip(1) {
                let seen = word.load(Ordering::Acquire);
                if seen & STATE != READY {
                    continue;
                }
                let index = bucket * STRIDE + way;
                let place = Place { index, word: seen };
                let entry = entry(&self.read(index), Some(place));
                // Else it was used again while it was read.
                if word.load(Ordering::Acquire) == seen {
                    entries.push(entry);
                }
            }
        }
    }

    /// Takes the query out of the kernel's hands, if it is still the one that was seen.
    pub(super) fn claim(&self, place: Place, now_ns: u64) -> Claim {
        let word = self.word(place.index);
        let taken = place.word | TAKEN;
        let claimed = word.compare_exchange(place.word, taken, Ordering::AcqRel, Ordering::Relaxed);
        if claimed.is_err() {
            return Claim::Kernels;
        }
        // Nobody writes it now.
        let entry = entry(&self.read(place.index), Some(place));
        word.store(place.word & !STATE, Ordering::Release);
        Claim::Ours(entry.give_up(now_ns))
    }

    /// An entry of `dns_inflight` is gone.
    pub(super) fn release(&self, key: &dns_key, query: &dns_query) {
        if i32::from(key.transport) == libc::IPPROTO_UDP {
            let bucket = &self.buckets[usize::from(query.bucket) % BUCKETS];
            bucket[0].fetch_sub(1, Ordering::AcqRel);
        }
        give_back(self.shares, query.share);
    }

    /// One query less of a client's socket waits.
    pub(super) fn ends_waiting(&self, cookie: u64) {
        let word = &self.waiting[cookie as usize % WAITING];
        let less = |seen: u64| {
            let is_its = (seen ^ cookie) & (ONE_WAITS - 1) == 0;
            (is_its && seen >= ONE_WAITS).then(|| seen - ONE_WAITS)
        };
        let _not_its = word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, less);
    }

    /// An entry of `dns_connections` is gone.
    pub(super) fn release_connection(&self, connection: &dns_connection) {
        give_back(self.connection_shares, connection.share);
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        &self.buckets[index / STRIDE % BUCKETS][index % STRIDE]
    }

    pub(super) fn read(&self, index: usize) -> dns_slot {
        // SAFETY: `index` comes from snapshot(), so it is within the array. The kernel may
        // write meanwhile; every bit pattern is a value, and the word tells whether to
        // believe it.
        unsafe { self.slots.add(index).read_volatile() }
    }
}

/// The same query as `dns_inflight` has them.
pub(super) fn entry(slot: &dns_slot, place: Option<Place>) -> Entry {
    let record = &slot.record;
    let key = dns_key {
        cookie: record.cookie,
        local_port: record.local_port,
        id: record.id,
        role: record.role,
        transport: record.transport,
        ..peer(record)
    };
    let mut query = dns_query {
        first_ns: record.first_ns,
        owner: record.owner,
        tid: record.tid,
        message_bytes: record.query_bytes,
        question_len: record.question_len,
        asked_len: slot.asked_len,
        nsends: 1,
        ready: 1,
        queued_bytes: record.queued_bytes,
        other_question: record.other_question,
        other_source: record.other_source,
        ..dns_query::default()
    };
    query.sends[0] = record.send;
    query.question[..slot.question.len()].copy_from_slice(&slot.question);
    Entry { key, query, place }
}

/// A server's key has its peer.
fn peer(record: &dns_record) -> dns_key {
    match dns_role(u32::from(record.role)) {
        dns_role::DNS_ROLE_SERVER => dns_key {
            peer_ip: record.send.peer_ip,
            peer_port: record.send.peer_port,
            ..dns_key::default()
        },
        _ => dns_key::default(),
    }
}
