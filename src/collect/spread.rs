//! Latencies counted between fixed edges: exact where a histogram rounds.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

/// Edges of the buckets that are shown, in nanoseconds, in steps of 1, 2 and 5. They contain
/// the thresholds
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

/// Edges that are counted at: those that are shown, and those of the buckets that Prometheus is
/// told of, which go by 1, 2.5 and 5.
const COUNTED_NS: [u64; 21] = [
    100_000,
    200_000,
    250_000,
    500_000,
    1_000_000,
    2_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    20_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Counts between the edges; an edge itself belongs to the bucket that it ends.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread([u64; COUNTED_NS.len() + 1]);

impl Spread {
    /// Counts one latency.
    pub fn record(&mut self, ns: u64) {
        self.0[COUNTED_NS.partition_point(|&edge| edge < ns)] += 1;
    }

    /// Adds latencies that were counted elsewhere.
    pub fn absorb(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// How many were longer than this edge, which must be one that is counted at.
    pub fn longer_than(&self, edge_ns: u64) -> u64 {
        self.0[Self::behind(edge_ns)..].iter().sum()
    }

    /// How many took no longer than this edge, which must be one that is counted at.
    pub fn within(&self, edge_ns: u64) -> u64 {
        self.0[..Self::behind(edge_ns)].iter().sum()
    }

    /// All of them.
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    fn behind(edge_ns: u64) -> usize {
        debug_assert!(COUNTED_NS.contains(&edge_ns), "{edge_ns} is no edge");
        COUNTED_NS.partition_point(|&edge| edge <= edge_ns)
    }

    /// The buckets between [`EDGES_NS`] as (above, up to, count); above the last edge, "up
    /// to" is `u64::MAX`.
    pub fn buckets(&self) -> impl DoubleEndedIterator<Item = (u64, u64, u64)> {
        (0..=EDGES_NS.len()).map(|i| {
            let below = i.checked_sub(1).map(|i| EDGES_NS[i]);
            let up_to = EDGES_NS.get(i).copied();
            let first = below.map_or(0, Self::behind);
            let end = up_to.map_or(self.0.len(), Self::behind);
            let count = self.0[first..end].iter().sum();
            (below.unwrap_or(0), up_to.unwrap_or(u64::MAX), count)
        })
    }

    /// The edges around the latency of this rank (from 1, by size).
    pub fn around(&self, rank: u64) -> (u64, u64) {
        let mut seen = 0;
        let mut above = 0;
        let up_to = COUNTED_NS.into_iter().chain([u64::MAX]);
        for (&count, up_to) in self.0.iter().zip(up_to) {
            seen += count;
            if seen >= rank {
                return (above, up_to);
            }
            above = up_to;
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
    fn what_is_shown_and_what_is_told_are_the_same_latencies() {
        let mut spread = Spread::default();
        for edge in COUNTED_NS {
            spread.record(edge);
            spread.record(edge + 1);
        }
        assert!(EDGES_NS.iter().all(|edge| COUNTED_NS.contains(edge)));
        assert!(COUNTED_NS.is_sorted());
        let shown: u64 = spread.buckets().map(|(_, _, n)| n).sum();
        assert_eq!((shown, spread.count()), (42, 42));
        for (n, edge) in (0..).zip(COUNTED_NS) {
            assert_eq!(spread.within(edge), 2 * n + 1, "{edge}");
            assert_eq!(spread.within(edge) + spread.longer_than(edge), 42);
        }
        // 1 ms and less, but more than 500 µs: of the one 1, of the other 1.
        let of_a_millisecond = spread.buckets().find(|(_, up_to, _)| *up_to == 1_000_000);
        assert_eq!(of_a_millisecond, Some((500_000, 1_000_000, 2)));
        let around_it = spread.buckets().find(|(_, up_to, _)| *up_to == 500_000);
        assert_eq!(around_it, Some((200_000, 500_000, 4)));
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
