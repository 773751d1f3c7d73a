//! Lookups that resolvers of this host made for others: whoever asked them waits for the same,
//! and is counted beside them.

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
