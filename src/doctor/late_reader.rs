//! Rule `dns_late_reader`: DNS is innocent, the program read its answer late.

use super::commands;
use super::cpu_waits;
use super::explanation::Explanation;
use super::explanation::Measured;
use super::finding::Finding;
use super::finding::Severity;
use super::finding::Subject;
use super::rule::Rule;
use super::who;
use crate::attempt::SlowRead;
use crate::collect::Snapshot;
use crate::incidents::Evidence;
use crate::incidents::late_reads;
use crate::thresholds::LATE_READ_NS;
use crate::thresholds::LATE_READS_MIN;
use crate::thresholds::LATE_READS_PERCENT;
use crate::thresholds::STARVED_PERCENT;
use crate::units;

/// One finding for each process that lets its answers lie.
pub(super) fn check(evidence: &Evidence, snapshot: &Snapshot) -> Vec<Finding> {
    late_reads::by_process(evidence)
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
    let process = evidence.tallies.processes.get(pid);
    let answered = process.map_or(0, |it| it.tally.answered).max(late);
    let share = evidence.share_looked_at(|it| it.reads);
    let were_many = late as f64 * 100.0 > answered as f64 * share * LATE_READS_PERCENT as f64;
    if late < LATE_READS_MIN || !were_many {
        return None;
    }
    let comm = reads.first()?.owner.comm;
    let name = who::process(Some(pid), comm);
    let (median_ns, lay_told) = lay(reads);
    let came_ns = came_within(pid, snapshot);
    let reason = Reason::of(pid, evidence);
    let explanation = Explanation::of(
        match came_ns {
            Some(_) => format!("{name} reads its answers late, and they came in time"),
            None => format!("{name} reads its answers late, whatever DNS itself does"),
        },
        reason.cause,
        "The program, and whatever measures it from inside, reports slow DNS lookups. A change to \
         DNS does not help.",
    )
    .line(format!(
        "{} of {} lay in the socket of {name} {lay_told}.",
        units::count(late),
        units::counted(answered, "answer", "answers"),
    ))
    .lines(came_ns.map(|came_ns| {
        format!(
            "They had come fast: 95 % of its answers reached its socket within {} of the query.",
            units::duration(came_ns)
        )
    }))
    .lines(who::looked_at("Reads", share))
    .lines(reason.evidence)
    .lines(cpu_waits::told("The program", Some(pid), &evidence.host))
    .run_amid(
        "See what it does instead:",
        &[commands::threads_of(Some(pid))],
        ", or a profile of its event loop",
    )
    .say(reason.remedy);
    let late_reads = units::counted(late, "late read", "late reads");
    let measured = Measured::ms(median_ns, LATE_READ_NS);
    Some(Finding {
        hit_hardest: Some(format!("{name}: {late_reads}")),
        scope: Subject::process(Some(pid), comm),
        queries: late,
        lost_ns: late_reads::lost_ns(reads),
        ..explanation.finding(Rule::LateReader, reason.severity, measured)
    })
}

/// How long half of them lay there, and how long all did in words.
fn lay(reads: &[&SlowRead]) -> (u64, String) {
    let mut lay: Vec<u64> = reads.iter().map(|read| read.lay_ns).collect();
    lay.sort_unstable();
    let (median_ns, longest_ns) = (lay[lay.len() / 2], lay[lay.len() - 1]);
    let told = format!(
        "for more than {} before they were read: half of them {} or more, the longest {}",
        units::duration(LATE_READ_NS),
        units::duration(median_ns),
        units::duration(longest_ns)
    );
    (median_ns, told)
}

/// Why the program did not read, as far as it was looked at.
struct Reason {
    severity: Severity,
    cause: &'static str,
    evidence: Option<String>,
    remedy: &'static str,
}

impl Reason {
    fn of(pid: u32, evidence: &Evidence) -> Self {
        let host = &evidence.host;
        let client = host.clients.get(&pid);
        let quota = client.and_then(|client| client.quota.as_ref());
        if let Some(quota) = quota.filter(|quota| quota.throttled_periods > 0) {
            return Self {
                severity: Severity::Warning,
                cause: "The answers were there. The program did not read them, because its CPU \
                        limit had stopped it.",
                evidence: Some(format!(
                    "Its cgroup {} was stopped by its CPU limit in {} of {}.",
                    quota.cgroup,
                    units::count(quota.throttled_periods),
                    units::counted(quota.periods, "quota period", "quota periods")
                )),
                remedy: "Raise its CPU limit, or let it do less at once.",
            };
        }
        match host.readers.get(&pid) {
            Some(share)
                if share * 100.0 >= STARVED_PERCENT as f64
                    && !client.is_some_and(|client| client.is_quota_known) =>
            {
                Self {
                    severity: Severity::Info,
                    cause: "The answers were there. The program wanted to read them, and got no CPU. \
                            Whether other programs had it or a CPU limit stopped this one is not \
                            known: its control group was not looked at, or gone before its figures \
                            could be compared.",
                    evidence: Some(format!(
                        "While they lay there it wanted to run {:.0} % of the time, and did not.",
                        share * 100.0
                    )),
                    remedy: "See whether it has a CPU limit, and raise it; else move work away from \
                             this host.",
                }
            }
            Some(share) if share * 100.0 >= STARVED_PERCENT as f64 => Self {
                // Neither DNS nor the program is ill where the host has no CPU to give.
                severity: Severity::Info,
                cause: "The answers were there. The program wanted to read them, but this host has \
                        too little CPU for all that run on it.",
                evidence: Some(format!(
                    "While they lay there it wanted to run {:.0} % of the time, and other programs \
                     had the CPUs.",
                    share * 100.0
                )),
                remedy: "Move work away from this host, or give this program a larger share.",
            },
            _ => Self {
                severity: Severity::Warning,
                cause: "The answers were there. The program did not read them: its event loop was \
                        blocked, its threads were busy (Node.js makes at most two lookups at a \
                        time), it was collecting garbage, or it was stopped.",
                evidence: None,
                remedy: "Move the work that blocks it off the thread that reads. In Node.js raise \
                         UV_THREADPOOL_SIZE, or use dns.resolve instead of dns.lookup.",
            },
        }
    }
}

/// How long 95 % of its answers took to reach its socket, if that is fast.
fn came_within(pid: u32, snapshot: &Snapshot) -> Option<u64> {
    let row = snapshot.by_process.of_pid(pid)?;
    let p95_ns = row.figures.latency.as_ref()?.p95_ns;
    (p95_ns < LATE_READ_NS).then_some(p95_ns)
}
