//! Rule `dns_unknown`: none of the others; it says what was ruled out.

use super::Cause;
use super::at_server;
use super::group::Group;
use super::place::Place;
use super::severity;
use crate::doctor::commands;
use crate::doctor::explanation::Explanation;
use crate::doctor::explanation::WAITS_AND_FAILS;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::shell::Command;
use crate::thresholds::QUEUED_BYTES;
use crate::units;

pub(super) const CAUSE: Cause = Cause::new(matches, severity::residue, describe);

fn matches(incident: &Incident, _: &Evidence) -> Option<Place> {
    incident.has_failed().then(|| Place::at(incident.server()))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let seen = group.views().count() as u64;
    let answered = group.views().filter(|view| view.is_answered()).count() as u64;
    let most_queued = group.views().map(|view| view.queued_bytes).max();
    let explanation = match most_queued {
        None => elsewhere(group),
        Some(_) if answered == seen => lost_between(group, answered),
        Some(most) if most >= QUEUED_BYTES => unread(group, most),
        Some(_) => ignored(group, seen - answered),
    };
    let looked_at = match at_server::was_examined(group) {
        true => "kerno found no CPU limit and no busy thread that explains it.",
        false => "kerno could not look at the server's process.",
    };
    explanation
        .impact(WAITS_AND_FAILS)
        .lines((answered < seen).then(|| looked_at.to_owned()))
        .lines(at_server::stopped_told(group))
        .lines(group.missing_signals())
        .lines(group.asked_by_and_for())
        .with(|it| match most_queued {
            None => fix_elsewhere(it, group),
            Some(_) => fix_here(it, group),
        })
        .into()
}

/// No server on this host had them.
fn elsewhere(group: &Group<'_>) -> Explanation {
    let (server, tally) = (group.server(), group.asked().all);
    let how = match tally.answered {
        0 => "does not answer".to_owned(),
        _ => format!(
            "leaves {} of its queries unanswered",
            units::percent(tally.failed, tally.ended())
        ),
    };
    group
        .opening(format!("{server} {how}; kerno sees no reason on this host"))
        .cause(
            "The queries leave this host and no answer comes back. The server is down or \
             overloaded, or a firewall or a bad link on the way discards them. From this host \
             kerno cannot tell which.",
        )
        .line("On this host kerno saw no drop, no ICMP error and no failed send for them.")
}

fn lost_between(group: &Group<'_>, answered: u64) -> Explanation {
    let server = group.server();
    group.opening(format!(
        "Answers of {server} get lost between server and client on this host"
    ))
    .cause(
        "Server and client are both on this host. The answers get lost between them, and the \
         kernel told of no drop: look at bridges, tunnels and BPF programs between.",
    )
    .line(format!(
        "The server is on this host, got {} of them and answered. The answers did not reach the \
         client's socket.",
        units::count(answered)
    ))
}

fn unread(group: &Group<'_>, most: u32) -> Explanation {
    let server = group.server();
    group
        .opening(format!("{server}, on this host, does not read its queries"))
        .cause(
            "The server has its port open and does not read from it. It hangs, waits for something \
             else, or is stopped (SIGSTOP, a debugger, a frozen cgroup).",
        )
        .line(format!(
            "The server is on this host, and up to {} bytes lie unread in its socket.",
            units::count(u64::from(most))
        ))
}

fn ignored(group: &Group<'_>, unanswered: u64) -> Explanation {
    let server = group.server();
    group
        .opening(format!("{server}, on this host, leaves queries unanswered"))
        .cause(
            "The queries reach the server, and it does not answer: because of its configuration (a \
             drop list, rate limiting), or because it hangs.",
        )
        .line(format!(
            "The server is on this host: {} reached its socket and were not answered. kerno saw no \
             full queue and no slow or lost query of its own behind it.",
            units::queries(unanswered)
        ))
}

const ASK: &str = "Ask it yourself, as the client does:";

fn fix_here(explanation: Explanation, group: &Group<'_>) -> Explanation {
    let pid = group.views().next().and_then(|view| view.owner.pid);
    let looks = [commands::state_of(pid), commands::calls_of(pid)];
    explanation
        .run_amid("See what the server does: its log,", &looks, "")
        .with(|it| match at_server::stopped(group) {
            0 => it,
            _ => it.run("Let it go on:", commands::go_on(pid)),
        })
        .run(ASK, group.dig_root())
}

fn fix_elsewhere(explanation: Explanation, group: &Group<'_>) -> Explanation {
    let traceroute = Command::new("traceroute -U -p")
        .word(group.place.port().to_string())
        .word(group.place.ip());
    let netns = group.first().map(|incident| incident.attempt.owner.netns);
    explanation
        .run(ASK, group.dig_root())
        .say("Run kerno on the server's host at the same time, to see if the queries arrive there.")
        .run(
            "Follow the way of the packets:",
            group.within(netns, traceroute),
        )
}
