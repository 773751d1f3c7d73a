//! Rule `dns_unknown`: none of the others; it says what was ruled out.

use super::Cause;
use super::at_server;
use super::group::Group;
use super::place::Place;
use super::severity;
use crate::doctor::commands;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::shell::Command;
use crate::thresholds::QUEUED_BYTES;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    severity: severity::residue,
    ..Cause::pattern(matches, describe)
};

fn matches(incident: &Incident, _: &Evidence) -> Option<Place> {
    incident.has_failed().then(|| Place::at(incident.server()))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let views: Vec<_> = group.views().collect();
    let ignored = views.iter().filter(|view| !view.is_answered()).count() as u64;
    let looked_at = match at_server::was_examined(group) {
        true => "kerno found no CPU limit and no busy thread that explains it.",
        false => "kerno could not look at the server's process.",
    };
    let (title, cause, found) = match views.iter().map(|view| view.queued_bytes).max() {
        None => elsewhere(group),
        Some(most) => here(group, views.len() as u64, ignored, most),
    };
    group
        .opening(title, cause, group.impact())
        .lines(group.other_contrast_told())
        .line(found)
        .lines(group.room_told())
        .lines((ignored > 0).then(|| looked_at.to_owned()))
        .lines(at_server::stopped_told(group))
        .lines(group.missing_signals())
        .lines(group.asked_by_and_for())
        .with(|it| match views[..] {
            [] => fix_elsewhere(it, group),
            [..] => fix_here(it, group),
        })
        .into()
}

/// Title, cause and evidence where no server on this host had them.
fn elsewhere(group: &Group<'_>) -> (String, &'static str, String) {
    let tally = group.asked().all;
    let how = match tally.answered {
        0 => "does not answer".to_owned(),
        _ => format!(
            "leaves {} of its queries unanswered",
            units::percent(tally.failed, tally.ended())
        ),
    };
    (
        format!(
            "{} {how}; kerno sees no reason on this host",
            group.server()
        ),
        "The queries leave this host and no answer comes back. The server is down or overloaded, \
         or a firewall or a bad link on the way discards them. From this host kerno cannot tell \
         which.",
        "On this host kerno saw no drop, no ICMP error and no failed send for them.".to_owned(),
    )
}

/// The same where a server on this host had them.
fn here(group: &Group<'_>, seen: u64, ignored: u64, most: u32) -> (String, &'static str, String) {
    let server = group.server();
    match ignored {
        0 => (
            format!("Answers of {server} get lost between server and client on this host"),
            "Server and client are both on this host. The answers get lost between them, and the \
             kernel told of no drop: look at bridges, tunnels and BPF programs between.",
            format!(
                "The server is on this host, got {} of them and answered. The answers did not \
                 reach the client's socket.",
                units::count(seen)
            ),
        ),
        _ if most >= QUEUED_BYTES => (
            format!("{server}, on this host, does not read its queries"),
            "The server has its port open and does not read from it. It hangs, waits for something \
             else, or is stopped (SIGSTOP, a debugger, a frozen cgroup).",
            format!(
                "The server is on this host, and up to {} bytes lie unread in its socket.",
                units::count(u64::from(most))
            ),
        ),
        _ => (
            format!("{server}, on this host, leaves queries unanswered"),
            "The queries reach the server, and it does not answer: because of its configuration (a \
             drop list, rate limiting), or because it hangs.",
            format!(
                "The server is on this host: {} reached its socket and were not answered. kerno \
                 saw no full queue and no slow or lost query of its own behind it.",
                units::queries(ignored)
            ),
        ),
    }
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
        .with(|it| match group.room_told() {
            Some(_) => it.run(
                "See if it is the size of the answers that is in the way:",
                group.ask_example(group.dig().and("+tcp")),
            ),
            None => it,
        })
        .say("Run kerno on the server's host at the same time, to see if the queries arrive there.")
        .run(
            "Follow the way of the packets:",
            group.within(netns, traceroute),
        )
}
