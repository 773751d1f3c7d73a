//! One scope per key, and one for all the rest once the room is used up.

use std::collections::HashMap;
use std::hash::Hash;

use super::scope::Scope;
use super::snapshot::Figures;
use crate::attempt::Attempt;

/// Scopes by key, bounded in number. A key that has no scope of its own never
/// gets one later, so all its attempts are in the same place.
#[derive(Clone, Debug)]
pub(super) struct Bounded<K> {
    max: usize,
    scopes: HashMap<K, Scope>,
    others: Option<Box<Scope>>,
}

impl<K: Copy + Eq + Hash> Bounded<K> {
    /// At most `max` keys have a scope of their own.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            scopes: HashMap::with_capacity(max),
            others: None,
        }
    }

    pub(super) fn record(&mut self, key: K, attempt: &Attempt) {
        if let Some(scope) = self.scopes.get_mut(&key) {
            scope.record(attempt);
        } else if self.scopes.len() < self.max {
            self.scopes
                .entry(key)
                .or_insert_with(Scope::new)
                .record(attempt);
        } else {
            self.others
                .get_or_insert_with(|| Box::new(Scope::new()))
                .record(attempt);
        }
    }

    /// In no particular order.
    pub(super) fn figures(&self) -> impl Iterator<Item = (K, Figures)> {
        self.scopes
            .iter()
            .map(|(&key, scope)| (key, scope.figures()))
    }

    /// Of all keys without a scope of their own; `None` if all have one.
    pub(super) fn others(&self) -> Option<Figures> {
        self.others.as_ref().map(|scope| scope.figures())
    }
}
