//! What there is most of.

use std::collections::BTreeMap;

use crate::units;

/// Adds up, and puts what there is most of first.
pub(super) fn ranked<K: Ord>(all: impl IntoIterator<Item = (K, u64)>) -> Vec<(K, u64)> {
    let mut sums: BTreeMap<K, u64> = BTreeMap::new();
    for (key, weight) in all {
        *sums.entry(key).or_default() += weight;
    }
    let mut ranked: Vec<_> = sums.into_iter().collect();
    ranked.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
    ranked
}

/// `a, b and 17 more`; nothing if there is none.
pub(super) fn first_of<T>(all: &[T], shown: usize, told: impl Fn(&T) -> String) -> Option<String> {
    let first: Vec<_> = all.iter().take(shown).map(told).collect();
    let first = Some(first.join(", ")).filter(|_| !all.is_empty())?;
    Some(match all.len().saturating_sub(shown) {
        0 => first,
        more => format!("{first} and {} more", units::count(more as u64)),
    })
}
