//! Percentiles of latency in bounded memory.

use std::io;
use std::io::Read;
use std::io::Write;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use hdrhistogram::Histogram;

use super::spread::Spread;

/// Most processes ask little: so many latencies are kept as they are before a
/// histogram of 11 KiB is worth it. As a bonus, small samples are exact.
const FEW: usize = 32;
/// Resolution at the low end, in nanoseconds.
const LOWEST_NS: u64 = 1_000;
/// Longer ones are counted as this long; no resolver waits so long. The maximum
/// is kept apart and stays exact.
const HIGHEST_NS: u64 = 120_000_000_000;
/// Two digits: an error below 1 %.
const DIGITS: u8 = 2;

/// When resolvers give up on a server and resend, in nanoseconds:
/// CoreDNS `forward` 2 s, musl 2.5 s, glibc 5 s. A client that waits for one of
/// them sees a little more.
pub const RESEND_NS: [u64; 3] = [2_000_000_000, 2_500_000_000, 5_000_000_000];

/// Latency of answered attempts, in nanoseconds, each by its own message.
#[derive(Clone, Debug, PartialEq)]
pub struct LatencyFigures {
    /// Half of the answers took no longer.
    pub p50_ns: u64,
    /// 95 % of the answers took no longer.
    pub p95_ns: u64,
    /// 99 % of the answers took no longer.
    pub p99_ns: u64,
    /// The slowest answer.
    pub max_ns: u64,
    /// All of them together.
    pub sum_ns: u64,
    /// Answers that took about as long as each time of [`RESEND_NS`].
    pub near_resend: [u64; RESEND_NS.len()],
    /// Exact counts between fixed edges.
    pub spread: Spread,
}

/// The latencies of one scope: as they are while they are few, else in a histogram.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug)]
pub(super) struct Latency {
    spread: Spread,
    count: u64,
    max_ns: u64,
    sum_ns: u64,
    few: Vec<u64>,
    #[borsh(
        serialize_with = "write_histogram",
        deserialize_with = "read_histogram"
    )]
    many: Option<Histogram<u32>>,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            spread: Spread::default(),
            count: 0,
            max_ns: 0,
            sum_ns: 0,
            few: Vec::with_capacity(FEW),
            many: None,
        }
    }
}

impl Latency {
    /// Gives back the room that is not used.
    pub(super) fn shrink(&mut self) {
        self.few.shrink_to_fit();
    }

    /// What it has beside itself, in octets.
    pub(super) fn octets(&self) -> usize {
        let counts = self.many.as_ref().map_or(0, Histogram::distinct_values);
        self.few.capacity() * size_of::<u64>() + counts * size_of::<u32>()
    }

    /// Of all these.
    pub(super) fn of(values: &[u32]) -> Self {
        let mut latency = Self::default();
        values.iter().for_each(|&ns| latency.record(ns.into()));
        latency
    }

    /// Counts one latency. Allocates at one moment only, when a scope turns out
    /// to be a busy one.
    pub(super) fn record(&mut self, ns: u64) {
        self.spread.record(ns);
        self.count += 1;
        self.max_ns = self.max_ns.max(ns);
        self.sum_ns = self.sum_ns.saturating_add(ns);
        match self.histogram(1) {
            Some(histogram) => histogram.saturating_record(ns),
            None => self.few.push(ns),
        }
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        self.spread.absorb(&other.spread);
        self.count += other.count;
        self.max_ns = self.max_ns.max(other.max_ns);
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        let more = other.many.as_ref().map_or(other.few.len(), |_| FEW + 1);
        let Some(histogram) = self.histogram(more) else {
            self.few.extend(&other.few);
            return;
        };
        record_all(&other.few, histogram);
        if let Some(more) = &other.many {
            histogram.add(more).expect("they have the same bounds");
        }
    }

    /// The histogram, made from the few values if so many more are too many.
    fn histogram(&mut self, more: usize) -> Option<&mut Histogram<u32>> {
        if self.many.is_none() && self.few.len() + more > FEW {
            record_all(
                &std::mem::take(&mut self.few),
                self.many.insert(empty_histogram()),
            );
        }
        self.many.as_mut()
    }

    /// The figures, or `None` without a single latency.
    pub(super) fn figures(&self) -> Option<LatencyFigures> {
        if self.count == 0 {
            return None;
        }
        Some(LatencyFigures {
            p50_ns: self.percentile(50),
            p95_ns: self.percentile(95),
            p99_ns: self.percentile(99),
            max_ns: self.max_ns,
            sum_ns: self.sum_ns,
            near_resend: RESEND_NS.map(|resend| self.shortly_after(resend)),
            spread: self.spread,
        })
    }

