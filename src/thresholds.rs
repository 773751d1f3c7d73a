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

/// Slow answers without which there is no finding about them: the P99 of up
/// to 100 answers is the slowest alone. Source: judgement, as for failures.
pub const SLOW_MIN: u64 = FAILURES_MIN;

/// … and that share of the queries, in tenths of a percent. Source: the P99 of the base rule.
pub const SLOW_PERMILLE: u64 = 10;

/// So much of what was seen may go on unseen before the host can no longer be called
/// healthy, in percent. Source: what `dns_failure_rate` would warn of if all of it failed.
pub const UNSEEN_PERCENT: u64 = FAILURE_WARNING_PERCENT;

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

/// Workloads that have a finding of their own by one rule, the worst ones; the
/// others follow in one sentence. Source: judgement; the tables have every one.
pub const WORKLOADS_TOLD: usize = 3;

/// One process is named as the source of the load above this share of all
/// queries, in percent. Source: judgement.
pub const LOAD_PERCENT: u64 = 50;

/// Queries of which the kernel has told that it discarded them: so many are
/// critical, whatever their share. Source: judgement, section 8 of the catalogue
/// of failure modes that docs/causes.md sums up.
pub const DROPS_CRITICAL: u64 = 10;
/// `dns_unknown`: a warning above this share of the client attempts, in tenths of
/// a percent. Source: judgement; below that are the single losses of any network.
pub const UNKNOWN_PERMILLE: u64 = 5;
/// A contrast (`dns_dead_server`, `dns_aaaa_broken`, …): that share of one side fails, and of
/// the other is answered, in percent. A resolver on this host is judged by its own
/// attempts from this share on. Source: judgement; the fault is total where it
/// exists, the rest leaves room for answers from before it.
pub const DEAD_PERCENT: u64 = 90;
/// A contrast is none if chance alone would make it more often than in one of so many
/// cases, all attributes of one server together. Source: judgement; attempts depend on each
/// other (one name asked again and again), so more is asked than the usual 1 %.
pub const CHANCE: f64 = 0.001;
/// `dns_conntrack_stale`: of the other source ports so many are answered, in
/// percent. Source: judgement, after kubernetes/kubernetes#125467, where new
/// sockets always worked.
pub const FRESH_PERCENT: u64 = 95;
/// `dns_conntrack_stale`: one source port has failed for so long, in nanoseconds.
/// Source: judgement; longer than one resend timer of musl or CoreDNS.
pub const STALE_NS: u64 = 2_000_000_000;
/// `dns_servfail`: share of the answers in tenths of a percent, warning and
/// critical, and the fewest. Source: povilasv/coredns-mixin.
pub const SERVFAIL_PERMILLE: (u64, u64) = (10, 30);
/// See [`SERVFAIL_PERMILLE`]. Source: judgement.
pub const SERVFAIL_MIN: u64 = 5;
/// `dns_refused_rcode`: as for SERVFAIL. Source: judgement; a server that refuses
/// does so on purpose, so fewer are odd.
pub const REFUSED_PERMILLE: (u64, u64) = (5, 30);
/// See [`REFUSED_PERMILLE`]. Source: judgement, as for failures.
pub const REFUSED_MIN: u64 = 3;
/// `dns_refused_rcode`: up to this share of the answers of one server to the same clients
/// it is told as a note, in percent. Source: judgement; a filter refuses single names,
/// and whoever is not let in gets nothing else.
pub const BLOCKED_PERCENT: u64 = 10;
/// The same: up to this share nobody is woken for it. Source: judgement; lists of advertisers
/// block a tenth to a fifth of what a home or an office asks.
pub const FILTERED_PERCENT: u64 = 25;
/// `dns_server_throttled`: share of the quota periods in which the server's
/// cgroup was stopped, in percent. Source: judgement; section 5.5 of the
/// catalogue measured 92 % at a quota of a fifth.
pub const THROTTLED_PERCENT: u64 = 10;
/// `dns_server_saturated`: share of a second in which the server's busiest thread
/// ran or waited for a CPU, in percent. Source: judgement.
pub const SATURATED_PERCENT: u64 = 90;
/// An answer larger than this may not fit into one packet on the way, in bytes
/// of DNS message. Source: DNS flag day 2020 (1,232 = 1,280 − 48).
pub const BIG_ANSWER_BYTES: u16 = 1232;

/// A query waited in the server's socket if so much lay there before it, in bytes
/// of kernel memory. Source: measured on Linux 6.18, where a small query takes 768
/// bytes and more, so this is two.
pub const QUEUED_BYTES: u32 = 1_536;
/// `dns_tcp_lossy`: a segment that was sent again so long before or after a query, in
/// nanoseconds, to the same server, is of the same time. Source: RFC 6298: the first timer is
/// 1 s, and doubles.
pub const RESENT_NEAR_NS: u64 = 1_000_000_000;
/// `dns_late_reader`: an answer that lay unread for so long was read late, in
/// nanoseconds. Source: KubeSkoop reports reads later than 100 ms; judgement
/// between that and a scheduling delay.
pub const LATE_READ_NS: u64 = 50_000_000;
/// … by this share of a process's answers, in percent (its 95th percentile), and
/// this number. Source: judgement.
pub const LATE_READS_PERCENT: u64 = 5;
/// See [`LATE_READS_PERCENT`].
pub const LATE_READS_MIN: u64 = 10;
/// … it is the host's CPU that is short if the process waited for one during this
/// share of that time, in percent. Source: judgement; more than half is the cause.
pub const STARVED_PERCENT: u64 = 50;
/// `dns_search_amplification`: queries of one process that only tried search
/// domains, and their share of its queries in percent. Source: judgement; 8
/// queries where 2 do for three search domains and ndots 5.
pub const WASTED_MIN: u64 = 50;
/// See [`WASTED_MIN`].
pub const WASTED_PERCENT: u64 = 50;
/// … a warning if they are this share of all queries, in percent. Source: judgement.
pub const WASTED_OF_ALL_PERCENT: u64 = 30;
/// `dns_storm`: queries a second of one process. Source: judgement; a node of a
/// large fleet makes 10 in all (Datadog, KubeCon EU 2020).
pub const STORM_PER_SECOND: u64 = 20;
/// … and how often it asks each of its questions in 30 seconds. Source: judgement;
/// shorter than any sensible TTL.
pub const STORM_REPEATS: u64 = 20;

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
