//! Lookups that resolvers of this host made for others: whoever asked them waits for the same,
//! and is counted beside them.

use super::losses::Losses;
use super::party::Parties;

/// What those that answer others here asked themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForOthers {
    /// Lookups that are over.
    pub lookups: u64,
    /// Those that led to nothing.
    pub failed: u64,
    /// Time that they lost, in nanoseconds.
    pub lost_ns: u64,
}

pub(super) fn of(parties: &Parties<'_>, losses: &Losses) -> ForOthers {
    let mut sum = ForOthers::default();
    for row in parties.resolvers() {
        let own = &row.figures.lookups;
        sum.lookups += own.count;
        sum.failed += own.failed;
        let lost = losses.by_workload.get(&row.whom);
        sum.lost_ns += lost.map_or(0, |lost| lost.values().sum());
    }
    sum
}
