//! Families of metrics as the exposition formats have them.

use std::fmt::Error;
use std::time::Duration;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::NoLabelSet;
use prometheus_client::metrics::MetricType;

use super::labels::Labels;
use super::totals::Times;

/// Bounds of the buckets, in nanoseconds. A healthy cluster's DNS is over within a millisecond;
/// 100 and 500 ms are the doctor's thresholds, 5 s is glibc's patience.
const BUCKETS_NS: [u64; 15] = [
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Writes families, each with all its series.
#[derive(Debug)]
pub(super) struct Families<'a>(pub(super) DescriptorEncoder<'a>);

impl Families<'_> {
    /// A counter; `name` is without `_total`, which both formats write themselves.
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels, u64)>,
    ) -> Result<(), Error> {
        let encoder = &mut self.0;
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in series {
            let mut series = family.encode_family(&labels)?;
            series.encode_counter::<NoLabelSet, u64, f64>(&value, None)?;
        }
        Ok(())
    }

    /// A counter of time, in seconds.
    pub(super) fn seconds(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels, Duration)>,
    ) -> Result<(), Error> {
        let encoder = &mut self.0;
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in series {
            let mut series = family.encode_family(&labels)?;
            series.encode_counter::<NoLabelSet, f64, f64>(&value.as_secs_f64(), None)?;
        }
        Ok(())
    }

    /// What goes up and down.
    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels, f64)>,
    ) -> Result<(), Error> {
        let encoder = &mut self.0;
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in series {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// A histogram of times, in seconds.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels, Times)>,
    ) -> Result<(), Error> {
        let encoder = &mut self.0;
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, times) in series {
            let sum = Duration::from_nanos(times.sum_ns).as_secs_f64();
            let (count, buckets) = buckets(&times);
            let mut series = family.encode_family(&labels)?;
            series.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

/// How many there are, and how many in each bucket.
fn buckets(times: &Times) -> (u64, Vec<(f64, u64)>) {
    let count = times.spread.count();
    let mut below = 0;
    let mut buckets = Vec::with_capacity(BUCKETS_NS.len() + 1);
    for bound in BUCKETS_NS {
        let within = times.spread.within(bound);
        buckets.push((Duration::from_nanos(bound).as_secs_f64(), within - below));
        below = within;
    }
    buckets.push((f64::INFINITY, count - below));
    (count, buckets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Exact: each time is in the bucket that it belongs to.
        #[test]
        fn buckets_hold_what_took_no_longer(all in proptest::collection::vec(0..20_000_000_000_u64, 0..200), at in 0..15_usize) {
            let mut times = Times::default();
            all.iter().for_each(|&ns| times.spread.record(ns));
            // An edge belongs to the bucket that it ends.
            times.spread.record(BUCKETS_NS[at]);
            let (count, buckets) = buckets(&times);
            prop_assert_eq!(count, all.len() as u64 + 1);
            let mut below = 0;
            for (place, (bound, number)) in buckets.into_iter().enumerate() {
                below += number;
                let bound_ns = BUCKETS_NS.get(place).copied().unwrap_or(u64::MAX);
                let within = all.iter().filter(|&&ns| ns <= bound_ns).count() as u64;
                prop_assert_eq!(below, within + u64::from(BUCKETS_NS[at] <= bound_ns), "{}", bound);
            }
        }
    }
}
