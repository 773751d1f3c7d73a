//! What was used lately, bounded in number.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;
use std::time::Instant;

/// What has not been used for so long may be forgotten: a container that has
/// ended still resolves that long.
pub(super) const LIFETIME: Duration = Duration::from_secs(60);

/// A map that forgets: when it is full, whatever was not used within
/// [`LIFETIME`], else the quarter that was not used for the longest time.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    max: usize,
    entries: HashMap<K, (V, Instant)>,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            entries: HashMap::new(),
        }
    }

    /// Finds it, which counts as a use.
    pub(super) fn get(&mut self, key: &K, now: Instant) -> Option<&mut V> {
        let (value, used) = self.entries.get_mut(key)?;
        *used = now;
        Some(value)
    }

    pub(super) fn insert(&mut self, key: K, value: V, now: Instant) {
        if self.entries.len() >= self.max && !self.entries.contains_key(&key) {
            self.make_room(now);
        }
        self.entries.insert(key, (value, now));
    }

    fn make_room(&mut self, now: Instant) {
        let keep = self.max - self.max.div_ceil(4);
        self.entries
            .retain(|_, (_, used)| now.saturating_duration_since(*used) < LIFETIME);
        let surplus = self.entries.len().saturating_sub(keep);
        if surplus == 0 {
            return;
        }
        let mut uses: Vec<_> = self.entries.values().map(|(_, used)| *used).collect();
        let (_, &mut edge, _) = uses.select_nth_unstable(surplus - 1);
        // Of those that were used at the same moment only as many as needed.
        let mut left = surplus;
        self.entries.retain(|_, (_, used)| {
            let goes = left > 0 && *used <= edge;
            left -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<K, V> Recent<K, V> {
        pub(in crate::attribution) fn len(&self) -> usize {
            self.entries.len()
        }
    }

    #[test]
    fn what_is_used_stays() {
        let start = Instant::now();
        let mut recent = Recent::new(8);
        for n in 0..1000_u32 {
            let now = start + Duration::from_millis(u64::from(n));
            recent.insert(n, n, now);
            assert!(recent.get(&0, now).is_some(), "{n}");
            assert!(recent.len() <= 8);
        }
        assert_eq!(recent.get(&999, start).copied(), Some(999));
        assert!(recent.get(&500, start).is_none());
    }

    #[test]
    fn the_unused_go_first() {
        let start = Instant::now();
        let mut recent = Recent::new(4);
        for n in 0..4 {
            recent.insert(n, (), start);
        }
        let later = start + LIFETIME;
        recent.get(&3, later);
        recent.insert(4, (), later);
        assert_eq!(recent.len(), 2);
        assert!(recent.get(&3, later).is_some());
    }
}