    /// By nearest rank: the smallest latency that at least `percent` % of them
    /// do not exceed.
    fn percentile(&self, percent: u64) -> u64 {
        let rank = self.count.saturating_mul(percent).div_ceil(100);
        let value = match &self.many {
            Some(histogram) => histogram.value_at_quantile(percent as f64 / 100.0),
            None => {
                let mut sorted = self.few.clone();
                sorted.sort_unstable();
                sorted[rank as usize - 1]
            }
        };
        // The histogram rounds up to the end of its bucket; the spread knows on
        // which side of each threshold the latency of this rank is.
        let (above, up_to) = self.spread.around(rank);
        value
            .clamp(above.saturating_add(1).min(up_to), up_to)
            .min(self.max_ns)
    }

    /// How many took this long or up to 8 % longer: close enough to be its
    /// effect, and 2 s stays apart from 2.5 s.
    fn shortly_after(&self, ns: u64) -> u64 {
        let end = ns + ns / 100 * 8;
        // A histogram's bucket may begin a little before.
        let start = ns - ns / 100;
        let near = |value: &&u64| (start..=end).contains(*value);
        match &self.many {
            Some(histogram) => histogram.count_between(start, end),
            None => self.few.iter().filter(near).count() as u64,
        }
    }
}

fn record_all(values: &[u64], histogram: &mut Histogram<u32>) {
    values
        .iter()
        .for_each(|&ns| histogram.saturating_record(ns));
}

/// Writes values and how often each was counted.
fn write_histogram<W: Write>(it: &Option<Histogram<u32>>, to: &mut W) -> io::Result<()> {
    let Some(histogram) = it else {
        return false.serialize(to);
    };
    let values = histogram.iter_recorded();
    let counts = values.map(|it| (it.value_iterated_to(), it.count_at_value()));
    (true, counts.collect::<Vec<_>>()).serialize(to)
}

/// Reads what was written; a value is that of its bucket, and comes into the same again.
fn read_histogram<R: Read>(from: &mut R) -> io::Result<Option<Histogram<u32>>> {
    if !bool::deserialize_reader(from)? {
        return Ok(None);
    }
    let mut histogram = empty_histogram();
    for (value, count) in Vec::<(u64, u32)>::deserialize_reader(from)? {
        histogram.saturating_record_n(value, count);
    }
    Ok(Some(histogram))
}

fn empty_histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, DIGITS).expect("the bounds are constants")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::collect::PROCESSES_MAX;
    use crate::collect::SERVERS_MAX;

    fn latency_of(values: &[u64]) -> Latency {
        let mut latency = Latency::default();
        for &value in values {
            latency.record(value);
        }
        latency
    }

    #[test]
    fn memory_at_the_bound_stays_below_6_mb() {
        let histogram = empty_histogram().distinct_values() * size_of::<u32>();
        // Two totals and two "others".
        let scopes = PROCESSES_MAX + SERVERS_MAX + 4;
        let bytes = scopes * (histogram + size_of::<crate::collect::scope::Scope>() + 64);
        assert!(bytes < 6_000_000, "{bytes}");
    }

    #[test]
    fn a_histogram_does_not_push_a_percentile_over_an_edge() {
        let mut values = vec![100_000_000; 199];
        values.push(3_000_000_000);
        let figures = latency_of(&values).figures().expect("values");
        assert_eq!(figures.p99_ns, 100_000_000);
        assert_eq!(figures.max_ns, 3_000_000_000);
        assert_eq!(figures.sum_ns, 199 * 100_000_000 + 3_000_000_000);
    }

    #[test]
    fn resends_leave_a_trace() {
        let mut values = vec![1_000_000; 50];
        values.extend([2_010_000_000, 2_510_000_000, 5_003_000_000, 5_100_000_000]);
        let figures = latency_of(&values).figures().expect("values");
        assert_eq!(figures.near_resend, [1, 1, 2]);
    }

    #[test]
    fn without_an_answer_there_are_no_figures() {
        assert!(Latency::default().figures().is_none());
    }

    proptest! {
        #[test]
        fn percentiles_are_within_one_percent(
            mut values in proptest::collection::vec(1_000..HIGHEST_NS, 1..300)
        ) {
            let figures = latency_of(&values).figures().expect("values");
            values.sort_unstable();
            for (percent, got) in [(50, figures.p50_ns), (95, figures.p95_ns), (99, figures.p99_ns)] {
                let exact = values[(values.len() * percent).div_ceil(100) - 1];
                let error = got.abs_diff(exact);
                prop_assert!(error <= exact / 100 + 512, "p{percent}: {got} for {exact}");
                for edge in crate::collect::EDGES_NS {
                    prop_assert_eq!(got > edge, exact > edge, "p{} at {}", percent, edge);
                }
            }
            prop_assert_eq!(figures.max_ns, *values.last().expect("one"));
        }

        #[test]
        fn any_value_is_taken(values in proptest::collection::vec(any::<u64>(), 1..100)) {
            let figures = latency_of(&values).figures().expect("values");
            prop_assert!(figures.p50_ns <= figures.p95_ns && figures.p95_ns <= figures.p99_ns);
            prop_assert!(figures.p99_ns <= figures.max_ns);
        }
    }
}
