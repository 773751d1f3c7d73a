//! Every number that a rule compares with, and where it comes from.

/// `dns_high_latency`, warning: P99 of answered client attempts, in nanoseconds.
/// Source: the base rules of the contract; a healthy lookup inside a cluster
/// takes 1–3 ms (kubernetes/kubernetes#33027).
pub const LATENCY_WARNING_NS: u64 = 100_000_000;
/// `dns_high_latency`, critical. Source: the base rules of the contract.
pub const LATENCY_CRITICAL_NS: u64 = 500_000_000;

/// `dns_failure_rate`, warning: percent of client attempts that failed.
/// Source: the base rules of the contract.
pub const FAILURE_WARNING_PERCENT: u64 = 1;
/// `dns_failure_rate`, critical. Source: the base rules of the contract.
pub const FAILURE_CRITICAL_PERCENT: u64 = 5;
/// Fewer failures than this are no finding. Source: the base rules.
pub const FAILURES_MIN: u64 = 3;

/// With fewer attempts a finding is a warning at most and says that the sample
/// is small. Source: the base rules; one of 20 is the critical 5 %.
pub const SAMPLE_MIN: u64 = 20;

/// SERVFAIL and REFUSED answers are worth a line of evidence above this share
/// of the answers, in percent. Source: warning level of povilasv/coredns-mixin.
pub const ERROR_ANSWERS_PERCENT: u64 = 1;
/// … and from this number on. Source: judgement, as for failures.
pub const ERROR_ANSWERS_MIN: u64 = 3;

/// One server or process is said to be the place of the trouble if it has at
/// least this share of what failed or was slow, in percent. Source: judgement.
pub const CONCENTRATED_PERCENT: u64 = 80;
/// … and if its own rate is at least this many times that of the rest: else it
/// only has most of the traffic. Source: judgement.
pub const STANDS_OUT_FACTOR: f64 = 3.0;

/// One process is named as the source of the load above this share of all
/// queries, in percent. Source: judgement.
pub const LOAD_PERCENT: u64 = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::EDGES_NS;

    #[test]
    fn slow_answers_can_be_counted_exactly() {
        assert!(EDGES_NS.contains(&LATENCY_WARNING_NS));
        assert!(EDGES_NS.contains(&LATENCY_CRITICAL_NS));
    }
}
