//! Rule `dns_storm`: one process makes the load.

use domain::base::iana::OptRcode;

use super::Cause;
use super::at_server::waited_in_queue;
use super::group::Group;
use super::group::NAME_MAX;
use super::place::Place;
use crate::collect::Snapshot;
use crate::doctor::explanation::Explanation;
use crate::doctor::explanation::Measured;
use crate::doctor::finding::Finding;
use crate::doctor::finding::Severity;
use crate::doctor::finding::Subject;
use crate::doctor::ranking;
use crate::doctor::rule::Rule;
use crate::doctor::who;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::ProcessTally;
use crate::shell::Command;
use crate::thresholds::LOAD_PERCENT;
use crate::thresholds::STORM_PER_SECOND;
use crate::thresholds::STORM_REPEATS;
use crate::units;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

const NAMES_SHOWN: usize = 3;
/// From this share of reverse lookups on it is said, in percent.
const REVERSE_PERCENT: u64 = 30;

/// What went wrong at a server that one process keeps busy with the same
/// questions: its own queries and those of its neighbours.
fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let silent = incident.drop().is_none()
        && incident.errno().is_none()
        && incident.rcode() != Some(OptRcode::REFUSED);
    if !silent && waited_in_queue(incident, evidence).is_none() {
        return None;
    }
    let tallies = &evidence.tallies;
    // The same address may be another server in another namespace.
    let all = match evidence.view_of(incident) {
        Some(view) => tallies.served(view.owner.netns, view.local),
        None => tallies.asked_by_all(incident.server()).all.ended(),
    };
    let (pid, _) = stormers(evidence)
        .filter(|(pid, storm)| {
            let storms = tallies.asked(storm.netns, incident.server()).all.ended();
            // Other servers have loads of their own.
            storms.min(storm.queries) * 100 > all * LOAD_PERCENT
                && is_same_server(incident, *pid, storm, evidence)
        })
        .max_by_key(|(pid, storm)| (storm.queries, *pid))?;
    Some(Place::at(incident.server()).of(Some(pid)))
}

/// The same address is the same server in the same namespace, or if both arrive
/// in one namespace of this host.
fn is_same_server(
    incident: &Incident,
    pid: u32,
    storm: &ProcessTally,
    evidence: &Evidence,
) -> bool {
    let arrives = |incident: &Incident| evidence.view_of(incident).map(|view| view.owner.netns);
    incident.attempt.owner.netns == storm.netns
        || arrives(incident).is_some_and(|netns| {
            evidence
                .incidents
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

/// How often it asked each question.
fn repeats(process: &ProcessTally) -> f64 {
    process.queries as f64 / process.different().max(1) as f64
}

/// What a process does to make a storm, in words.
fn explanation(
    title: String,
    impact: &str,
    evidence: &Evidence,
    (pid, process): (u32, &ProcessTally),
) -> Explanation {
    let seconds = evidence.window.as_secs_f64().max(1.0);
    let processes = evidence.tallies.processes.iter();
    let all: u64 = processes.map(|(_, it)| it.queries).sum();
    let all = all + evidence.tallies.processes.left_out;
    let names = process.names.values().filter(|it| !it.name.is_empty());
    let names = ranking::ranked(names.map(|name| (&*name.name, name.asked)));
    let names = &names[..names.len().min(NAMES_SHOWN)];
    let names = ranking::first_of(names, NAMES_SHOWN, |(name, times)| {
        let name = units::shorten(name, NAME_MAX);
        format!("{name} ({} times)", units::count(*times))
    });
    let is_reverse = process.reverse * 100 > process.queries * REVERSE_PERCENT;
    let watch = Command::new("kerno watch --pid")
        .word(pid.to_string())
        .and("--role client");
    Explanation::of(
        title,
        "The process asks the same questions again and again, and does not keep the answers: it \
         has no cache, makes a new connection for each request, or tries again in a loop.",
        impact,
    )
    .line(format!(
        "{} made {} of {} ({}), {:.0} a second, and asked each question {:.0} times on average.",
        who::process(Some(pid), process.comm),
        units::count(process.queries),
        units::queries(all),
        units::percent(process.queries, all),
        process.queries as f64 / seconds,
        repeats(process),
    ))
    .lines(names.map(|names| format!("Most of all: {names}.")))
    .lines(is_reverse.then(|| {
        format!(
            "{} were reverse lookups (PTR), as log writers make them.",
            units::percent(process.reverse, process.queries)
        )
    }))
    .run("See what it asks:", watch)
    .say(
        "Let it keep its connections open, or cache: nscd, systemd-resolved, NodeLocal DNSCache, \
         or the cache of its own runtime (Node.js, Python and musl have none).",
    )
    .say("If it tries again in a loop, let it wait between its tries.")
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let pid = group.place.pid?;
    let process = group.evidence.tallies.processes.get(pid)?;
    let own = group.count(|incident| incident.attempt.owner.pid == Some(pid));
    let others = group.queries() - own;
    let server = group.server();
    let name = who::process(Some(pid), process.comm);
    let title = format!("{name} floods {server} with the same questions, and queries suffer");
    let impact = match others {
        0 => "Its own lookups fail or wait, because of all those that it made before.",
        _ => {
            "The server spends its time, or the rate that it allows, on the same questions; other \
             clients have to wait."
        }
    };
    explanation(title, impact, group.evidence, (pid, process))
        .line(format!(
            "At {server} {}: {} of its own and {} of other processes.",
            group.told(),
            units::count(own),
            units::count(others)
        ))
        .into()
}

/// The same when nothing suffers: worth knowing.
pub(super) fn note(evidence: &Evidence, snapshot: &Snapshot) -> Option<Finding> {
    let (pid, process) = stormer(evidence)?;
    // With filters it may be somebody whom nobody asked about.
    snapshot.by_process.of_pid(pid)?;
    let name = who::process(Some(pid), process.comm);
    let title = format!("{name} asks the same questions again and again");
    let impact = "Nothing suffers from it now. It takes load that the next peak will need.";
    let explanation = explanation(title, impact, evidence, (pid, process));
    let measured = Measured::queries(process.queries);
    Some(Finding {
        scope: Subject::process(Some(pid), process.comm),
        ..explanation.finding(Rule::Storm, Severity::Info, measured)
    })
}
