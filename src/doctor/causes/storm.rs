//! Rule `dns_storm`: one process makes the load.

use std::collections::HashMap;

use super::Cause;
use super::at_server::waited_in_queue;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use crate::collect::Snapshot;
use crate::doctor::finding::Finding;
use crate::doctor::finding::Severity;
use crate::doctor::finding::Subject;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::evidence::ProcessTally;
use crate::shell::Command;
use crate::thresholds::LOAD_PERCENT;
use crate::thresholds::STORM_PER_SECOND;
use crate::thresholds::STORM_REPEATS;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_storm",
    takes,
    judge: severity::pattern,
    tell,
};

/// What went wrong at a server that one process keeps busy with the same
/// questions: its own queries and those of its neighbours.
fn takes(case: &Case, evidence: &Evidence) -> Option<Place> {
    let silent = case.drop().is_none() && case.errno().is_none() && case.rcode() != Some(5);
    if !silent && waited_in_queue(case, evidence).is_none() {
        return None;
    }
    let tallies = &evidence.tallies;
    // The same address may be another server in another namespace.
    let all = match evidence.view_of(case) {
        Some(view) => tallies.served(view.owner.netns, view.local),
        None => tallies.asked_by_all(case.server()).all.ended(),
    };
    let (pid, _) = stormers(evidence)
        .filter(|(pid, storm)| {
            let storms = tallies.asked(storm.netns, case.server()).all.ended();
            // Other servers have loads of their own.
            storms.min(storm.queries) * 100 > all * LOAD_PERCENT
                && is_same_server(case, *pid, storm, evidence)
        })
        .max_by_key(|(pid, storm)| (storm.queries, *pid))?;
    Some(Place::at(case.server()).of(Some(pid)))
}

/// The same address is the same server in the same namespace, or if both arrive
/// in one namespace of this host.
fn is_same_server(case: &Case, pid: u32, storm: &ProcessTally, evidence: &Evidence) -> bool {
    let arrives = |case: &Case| evidence.view_of(case).map(|view| view.owner.netns);
    case.attempt.owner.netns == storm.netns
        || arrives(case).is_some_and(|netns| {
            evidence
                .cases
                .iter()
                .any(|other| other.attempt.owner.pid == Some(pid) && arrives(other) == Some(netns))
        })
}

/// Processes that ask the same again and again.
fn stormers(evidence: &Evidence) -> impl Iterator<Item = (u32, &ProcessTally)> {
    let seconds = evidence.window.as_secs_f64().max(1.0);
    evidence.tallies.processes.iter().filter(move |(pid, it)| {
        it.queries as f64 / seconds > STORM_PER_SECOND as f64
            && repeats(it) * 30.0 / seconds > STORM_REPEATS as f64
            // Who asks for others makes no storm of its own.
            && !evidence.resolvers.contains(pid)
    })
}

/// The one of them that makes most of the host's load.
fn stormer(evidence: &Evidence) -> Option<(u32, &ProcessTally)> {
    let processes = &evidence.tallies.processes;
    let all: u64 = processes.iter().map(|(_, it)| it.queries).sum::<u64>() + processes.left_out;
    stormers(evidence)
        .max_by_key(|(pid, it)| (it.queries, *pid))
        .filter(|(_, storm)| storm.queries * 100 > all * LOAD_PERCENT)
}

/// How often it asked each question. Those beyond the bound count as asked once.
fn repeats(process: &ProcessTally) -> f64 {
    let different = process.names.len() as u64 + process.unnamed;
    process.queries as f64 / different.max(1) as f64
}

