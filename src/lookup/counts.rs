//! What the grouper had no room for.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

/// What became of lookups that there was no room for.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize,
)]
pub struct GrouperCounts {
    /// Lookups that were closed early, to make room for others.
    pub lookups_cut_short: u64,
    /// Lookups whose asker had been quiet for so long that it was forgotten meanwhile.
    pub lookups_lost: u64,
    /// Failed calls that were taken for lookups of their own, because there was no room to
    /// look for theirs.
    pub calls_apart: u64,
}

impl GrouperCounts {
    /// Those of the time after `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            lookups_cut_short: self.lookups_cut_short - before.lookups_cut_short,
            lookups_lost: self.lookups_lost - before.lookups_lost,
            calls_apart: self.calls_apart - before.calls_apart,
        }
    }

    /// Adds those of the time right after.
    pub fn add(&mut self, next: &Self) {
        self.lookups_cut_short += next.lookups_cut_short;
        self.lookups_lost += next.lookups_lost;
        self.calls_apart += next.calls_apart;
    }
}
