//! Totals by key, bounded in number; those that are quiet for long make room.

use std::collections::BTreeMap;

/// Steps of ten seconds without a count after which a key is gone: 10 minutes.
const QUIET_MAX: u64 = 60;

/// A key that has a coarser one, which stands for all that there was no room for.
pub(super) trait Coarse: Clone + Ord {
    /// The next coarser one; `None` for the coarsest.
    fn coarser(&self) -> Option<Self>;
}

/// How the room of a table is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Keys with a total of their own,
    pub(super) number: usize,
    /// and how many may have one.
    pub(super) max: usize,
    /// What was counted elsewhere for want of room.
    pub(super) overflown: u64,
}

#[derive(Clone, Debug, Default)]
struct Held<T> {
    total: T,
    /// The step in which it was counted last.
    seen: u64,
}

/// At most `max` keys have a total of their own.
#[derive(Clone, Debug)]
pub(super) struct Bounded<K, T> {
    max: usize,
    own: BTreeMap<K, Held<T>>,
    /// By coarser keys, at most `max` and the coarsest.
    others: BTreeMap<K, Held<T>>,
    /// What was counted there.
    overflown: u64,
    step: u64,
}

impl<K: Coarse, T: Default> Bounded<K, T> {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            own: BTreeMap::new(),
            others: BTreeMap::new(),
            overflown: 0,
            step: 0,
        }
    }

    /// The total of this key, or of the one that stands for it; `number` is what will be
    /// counted there.
    pub(super) fn of(&mut self, key: K, number: u64) -> &mut T {
        let is_there = self.own.contains_key(&key) || self.others.contains_key(&key);
        let held = if is_there || self.own.len() < self.max {
            Self::held(&mut self.own, &mut self.others, key)
        } else if let Some(other) = key.coarser() {
            self.overflown = self.overflown.saturating_add(number);
            let other = self.place(other);
            match self.own.contains_key(&other) {
                true => self.own.entry(other).or_default(),
                false => self.others.entry(other).or_default(),
            }
        } else {
            self.others.entry(key).or_default()
        };
        held.seen = self.step;
        &mut held.total
    }

    /// A key that is among the coarse ones is nowhere else: a workload may call itself so.
    fn held<'a>(
        own: &'a mut BTreeMap<K, Held<T>>,
        others: &'a mut BTreeMap<K, Held<T>>,
        key: K,
    ) -> &'a mut Held<T> {
        match others.contains_key(&key) {
            true => others.entry(key).or_default(),
            false => own.entry(key).or_default(),
        }
    }

    /// The finest of a coarse key and its coarser ones that there is room for.
    fn place(&self, mut key: K) -> K {
        while self.others.len() >= self.max
            && !self.others.contains_key(&key)
            && let Some(coarser) = key.coarser()
        {
            key = coarser;
        }
        key
    }

    /// The key that it is counted under now.
    pub(super) fn shown(&self, mut key: K) -> K {
        while !self.own.contains_key(&key)
            && !self.others.contains_key(&key)
            && let Some(coarser) = key.coarser()
        {
            key = coarser;
        }
        key
    }

    /// Ten seconds are over. Returns the keys that are gone.
    pub(super) fn step(&mut self) -> Vec<K> {
        self.step += 1;
        let oldest = self.step.saturating_sub(QUIET_MAX);
        let mut gone = Vec::new();
        for table in [&mut self.own, &mut self.others] {
            table.retain(|key, held| {
                let stays = held.seen >= oldest;
                if !stays {
                    gone.push(key.clone());
                }
                stays
            });
        }
        gone
    }

    /// Takes out those that belong to something that is gone.
    pub(super) fn remove(&mut self, is_gone: impl Fn(&K) -> bool) {
        self.own.retain(|key, _| !is_gone(key));
        self.others.retain(|key, _| !is_gone(key));
    }

    /// All, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &T)> {
        let all = self.own.iter().chain(&self.others);
        all.map(|(key, held)| (key, &held.total))
    }

    /// How its room is used.
    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            number: self.own.len(),
            max: self.max,
            overflown: self.overflown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum Key {
        Own(u8, u8),
        Group(u8),
        Any,
    }

    impl Coarse for Key {
        fn coarser(&self) -> Option<Self> {
            match self {
                Self::Own(group, _) => Some(Self::Group(*group)),
                Self::Group(_) => Some(Self::Any),
                Self::Any => None,
            }
        }
    }

    #[test]
    fn what_has_no_room_is_counted_in_a_coarser_place() {
        let mut table: Bounded<Key, u64> = Bounded::new(2);
        for key in [
            Key::Own(1, 1),
            Key::Own(1, 2),
            Key::Own(1, 3),
            Key::Own(1, 4),
            Key::Own(2, 1),
            Key::Own(3, 1),
            Key::Own(3, 2),
            Key::Own(1, 1),
        ] {
            *table.of(key, 1) += 1;
        }
        let all: Vec<_> = table.iter().map(|(key, n)| (key.clone(), *n)).collect();
        assert_eq!(
            all,
            [
                (Key::Own(1, 1), 2),
                (Key::Own(1, 2), 1),
                (Key::Group(1), 2),
                (Key::Group(2), 1),
                (Key::Any, 2),
            ]
        );
        let bounds = table.bounds();
        assert_eq!((bounds.number, bounds.max, bounds.overflown), (2, 2, 5));
    }

    #[test]
    fn no_key_is_in_two_places() {
        let mut table: Bounded<Key, u64> = Bounded::new(2);
        for key in [
            Key::Group(1),
            Key::Any,
            Key::Own(1, 1),
            Key::Own(2, 1),
            Key::Own(3, 1),
            Key::Group(2),
            Key::Group(3),
            Key::Any,
        ] {
            *table.of(key, 1) += 1;
        }
        let mut all: Vec<_> = table.iter().map(|(key, n)| (key.clone(), *n)).collect();
        assert_eq!(all.iter().map(|(_, n)| n).sum::<u64>(), 8);
        let number = all.len();
        all.sort();
        all.dedup_by(|a, b| a.0 == b.0);
        assert_eq!(all.len(), number, "{all:?}");
    }

    #[test]
    fn who_is_quiet_for_ten_minutes_is_gone_and_begins_anew() {
        let mut table: Bounded<Key, u64> = Bounded::new(1);
        *table.of(Key::Own(1, 1), 1) += 7;
        for _ in 0..QUIET_MAX {
            assert!(table.step().is_empty());
            assert_eq!(table.iter().count(), 1);
        }
        assert_eq!(table.step(), [Key::Own(1, 1)]);
        // Its place is free.
        *table.of(Key::Own(1, 2), 1) += 1;
        *table.of(Key::Own(1, 1), 1) += 1;
        let all: Vec<_> = table.iter().map(|(key, n)| (key.clone(), *n)).collect();
        assert_eq!(all, [(Key::Own(1, 2), 1), (Key::Group(1), 1)]);
    }

    #[test]
    fn who_is_counted_now_and_then_stays() {
        let mut table: Bounded<Key, u64> = Bounded::new(1);
        for n in 0..500 {
            *table.of(Key::Any, 1) += 1;
            for _ in 0..QUIET_MAX {
                assert!(table.step().is_empty(), "{n}");
            }
        }
        assert_eq!(table.iter().next(), Some((&Key::Any, &500)));
    }
}
