//! One scope per key for the busiest, and one for all the rest.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::hash::Hash;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::scope::Scope;
use super::snapshot::Row;
use super::snapshot::Table;
use crate::attempt::Attempt;
use crate::attempt::Outcome;

/// Scopes by key, bounded in number. When the room is used up, the quietest
/// quarter is put together: a crowd of short-lived processes must not keep a
/// busy one that comes later from being named.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug)]
pub(super) struct Bounded<K> {
    #[borsh(skip)]
    max: usize,
    #[borsh(bound(
        serialize = "K: BorshSerialize + Ord",
        deserialize = "K: BorshDeserialize + Eq + Hash + Ord"
    ))]
    scopes: HashMap<K, Scope>,
    others: Option<Box<Scope>>,
}

impl<K: Clone + Eq + Hash + Ord> Bounded<K> {
    /// At most `max` keys have a scope of their own.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            scopes: HashMap::with_capacity(max),
            others: None,
        }
    }

    /// Sets the bound anew: it is not stored.
    pub(super) fn limit(&mut self, max: usize) {
        self.max = max;
    }

    pub(super) fn record(&mut self, key: K, attempt: &Attempt) {
        if attempt.outcome == Outcome::Late
            && self.scopes.get(&key).is_none_or(|it| !it.has_unanswered())
            && let Some(others) = self.others.as_mut().filter(|it| it.has_unanswered())
        {
            // Its first record was put together with the others: it moves there.
            others.record(attempt);
        } else {
            self.scope(key).record(attempt);
        }
    }

    /// A key's own scope; for a new one there is room made.
    pub(super) fn scope(&mut self, key: K) -> &mut Scope {
        if self.scopes.len() == self.max && !self.scopes.contains_key(&key) {
            self.make_room();
        }
        self.scopes.entry(key).or_default()
    }

    /// Gives back the room that is not used.
    pub(super) fn shrink(&mut self) {
        self.scopes.shrink_to_fit();
        self.scopes.values_mut().for_each(Scope::shrink);
    }

    /// What it takes, about.
    pub(super) fn octets(&self) -> usize {
        let entry = size_of::<(K, Scope)>();
        let scopes = self.scopes.values().chain(self.others.as_deref());
        self.scopes.capacity() * entry + scopes.map(Scope::octets).sum::<usize>()
    }

    pub(super) fn follow(&mut self, next: &Self) {
        // In a fixed order, because who finds no room depends on it.
        let mut scopes: Vec<_> = next.scopes.iter().collect();
        scopes.sort_unstable_by_key(|(key, _)| *key);
        for (key, scope) in scopes {
            self.scope(key.clone()).follow(scope);
        }
        if let Some(scope) = &next.others {
            let others = self.others.get_or_insert_default();
            others.follow(scope);
        }
    }

    /// A quarter at a time, so that a crowd costs little per newcomer.
    fn make_room(&mut self) {
        let mut quietest: Vec<_> = self
            .scopes
            .iter()
            .map(|(key, scope)| (scope.queries(), key.clone()))
            .collect();
        let quarter = self.max.div_ceil(4);
        quietest.select_nth_unstable(quarter - 1);
        let others = self.others.get_or_insert_default();
        for (_, key) in &quietest[..quarter] {
            if let Some(scope) = self.scopes.remove(key) {
                others.absorb(&scope);
            }
        }
    }

    /// The busiest first, those that turn out to be one taken together; equally busy ones
    /// in their order, so that two reports compare.
    pub(super) fn table<G: Ord>(&self, group: impl Fn(&K) -> G) -> Table<G> {
        let mut groups: BTreeMap<G, Scope> = BTreeMap::new();
        for (key, scope) in &self.scopes {
            groups.entry(group(key)).or_default().absorb(scope);
        }
        let groups = groups.into_iter();
        let mut rows: Vec<_> = groups
            .map(|(whom, scope)| Row {
                whom,
                figures: scope.figures(),
            })
            .collect();
        rows.sort_by_key(|row| Reverse(row.figures.queries()));
        Table {
            rows,
            others: self.others.as_ref().map(|scope| scope.figures()),
        }
    }
}
