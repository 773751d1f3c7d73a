//! Rule `dns_late_reader`: DNS is innocent, the program read its answer late.

use std::collections::BTreeMap;

use super::finding::Finding;
use super::finding::Severity;
use super::finding::Subject;
use super::fix::Fix;
use crate::attempt::SlowRead;
use crate::collect::Snapshot;
use crate::evidence::Evidence;
use crate::shell::Command;
use crate::thresholds::LATE_READ_NS;
use crate::thresholds::LATE_READS_MIN;
use crate::thresholds::LATE_READS_PERCENT;
use crate::thresholds::STARVED_PERCENT;
use crate::units;

/// One finding for each process that lets its answers lie.
pub(super) fn check(evidence: &Evidence, snapshot: &Snapshot) -> Vec<Finding> {
    let mut by_pid: BTreeMap<u32, Vec<&SlowRead>> = BTreeMap::new();
    for read in &evidence.slow_reads {
        if let Some(pid) = read.owner.pid
            && read.lay_ns >= LATE_READ_NS
        {
            by_pid.entry(pid).or_default().push(read);
        }
    }
    by_pid
        .into_iter()
        .filter_map(|(pid, reads)| finding(pid, &reads, evidence, snapshot))
        .collect()
}

fn finding(
    pid: u32,
    reads: &[&SlowRead],
    evidence: &Evidence,
    snapshot: &Snapshot,
) -> Option<Finding> {
    let late = reads.len() as u64;
    let answered = evidence
        .tallies
        .processes
        .get(pid)
        .map_or(0, |process| process.tally.answered)
        .max(late);
    if late < LATE_READS_MIN || late * 100 <= answered * LATE_READS_PERCENT {
        return None;
    }
    let comm = reads.first()?.owner.comm.to_string();
    let name = format!("{} (pid {pid})", units::shorten(&comm, 24));
    let mut lay: Vec<u64> = reads.iter().map(|read| read.lay_ns).collect();
    lay.sort_unstable();
    let (median, longest) = (lay[lay.len() / 2], lay[lay.len() - 1]);
    let mut lines = vec![format!(
        "{} of {} lay in the socket of {name} for more than {} before they were read: half of them \
         {} or more, the longest {}.",
        units::count(late),
        units::counted(answered, "answer", "answers"),
        units::duration(LATE_READ_NS),
        units::duration(median),
        units::duration(longest)
    )];
    let came_ns = came_within(pid, snapshot);
    lines.extend(came_ns.map(|came_ns| {
        format!(
            "They had come fast: 95 % of its answers reached its socket within {} of the query.",
            units::duration(came_ns)
        )
    }));
    let quota = evidence
        .surroundings
        .clients
        .get(&pid)
        .and_then(|client| client.process.quota.as_ref())
        .filter(|quota| quota.throttled_periods > 0);
    let throttled = quota.map(|quota| {
        format!(
            "Its cgroup {} was stopped by its CPU limit in {} of {}.",
            quota.cgroup,
            units::count(quota.throttled_periods),
            units::counted(quota.periods, "quota period", "quota periods")
        )
    });
    let starved = evidence
        .surroundings
        .readers
        .get(&pid)
        .copied()
        .filter(|&share| throttled.is_none() && share * 100.0 >= STARVED_PERCENT as f64);
    lines.extend(starved.map(|share| {
        format!(
            "While they lay there it wanted to run {:.0} % of the time, and other programs had the \
             CPUs.",
            share * 100.0
        )
    }));
    let cause = match (&throttled, starved) {
        (Some(_), _) => {
            "The answers were there. The program did not read them, because its CPU limit had \
             stopped it."
        }
        (None, Some(_)) => {
            "The answers were there, and the program wanted to read them, but this host has too \
             little CPU for all that run on it."
        }
        (None, None) => {
            "The answers were there. The program did not read them: its event loop was blocked, \
             its threads were busy (Node.js makes at most two lookups at a time), it was \
             collecting garbage, or it was stopped."
        }
    };
    let remedy = match (&throttled, starved) {
        (Some(_), _) => "Raise its CPU limit, or let it do less at once.",
        (None, Some(_)) => "Move work away from this host, or give this program a larger share.",
        (None, None) => {
            "Move the work that blocks it off the thread that reads; in Node.js raise \
             UV_THREADPOOL_SIZE or use dns.resolve instead of dns.lookup."
        }
    };
    lines.extend(throttled);
    Some(Finding {
        rule: "dns_late_reader",
        // Neither DNS nor the program is ill where the host has no CPU to give.
        severity: match starved {
            Some(_) => Severity::Info,
            None => Severity::Warning,
        },
        title: match came_ns {
            Some(_) => format!("DNS is innocent: {name} reads its answers late"),
            None => format!("{name} reads its answers late, whatever DNS itself does"),
        },
        cause: cause.to_owned(),
        impact: "The program, and whatever measures it from inside, reports slow DNS lookups; \
                 changing DNS changes nothing."
            .to_owned(),
        hit_hardest: Some(format!(
            "{name}: {}",
            units::counted(late, "late read", "late reads")
        )),
        evidence: lines,
        fix: fix(pid, remedy),
        value: median as f64 / 1e6,
        threshold: LATE_READ_NS as f64 / 1e6,
        unit: "ms",
        scope: Subject {
            role: "client",
            pid: Some(pid),
            comm: Some(comm),
            ..Subject::default()
        },
        queries: late,
    })
}

fn fix(pid: u32, remedy: &str) -> Vec<String> {
    Fix::default()
        .run_amid(
            "See what it does instead:",
            &[Command::new("top -H -p").word(pid.to_string())],
            ", or a profile of its event loop",
        )
        .say(remedy)
        .into_steps()
}

/// How long 95 % of its answers took to reach its socket, if that is fast.
fn came_within(pid: u32, snapshot: &Snapshot) -> Option<u64> {
    let row = snapshot
        .by_process
        .iter()
        .find(|row| row.pid == Some(pid))?;
    let p95_ns = row.figures.latency.as_ref()?.p95_ns;
    (p95_ns < LATE_READ_NS).then_some(p95_ns)
}
