//! What each process asked: a table whose entries are two in a line of the cache, because each
//! query of a busy host is counted here, and few of them find their entry where the processor has
//! it at hand.

use crate::attempt::Role;
use crate::kernel::PlainRecord;

/// Entries at least. One in eight is always free.
const SLOTS_MIN: usize = 1_024;
/// Bits of a question that are in no name: see [`rest_of`].
const REST_BITS: u32 = 35;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct AskedNames {
    /// Each is where it belongs, or behind that; one place in eight at least is free.
    slots: Vec<Slot>,
    used: usize,
}

/// A question of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// The name in whatever case: a keyed hash.
    name: u64,
    /// What else tells questions apart, see [`rest_of`], and who asks.
    whose: u64,
}

impl Named {
    /// Of the process with this number.
    pub(super) fn of(asker: u32, (name, rest): (u64, u64)) -> Self {
        Self {
            name,
            whose: (u64::from(asker) + 1) << REST_BITS | rest,
        }
    }

    /// Without who asks.
    pub(super) fn question(self) -> (u64, u64) {
        (self.name, self.whose & ((1 << REST_BITS) - 1))
    }

    /// The number of who asks.
    pub(super) fn asker(self) -> usize {
        (self.whose >> REST_BITS) as usize - 1
    }

    /// Where it belongs; the number of places is a power of two.
    fn home(self, places: &[Slot]) -> usize {
        // A multiplication spreads who asks (Knuth, "The Art of Computer Programming",
        // section 6.4); the name is spread already.
        let spread = self
            .whose
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(32);
        (self.name ^ spread) as usize & places.len().wrapping_sub(1)
    }
}

/// What came of one.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
pub(super) struct Slot {
    pub(super) named: Named,
    pub(super) all: u32,
    pub(super) nxdomain: u32,
    pub(super) no_data: u32,
    /// The question's place.
    pub(super) place: u16,
    pub(super) answer_bytes: u16,
}

impl Slot {
    /// Of a question at this place.
    pub(super) fn at(place: u16) -> Self {
        Self {
            place,
            ..Self::default()
        }
    }

    fn is_used(&self) -> bool {
        self.named.whose != 0
    }

    /// Counts an answer.
    pub(super) fn count(&mut self, record: &PlainRecord<'_>) {
        self.all += 1;
        self.nxdomain += u32::from(record.is_nxdomain());
        self.no_data += u32::from(record.is_no_data());
        self.answer_bytes = self.answer_bytes.max(record.answer_bytes());
    }
}

/// Of a question: its type, its length (the same may be asked with EDNS and without), RD, CD and
/// capitals.
pub(super) fn rest_of(record: &PlainRecord<'_>) -> u64 {
    let (len, has_capitals) = match record.role() {
        Role::Client => (record.question().len(), record.has_capitals),
        // Nobody compares them there.
        Role::Server => (0, false),
    };
    let rtype = u64::from(record.fingerprint.rtype.to_int());
    let bits = [
        record.wants_recursion(),
        record.is_unchecked(),
        has_capitals,
    ];
    let rest = rtype << 16 | len as u64 & 0xffff;
    bits.iter()
        .fold(rest, |rest, bit| rest << 1 | u64::from(*bit))
}

impl AskedNames {
    /// Has the processor fetch what [`get`](Self::get) will look at: it takes as long as much of
    /// what else is done for a query.
    pub(super) fn fetch(&self, it: Named) {
        if let Some(slot) = self.slots.get(it.home(&self.slots)) {
            fetch(slot);
        }
    }

    /// Where this question of this process is counted, if it was before.
    pub(super) fn get(&mut self, it: Named) -> Option<&mut Slot> {
        if self.slots.is_empty() {
            return None;
        }
        let at = self.find(it);
        Some(&mut self.slots[at]).filter(|it| it.is_used())
    }

