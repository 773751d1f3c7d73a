//! Rule `dns_search_amplification`: search list and ndots multiply queries.

use std::collections::HashSet;

use super::explanation::Explanation;
use super::explanation::Measured;
use super::finding::Finding;
use super::finding::Severity;
use super::finding::Subject;
use super::rule::Rule;
use super::who;
use crate::attempt::identity::WorkloadId;
use crate::collect::Snapshot;
use crate::incidents::Evidence;
use crate::incidents::ProcessTally;
use crate::sampler::ResolvConf;
use crate::shell::Command;
use crate::thresholds::WASTED_MIN;
use crate::thresholds::WASTED_OF_ALL_PERCENT;
use crate::thresholds::WASTED_PERCENT;
use crate::units;

const EXAMPLES: usize = 2;

/// One finding for each process that wastes its queries.
pub(super) fn check(evidence: &Evidence, snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings: Vec<_> = evidence
        .tallies
        .processes
        .iter()
        // With filters it may be somebody whom nobody asked about.
        .filter(|(pid, _)| snapshot.by_process.of_pid(*pid).is_some())
        .filter_map(|(pid, process)| {
            let conf = evidence.host.clients.get(&pid)?.resolv_conf.as_ref()?;
            let mut finding = finding(pid, process, conf, snapshot)?;
            finding.lost_ns = evidence.search_costs.of_process(pid);
            Some(finding)
        })
        .collect();
    findings.sort_by(|a, b| (b.queries, a.scope.pid).cmp(&(a.queries, b.scope.pid)));
    findings
}

/// What the search list cost one process: queries with a suffix of it that came to
/// NXDOMAIN, and examples of them.
fn waste(process: &ProcessTally, conf: &ResolvConf) -> (u64, Vec<String>) {
    let asked: HashSet<String> = process
        .names
        .values()
        .map(|name| name.name.to_ascii_lowercase())
        .collect();
    let (mut queries, mut names, mut examples) = (0, HashSet::new(), Vec::new());
    // The same examples whenever it is told.
    let mut denied: Vec<_> = process.names.values().collect();
    denied.retain(|name| name.nxdomain > 0);
    denied.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    for name in denied {
        let Some(meant) = meant(&name.name.to_ascii_lowercase(), conf, &asked) else {
            continue;
        };
        queries += name.nxdomain;
        if examples.len() < EXAMPLES && !names.contains(&meant) {
            examples.push(format!(
                "{} → NXDOMAIN, for {}.",
                units::shorten(&name.name, 60),
                units::shorten(&meant, 60)
            ));
        }
        names.insert(meant);
    }
    (queries, examples)
}

/// The name without the suffix, if the process also asked for it by itself or
/// with another suffix: then this one was only a try.
fn meant(name: &str, conf: &ResolvConf, asked: &HashSet<String>) -> Option<String> {
    let suffixes: Vec<String> = conf
        .search
        .iter()
        .map(|suffix| suffix.trim_matches('.').to_ascii_lowercase())
        .filter(|suffix| !suffix.is_empty())
        .collect();
    let (base, used) = suffixes.iter().find_map(|suffix| {
        let base = name.strip_suffix(suffix.as_str())?.strip_suffix('.')?;
        Some((base, suffix))
    })?;
    let elsewhere = asked.contains(base)
        || suffixes
            .iter()
            .any(|suffix| suffix != used && asked.contains(&format!("{base}.{suffix}")));
    elsewhere.then(|| base.to_owned())
}

fn finding(
    pid: u32,
    process: &ProcessTally,
    conf: &ResolvConf,
    snapshot: &Snapshot,
) -> Option<Finding> {
    let (wasted, examples) = waste(process, conf);
    if wasted < WASTED_MIN || wasted * 100 < process.queries * WASTED_PERCENT {
        return None;
    }
    let all = snapshot.client.queries();
    let severity = match wasted * 100 > all * WASTED_OF_ALL_PERCENT {
        true => Severity::Warning,
        false => Severity::Info,
    };
    let name = who::process(Some(pid), process.comm);
    let explanation = Explanation::of(
        format!("The search list multiplies the queries of {name}"),
        format!(
            "A name with fewer than {} dots is first tried with each search domain, for A and AAAA \
             each, before it is asked as it is. Only the last try is of use.",
            conf.ndots
        ),
        "Each lookup of an outside name asks the server several times, and the server has several \
         times the load.",
    )
    .line(format!(
        "{} of {} of {name} ({}) only tried a search domain and got NXDOMAIN.",
        units::count(wasted),
        units::queries(process.queries),
        units::percent(wasted, process.queries)
    ))
    .line(format!(
        "Its resolv.conf has {} and ndots {}.",
        units::counted(conf.search.len() as u64, "search domain", "search domains"),
        conf.ndots
    ))
    .lines(lookups_told(pid, process, snapshot))
    .lines(examples)
    .say("Write outside names with a final dot in the program's settings: `api.example.com.`")
    .say(
        "Or lower ndots for it: in Kubernetes `dnsConfig: {options: [{name: ndots, value: \
         \"2\"}]}`",
    )
    .run(
        "See its list:",
        Command::new("grep -E 'search|ndots'").word(conf.path.as_path()),
    );
    let hit = units::counted(wasted, "wasted query", "wasted queries");
    let ratio = units::ratio(wasted, process.queries);
    let measured = Measured::percent(ratio, WASTED_PERCENT);
    Some(Finding {
        hit_hardest: Some(format!("{name}: {hit}")),
        scope: Subject::process(Some(pid), process.comm),
        queries: wasted,
        ..explanation.finding(Rule::SearchAmplification, severity, measured)
    })
}

/// How many queries each lookup took of the workload that it is part of.
fn lookups_told(pid: u32, process: &ProcessTally, snapshot: &Snapshot) -> Option<String> {
    let workload = process.workload.as_deref().and_then(WorkloadId::of);
    let whom = workload.unwrap_or(WorkloadId::Process(Some(pid), process.comm));
    let row = snapshot
        .by_workload
        .rows
        .iter()
        .find(|row| row.whom == whom)?;
    let lookups = &row.figures.lookups;
    (lookups.count > 0).then(|| {
        format!(
            "{} of {} took {:.1} queries each.",
            units::counted(lookups.count, "lookup", "lookups"),
            who::workload(&whom),
            units::ratio(lookups.queries, lookups.count)
        )
    })
}
