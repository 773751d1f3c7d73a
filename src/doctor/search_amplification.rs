//! Rule `dns_search_amplification`: search list and ndots multiply queries.

use std::collections::HashSet;

use super::explanation::Explanation;
use super::explanation::Measured;
use super::finding::Finding;
use super::finding::Severity;
use super::finding::Subject;
use super::rule::Rule;
use super::who;
use crate::collect::Snapshot;
use crate::incidents::Evidence;
use crate::incidents::ProcessTally;
use crate::sampler::ResolvConf;
use crate::shell::Command;
use crate::thresholds::WASTED_MIN;
use crate::thresholds::WASTED_OF_ALL_PERCENT;
use crate::thresholds::WASTED_PERCENT;
use crate::units;

/// Chains that are given as examples.
const EXAMPLES: usize = 2;

/// One finding for each process that wastes its queries.
pub(super) fn check(evidence: &Evidence, snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings: Vec<_> = evidence
        .tallies
        .processes
        .iter()
        // With filters it may be somebody whom nobody asked about.
        .filter(|(pid, _)| snapshot.by_process.iter().any(|row| row.pid == Some(*pid)))
        .filter_map(|(pid, process)| {
            let conf = evidence.host.clients.get(&pid)?.resolv_conf.as_ref()?;
            finding(pid, process, conf, snapshot)
        })
        .collect();
    findings.sort_by(|a, b| (b.queries, a.scope.pid).cmp(&(a.queries, b.scope.pid)));
    findings
}

/// What the search list cost one process.
#[derive(Default)]
struct Waste {
    /// Queries with a suffix of the list that came to NXDOMAIN.
    queries: u64,
    /// The names that were meant.
    names: HashSet<String>,
    examples: Vec<String>,
}

fn waste(process: &ProcessTally, conf: &ResolvConf) -> Waste {
    let asked: HashSet<String> = process
        .names
        .values()
        .map(|name| name.name.to_ascii_lowercase())
        .collect();
    let mut waste = Waste::default();
    for name in process.names.values().filter(|name| name.nxdomain > 0) {
        let lower = name.name.to_ascii_lowercase();
        let Some(meant) = meant(&lower, conf, &asked) else {
            continue;
        };
        waste.queries += name.nxdomain;
        if waste.examples.len() < EXAMPLES && !waste.names.contains(&meant) {
            waste.examples.push(format!(
                "{} → NXDOMAIN, for {}",
                units::shorten(&name.name, 60),
                units::shorten(&meant, 60)
            ));
        }
        waste.names.insert(meant);
    }
    waste
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
    let waste = waste(process, conf);
    if waste.queries < WASTED_MIN || waste.queries * 100 < process.queries * WASTED_PERCENT {
        return None;
    }
    let all = snapshot.client.queries();
    let severity = match waste.queries * 100 > all * WASTED_OF_ALL_PERCENT {
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
         times the load. Where queries get lost, each of them can be the one that waits 5 s.",
    )
    .line(format!(
        "{} of {} of {name} ({}) only tried a search domain and got NXDOMAIN.",
        units::count(waste.queries),
        units::queries(process.queries),
        units::percent(waste.queries, process.queries)
    ))
    .line(format!(
        "Its resolv.conf has {} and ndots {}.",
        units::counted(conf.search.len() as u64, "search domain", "search domains"),
        conf.ndots
    ))
    .lines(waste.examples.iter().map(|example| format!("{example}.")))
    .say("Write outside names with a final dot in the program's settings: `api.example.com.`")
    .say(
        "Or lower ndots for it: in Kubernetes `dnsConfig: {options: [{name: ndots, value: \
         \"2\"}]}`",
    )
    .run(
        "See its list:",
        Command::new("grep -E 'search|ndots'").word(format!("/proc/{pid}/root/etc/resolv.conf")),
    );
    let wasted = units::counted(waste.queries, "wasted query", "wasted queries");
    let ratio = units::ratio(waste.queries, process.queries);
    let measured = Measured::percent(ratio, WASTED_PERCENT);
    Some(Finding {
        hit_hardest: Some(format!("{name}: {wasted}")),
        scope: Subject::process(Some(pid), process.comm),
        queries: waste.queries,
        ..explanation.finding(Rule::SearchAmplification, severity, measured)
    })
}