fn told(evidence: &Evidence, pid: u32, process: &ProcessTally) -> Vec<String> {
    let seconds = evidence.window.as_secs_f64().max(1.0);
    let all: u64 = evidence
        .tallies
        .processes
        .iter()
        .map(|(_, it)| it.queries)
        .sum();
    let mut lines = vec![format!(
        "{} (pid {pid}) made {} of {} ({}), {:.0} a second, and asked each question {:.0} times.",
        units::shorten(&process.comm.to_string(), 24),
        units::count(process.queries),
        units::counted(all, "query", "queries"),
        units::percent(process.queries, all),
        process.queries as f64 / seconds,
        repeats(process),
    )];
    let mut names: HashMap<&str, u64> = HashMap::new();
    for name in process.names.values() {
        *names.entry(&name.name).or_default() += name.asked;
    }
    let mut ranked: Vec<_> = names.into_iter().collect();
    ranked.sort_by(|a, b| (b.1, a.0).cmp(&(a.1, b.0)));
    let shown: Vec<_> = ranked
        .iter()
        .take(3)
        .map(|(name, n)| format!("{} ({} times)", units::shorten(name, 60), units::count(*n)))
        .collect();
    if !shown.is_empty() {
        lines.push(format!("Most of all: {}.", shown.join(", ")));
    }
    if process.reverse * 100 > process.queries * 30 {
        lines.push(format!(
            "{} were reverse lookups (PTR), as log writers make them.",
            units::percent(process.reverse, process.queries)
        ));
    }
    lines
}

fn fix(pid: u32) -> Fix {
    let watch = Command::new("kerno watch --pid")
        .word(pid.to_string())
        .and("--role client");
    Fix::default()
        .run("See what it asks:", watch)
        .say(
            "Let it keep its connections open, or cache: nscd, systemd-resolved, NodeLocal \
             DNSCache, or the cache of its own runtime (Node.js, Python and musl have none).",
        )
        .say("If it retries in a loop, let it wait between its tries.")
}

const CAUSE_TEXT: &str = "The process asks the same questions over and over instead of keeping the \
                          answers: no cache, a new connection for each request, or a retry loop.";

fn tell(group: &Group<'_>) -> Words {
    let pid = group.place.pid.unwrap_or_default();
    let Some(process) = group.evidence.tallies.processes.get(pid) else {
        return Words::default();
    };
    let mut evidence = told(group.evidence, pid, process);
    let own = group.count(|case| case.attempt.owner.pid == Some(pid));
    let others = group.queries() - own;
    evidence.push(format!(
        "At {} {}, {} of its own and {} of other processes.",
        group.server(),
        group.told(),
        units::count(own),
        units::count(others)
    ));
    Words {
        title: format!(
            "{} (pid {pid}) floods {} with the same questions, and queries suffer",
            units::shorten(&process.comm.to_string(), 24),
            group.server()
        ),
        cause: CAUSE_TEXT.to_owned(),
        impact: match others {
            0 => "Its own lookups fail or wait, because of all those that it made before.",
            _ => {
                "The server spends its time, or the rate that it allows, on repetitions; whoever \
                 else asks it goes without."
            }
        }
        .to_owned(),
        evidence,
        fix: fix(pid),
    }
}

/// The same when nothing suffers: worth knowing.
pub(super) fn note(evidence: &Evidence, snapshot: &Snapshot) -> Option<Finding> {
    let (pid, process) = stormer(evidence)?;
    // With filters it may be somebody whom nobody asked about.
    snapshot
        .by_process
        .iter()
        .find(|row| row.pid == Some(pid))?;
    let comm = process.comm.to_string();
    Some(Finding {
        rule: CAUSE.rule,
        severity: Severity::Info,
        title: format!(
            "{} (pid {pid}) asks the same questions over and over",
            units::shorten(&comm, 24)
        ),
        cause: CAUSE_TEXT.to_owned(),
        impact:
            "Nothing suffers from it at the moment; it is the load that will be missed at the next \
             peak."
                .to_owned(),
        hit_hardest: None,
        evidence: told(evidence, pid, process),
        fix: fix(pid).into_steps(),
        value: process.queries as f64,
        threshold: 1.0,
        unit: "queries",
        scope: Subject {
            role: "client",
            pid: Some(pid),
            comm: Some(comm),
            ..Subject::default()
        },
        queries: 0,
    })
}
