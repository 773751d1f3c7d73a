//! Answers that lay long in the socket of who had asked.

use std::collections::BTreeMap;

use super::evidence::Evidence;
use crate::attempt::SlowRead;
use crate::thresholds::LATE_READ_NS;

/// Answers that were read late, by who read them.
pub fn by_process(evidence: &Evidence) -> BTreeMap<u32, Vec<&SlowRead>> {
    let mut by_pid: BTreeMap<u32, Vec<&SlowRead>> = BTreeMap::new();
    for read in &evidence.slow_reads {
        if let Some(pid) = read.owner.pid
            && read.lay_ns >= LATE_READ_NS
        {
            by_pid.entry(pid).or_default().push(read);
        }
    }
    by_pid
}

/// Time that lookups lost by it. Answers that lie in one socket at once, as those to A and
/// AAAA, are waited for once.
pub fn lost_ns(reads: &[&SlowRead]) -> u64 {
    let mut lay: Vec<(u64, u64, u64)> = reads
        .iter()
        .map(|it| (it.cookie, it.at_ns.saturating_sub(it.lay_ns), it.at_ns))
        .collect();
    lay.sort_unstable();
    let (mut total_ns, mut until) = (0, (0, 0));
    for (cookie, came_ns, read_ns) in lay {
        let until_ns = if until.0 == cookie { until.1 } else { 0 };
        total_ns += read_ns.saturating_sub(came_ns.max(until_ns));
        until = (cookie, until_ns.max(read_ns));
    }
    total_ns
}
