//! Latencies counted between fixed edges: exact where a histogram rounds.

/// Edges in nanoseconds, in steps of 1, 2 and 5. They contain the thresholds
/// of the latency rule, so that "slower than 100 ms" is an exact count, and the
/// 5 s and 10 s after which glibc has resent once and twice (resolv.conf(5)).
pub const EDGES_NS: [u64; 16] = [
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Counts between the edges; an edge itself belongs to the bucket that it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread([u64; EDGES_NS.len() + 1]);

impl Spread {
    /// Counts one latency.
    pub fn record(&mut self, ns: u64) {
        self.0[EDGES_NS.partition_point(|&edge| edge < ns)] += 1;
    }

    /// Adds latencies that were counted elsewhere.
    pub fn absorb(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// How many were longer than this edge, which must be one of [`EDGES_NS`].
    pub fn longer_than(&self, edge_ns: u64) -> u64 {
        debug_assert!(EDGES_NS.contains(&edge_ns), "{edge_ns} is no edge");
        let first = EDGES_NS.partition_point(|&edge| edge <= edge_ns);
        self.0[first..].iter().sum()
    }

    /// The buckets as (above, up to, count); above the last edge, "up to" is
    /// `u64::MAX`.
    pub fn buckets(&self) -> impl DoubleEndedIterator<Item = (u64, u64, u64)> {
        self.0.iter().enumerate().map(|(i, &count)| {
            let above = if i == 0 { 0 } else { EDGES_NS[i - 1] };
            let up_to = EDGES_NS.get(i).copied().unwrap_or(u64::MAX);
            (above, up_to, count)
        })
    }

    /// The edges around the latency of this rank (from 1, by size).
    pub fn around(&self, rank: u64) -> (u64, u64) {
        let mut seen = 0;
        for (above, up_to, count) in self.buckets() {
            seen += count;
            if seen >= rank {
                return (above, up_to);
            }
        }
        (0, u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_belongs_below() {
        let mut spread = Spread::default();
        spread.record(100_000_000);
        assert_eq!(spread.longer_than(100_000_000), 0);
        spread.record(100_000_001);
        assert_eq!(spread.longer_than(100_000_000), 1);
        assert_eq!(spread.around(1), (50_000_000, 100_000_000));
        assert_eq!(spread.around(2), (100_000_000, 200_000_000));
    }

    #[test]
    fn both_ends_are_open() {
        let mut spread = Spread::default();
        spread.record(0);
        spread.record(u64::MAX);
        assert_eq!(spread.around(1), (0, 100_000));
        assert_eq!(spread.around(2), (10_000_000_000, u64::MAX));
        assert_eq!(spread.buckets().map(|(_, _, n)| n).sum::<u64>(), 2);
    }
}