    /// Adds a question that this process had not asked.
    pub(super) fn add(&mut self, it: Named, slot: Slot) {
        if self.slots.len() <= self.used + self.slots.len() / 8 {
            self.grow();
        }
        let at = self.find(it);
        self.slots[at] = Slot { named: it, ..slot };
        self.used += 1;
    }

    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// Takes out each of them, in no order.
    pub(super) fn take(&mut self, mut each: impl FnMut(&Slot)) {
        let used = self.slots.iter_mut().filter(|it| it.is_used());
        for slot in used {
            each(slot);
            *slot = Slot::default();
        }
        self.used = 0;
    }

    fn grow(&mut self) {
        let room = (2 * self.slots.len()).max(SLOTS_MIN);
        let slots = std::mem::replace(&mut self.slots, vec![Slot::default(); room]);
        for slot in slots.into_iter().filter(Slot::is_used) {
            let at = self.find(slot.named);
            self.slots[at] = slot;
        }
    }

    /// Where it is, or the free place for it: the next one from where it belongs.
    fn find(&self, it: Named) -> usize {
        let mut at = it.home(&self.slots);
        loop {
            let slot = &self.slots[at];
            if !slot.is_used() || slot.named == it {
                return at;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn fetch<T>(what: &T) {
    use std::arch::x86_64::_MM_HINT_T0;
    use std::arch::x86_64::_mm_prefetch;
    // SAFETY: every processor of this architecture has it, and it changes nothing.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(what).cast()) }
}

/// Rust has no way to say it yet.
#[cfg(not(target_arch = "x86_64"))]
fn fetch<T>(_what: &T) {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::monitor::questions::NAMES_MAX;

    #[test]
    fn each_question_of_each_process_has_its_own_place() {
        let mut names = AskedNames::default();
        // Neighbours, and names whose hashes differ where nobody looks first.
        let all: Vec<Named> = (0..NAMES_MAX as u64)
            .map(|at| Named::of(at as u32 % 20, (at / 40 * (1 << 50) + at % 7, at % 3)))
            .collect();
        let all: BTreeSet<_> = all.iter().map(|it| (it.name, it.whose)).collect();
        let all: Vec<_> = all
            .iter()
            .map(|&(name, whose)| Named { name, whose })
            .collect();
        for (place, it) in all.iter().enumerate() {
            names.fetch(*it);
            assert!(names.get(*it).is_none());
            names.add(*it, Slot::at(place as u16));
        }
        for (place, it) in all.iter().enumerate() {
            let slot = names.get(*it).expect("it was added");
            assert_eq!(usize::from(slot.place), place);
            slot.all += 1;
        }
        assert_eq!(names.len(), all.len());
        let mut taken = Vec::new();
        names.take(|slot| taken.push((usize::from(slot.place), slot.named, slot.all)));
        taken.sort_by_key(|it| it.0);
        let expected = all.iter().enumerate().map(|(place, it)| (place, *it, 1));
        assert!(taken.into_iter().eq(expected));
        assert!(names.len() == 0 && names.get(all[0]).is_none());
    }

    #[test]
    fn as_many_as_there_may_be_leave_places_free() {
        let mut names = AskedNames::default();
        let of = |at: u64| {
            Named::of(
                3,
                (
                    crate::attempt::Fingerprint::of(&question(at)).unwrap().name,
                    1,
                ),
            )
        };
        (0..NAMES_MAX as u64).for_each(|at| names.add(of(at), Slot::at(0)));
        assert_eq!(names.slots.len(), NAMES_MAX / 7 * 8);
        assert!(names.get(of(0)).is_some());
        assert!(names.get(of(NAMES_MAX as u64)).is_none());
        assert_eq!((of(7).asker(), of(7).question().1), (3, 1));
    }

    fn question(number: u64) -> Vec<u8> {
        let label = format!("{number:05}");
        [&b"\x05"[..], label.as_bytes(), b"\0\0\x01\0\x01"].concat()
    }
}
