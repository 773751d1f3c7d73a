//! Rule `dns_server_slow`: a server on this host takes long, and no limit, no busy CPU and no
//! upstream of its own explains it.

use super::Cause;
use super::at_server;
use super::group::Group;
use super::place::Place;
use super::severity;
use crate::doctor::commands;
use crate::doctor::explanation::Explanation;
use crate::doctor::finding::Severity;
use crate::doctor::who;
use crate::incidents::Evidence;
use crate::incidents::FailureKind;
use crate::incidents::Incident;
use crate::thresholds::LATENCY_CRITICAL_NS;
use crate::thresholds::QUEUED_BYTES;
use crate::thresholds::SLOW_MIN;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    severity: severity::slow,
    ..Cause::pattern(matches, describe)
};

/// They wait in its socket; else it takes that long with each.
const QUEUE: usize = 1;
const WORK: usize = 2;

/// Most of the time went by between the query's arrival and the server's answer.
fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let view = evidence.view_of(incident)?;
    let is_its_own = view.is_answered() && view.took_ns() * 2 > incident.took_ns();
    if incident.kind != FailureKind::Slow || !is_its_own {
        return None;
    }
    let fault = match evidence.own_time.waited_in_queue(view) {
        true => QUEUE,
        false => WORK,
    };
    Some(Place::at(view.local).of(view.owner.pid).fault(fault))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let (server, pid) = (group.server(), group.place.pid);
    let (median_ns, longest_ns) = took(group)?;
    let looked_at = match at_server::was_examined(group) {
        true => "kerno found neither a CPU limit nor a busy thread that explains it.",
        false => "kerno could not look at the server's process.",
    };
    let (title, cause) = match group.place.fault {
        QUEUE => (
            format!("Queries wait in a queue in front of the DNS server {server}, on this host"),
            "More queries come than the server works off, so that they wait in its socket before it \
             reads them: that is where the time goes.",
        ),
        _ => (
            format!("The DNS server {server}, on this host, takes long for its answers"),
            match group.views().all(|view| view.queued_bytes < QUEUED_BYTES) {
                true => {
                    "Next to nothing lay in its socket when these queries came: it takes that long with \
                     each."
                }
                false => {
                    "Queries that found nothing before them in its socket took as long as the \
                     others, so it is no queue: it takes that long with each."
                }
            },
        ),
    };
    let own = "It waits for something else than a slow DNS query (a disk, a database, a lock, a delay \
               in its configuration, or many fast queries one after the other).";
    let own = (group.place.fault != QUEUE).then_some(own);
    Explanation::of(title, cause, "Whoever asks this server waits for it.")
        .causes(own)
        .causes([looked_at])
        .line(format!(
            "From a query's arrival there until its answer left, half of these took {} or more, the \
             longest {}.",
            units::duration(median_ns),
            units::duration(longest_ns)
        ))
        .lines(at_server::queue_told(group))
        .lines(served_told(group))
        .lines(own_told(group))
        .line(at_server::ended_told(group))
        .lines(group.examples())
        .run_amid(
            "See what the server does meanwhile: its log,",
            &[commands::threads_of(pid), commands::calls_of(pid)],
            "",
        )
        .with(|it| match group.place.fault {
            QUEUE => it.say(
                "Let it do more at once: more threads or sockets (unbound `num-threads`, CoreDNS \
                 `multisocket`), more replicas; or have it asked less: a cache in front of it, fewer \
                 search domains.",
            ),
            _ => it.say("Take what it waits for away, or put a cache in front of it."),
        })
        .into()
}

/// Slow is critical only from where the base rule has it.
pub(super) fn limit(group: &Group<'_>) -> Option<Severity> {
    let very_slow = group.count(|it| it.took_ns() > LATENCY_CRITICAL_NS);
    (very_slow < SLOW_MIN).then_some(Severity::Warning)
}

/// What half of them took at the server or more, and the longest.
fn took(group: &Group<'_>) -> Option<(u64, u64)> {
    let mut took: Vec<u64> = group.views().map(|view| view.took_ns()).collect();
    took.sort_unstable();
    Some((*took.get(took.len() / 2)?, *took.last()?))
}

/// How much it had to do.
fn served_told(group: &Group<'_>) -> Option<String> {
    let view = group.views().next()?;
    let served = group.evidence.tallies.served(view.owner.netns, view.local);
    let seconds = group.evidence.window.as_secs_f64();
    (seconds > 0.0 && served > 0).then(|| {
        format!(
            "It got {}, {:.1} a second.",
            units::queries(served),
            served as f64 / seconds
        )
    })
}

/// Whether it asked others.
fn own_told(group: &Group<'_>) -> Option<String> {
    let process = group.evidence.tallies.processes.get(group.place.pid?);
    let name = who::with_pid("The server", group.place.pid);
    // A program that asks itself makes its own load.
    let asks_itself = group
        .incidents()
        .any(|it| it.attempt.owner.pid == group.place.pid);
    match process {
        _ if asks_itself => None,
        None => Some(format!("{name} was not seen to ask another server.")),
        Some(process) => Some(format!(
            "{name} asked others {} itself; none of these is known to be slow or lost for the same \
             question.",
            units::counted(process.queries, "time", "times")
        )),
    }
}
