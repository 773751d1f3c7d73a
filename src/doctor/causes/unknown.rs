//! Rule `dns_unknown`: none of the others; it says what was ruled out.

use super::Cause;
use super::at_server;
use super::group::Group;
use super::place::Place;
use super::severity;
use crate::attempt::Transport;
use crate::doctor::commands;
use crate::doctor::explanation::Explanation;
use crate::doctor::ranking;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::ServerView;
use crate::shell::Command;
use crate::thresholds::FAILURES_MIN;
use crate::thresholds::QUEUED_BYTES;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    severity: severity::residue,
    ..Cause::pattern(matches, describe)
};

/// The connection ended with a reset; the socket was told another error.
const RESET: usize = 1;
const OTHER_ERROR: usize = 2;

fn matches(incident: &Incident, _: &Evidence) -> Option<Place> {
    let fault = match incident.errno() {
        None => 0,
        Some(libc::ECONNRESET | libc::EPIPE) => RESET,
        Some(_) => OTHER_ERROR,
    };
    incident
        .has_failed()
        .then(|| Place::at(incident.server()).fault(fault))
}

/// What came to an end with an error: nobody waited for these.
fn with_error(group: &Group<'_>) -> Explanation {
    let server = group.server();
    let errors = group.ranked(|incident| Some(incident.attempt.reason.as_ref()?.to_string()));
    let errors = ranking::first_of(&errors, ERRORS_SHOWN, |(errno, n)| {
        format!("{errno} {}", units::counted(*n, "time", "times"))
    });
    let after_answer = group.count(|it| it.is_tcp() && it.attempt.is_after_answer);
    let ends_connections = after_answer >= FAILURES_MIN && after_answer == group.queries();
    let (title, cause) = match group.place.fault {
        RESET if ends_connections => (
            format!("{server} ends TCP connections after an answer, and more is asked on them"),
            "The server, or a firewall before it, ends a connection when it has had one answer, or \
             several, or was idle for a while, and the program asks on it all the same. A server should \
             let its clients ask several questions on one connection (RFC 7766 section 6.2.1).",
        ),
        RESET => (
            format!("Connections to {server} are reset before the answer comes"),
            "The other end of the connection ended it with a reset while a question was open: the \
             server takes only so many questions on one connection, or had closed it when the \
             question came, or is restarted; or a firewall on the way ends connections. From here \
             kerno cannot tell which.",
        ),
        _ => (
            format!("Queries to {server} end with an error of their socket"),
            "The kernel told the program's socket of an error; which packet made it, kerno did not \
             see.",
        ),
    };
    let tally = group.asked().tcp;
    group
        .opening(title, cause, "")
        .lines(errors.map(|errors| format!("The errors: {errors}.")))
        .lines(ends_connections.then(|| {
            "All of these were asked on a connection that had an answer before; none was the first on \
             its connection."
                .to_owned()
        }))
        .lines((tally.ended() > 0).then(|| {
            format!(
                "Of {} over TCP {} were answered.",
                units::queries(tally.ended()),
                units::count(tally.answered)
            )
        }))
        .lines(group.missing_signals())
        .lines(group.asked_by_and_for())
        .run(ASK, group.ask_example(group.dig()))
        .say("Look into the server's log, and for its limits on TCP: connections, questions on each, idle time.")
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    if group.place.fault != 0 {
        return Some(with_error(group));
    }
    let views: Vec<_> = group.views().collect();
    let ignored: Vec<_> = views.iter().filter(|view| !view.is_answered()).collect();
    let reading = &group.evidence.reading;
    let read = ignored.iter().filter(|view| reading.is_past(view)).count() as u64;
    let ignored = ignored.len() as u64;
    let looked_at = match at_server::was_examined(group) {
        true => "kerno found no CPU limit and no busy thread that explains it.",
        false => "kerno could not look at the server's process.",
    };
    let (title, cause, found) = match views.iter().map(|view| view.queued_bytes).max() {
        None => elsewhere(group),
        Some(most) => here(group, views.len() as u64, [ignored, read], most),
    };
    group
        .opening(title, cause, group.impact())
        .lines(group.other_contrast_told())
        .lines(group.alike_told())
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
        match tally.answered {
            0 => {
                "The queries leave this host and no answer comes back. The server is down or overloaded, \
                 or a firewall or a bad link on the way discards them. From this host kerno cannot tell \
                 which."
            }
            _ => {
                "The queries leave this host, and to some of them no answer comes back. The server is \
                 overloaded, or answers only so many, or a firewall or a bad link on the way discards \
                 some. From this host kerno cannot tell which."
            }
        },
        "On this host kerno saw no drop, no ICMP error and no failed send for them.".to_owned(),
    )
}

/// The same where a server on this host had them.
fn here(
    group: &Group<'_>,
    seen: u64,
    [ignored, read]: [u64; 2],
    most: u32,
) -> (String, &'static str, String) {
    let server = group.server();
    let own = group.own_told().map(|it| format!(" {it}"));
    let own = own.unwrap_or_default();
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
        _ if read * 2 > ignored => (
            format!("{server}, on this host, reads queries and leaves them unanswered"),
            "The queries reach the server, it reads them, and does not answer. It may have as many \
             under way as it allows itself (Docker's resolver drops what is more), or its configuration \
             says so (a drop list, rate limiting). kerno cannot tell which.",
            format!(
                "The server is on this host: {} reached its socket and were not answered; of these \
                 it has read at least {}, for it answered queries that came to the same socket \
                 after them.{own}",
                units::queries(ignored),
                units::count(read)
            ),
        ),
        _ if most >= QUEUED_BYTES && read == 0 => (
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
            "The queries reach the server, and it does not answer. Its configuration may say so (a drop \
             list, rate limiting), or it hangs. kerno cannot tell which.",
            format!(
                "The server is on this host: {} reached its socket and were not answered. {}{own}",
                units::queries(ignored),
                queue_told(group, most)
            ),
        ),
    }
}

/// What was seen of the queue in front of the server: that of a UDP socket only.
fn queue_told(group: &Group<'_>, most: u32) -> String {
    let is_tcp = |view: &&ServerView| view.transport == Transport::Tcp;
    match group.views().all(|view| is_tcp(&view)) {
        true => "What waits in TCP connections is not looked at.".to_owned(),
        false if most >= QUEUED_BYTES => format!(
            "When they came up to {} bytes lay unread in its UDP socket, and it read on after some of them.",
            units::count(u64::from(most))
        ),
        false => "When they came next to nothing lay unread in its UDP socket.".to_owned(),
    }
}

const ERRORS_SHOWN: usize = 3;
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
        .run(ASK, group.ask_example(group.dig()))
}

fn fix_elsewhere(explanation: Explanation, group: &Group<'_>) -> Explanation {
    let traceroute = Command::new("traceroute -U -p")
        .word(group.place.port().to_string())
        .word(group.place.ip());
    let netns = group.first().map(|incident| incident.attempt.owner.netns);
    explanation
        .run(ASK, group.ask_example(group.dig()))
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
