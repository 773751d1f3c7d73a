//! Rule `dns_unknown`: none of the others; it says what was ruled out.

use super::Cause;
use super::at_server::stopped;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::shell::Command;
use crate::thresholds::QUEUED_BYTES;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_unknown",
    takes,
    judge: severity::residue,
    tell,
};

fn takes(case: &Case, _: &Evidence) -> Option<Place> {
    case.has_failed().then(|| Place::at(case.server()))
}

fn tell(group: &Group<'_>) -> Words {
    let server = group.server();
    let tally = group.asked().all;
    let seen: Vec<_> = group.views().collect();
    let answered = seen.iter().filter(|view| view.is_answered()).count() as u64;
    let mut evidence = vec![format!(
        "{server}: {} of {} failed.",
        units::count(tally.failed),
        units::counted(tally.ended(), "query", "queries")
    )];
    let (title, cause) = if seen.is_empty() {
        evidence.push(
            "Ruled out on this host: nothing was discarded by its kernel, no ICMP error came back, \
             every query left."
                .to_owned(),
        );
        if tally.answered == 0 {
            evidence.push("No type, name or source port fares better than another.".to_owned());
        }
        let how = match tally.answered {
            0 => "does not answer".to_owned(),
            _ => format!(
                "leaves {} of its queries unanswered",
                units::percent(tally.failed, tally.ended())
            ),
        };
        (
            format!("{server} {how}, and the reason is not on this host"),
            "The queries leave this host and nothing comes back: the server is down or overloaded, \
             or a firewall or a lossy link on the way swallows them. Nothing on this host tells \
             which."
                .to_owned(),
        )
    } else if answered == seen.len() as u64 {
        evidence.push(format!(
            "The server is on this host, got {} of them and answered; the answers never reached \
             the client's socket, and the kernel reported no drop.",
            units::count(answered)
        ));
        (
            format!("Answers of {server} get lost between server and client on this host"),
            "Server and client are both on this host, and in between the answer vanishes without \
             the kernel saying why: look at bridges, tunnels and BPF programs in between."
                .to_owned(),
        )
    } else if let Some(most) = seen
        .iter()
        .map(|view| view.queued_bytes)
        .max()
        .filter(|&most| most >= QUEUED_BYTES)
    {
        evidence.push(format!(
            "The server is on this host, and up to {} bytes lie unread in its socket; its CPU \
             quota and its threads show nothing wrong.",
            units::count(u64::from(most))
        ));
        (
            format!("{server}, on this host, does not read its queries"),
            "The server has its port open and does not read from it: it hangs, waits for something \
             else, or is stopped (SIGSTOP, a debugger, a frozen cgroup)."
                .to_owned(),
        )
    } else {
        evidence.push(format!(
            "The server is on this host: {} reached its socket and were not answered. Its CPU, its \
             queue and its own queries show nothing wrong.",
            units::counted(seen.len() as u64 - answered, "query", "queries")
        ));
        (
            format!("{server}, on this host, leaves queries unanswered"),
            "The server reads the queries and does not answer: by its configuration (a drop list, \
             rate limiting), or it hangs."
                .to_owned(),
        )
    };
    let stopped = stopped(group);
    if stopped > 0 {
        evidence.push(format!(
            "The server was stopped (state T in /proc) while {} came or lay there.",
            units::counted(stopped, "of these queries", "of these queries")
        ));
    }
    evidence.extend(group.missing_signals());
    evidence.push(format!("Asked by {}.", group.askers()));
    evidence.extend(group.examples());
    Words {
        title,
        cause,
        impact: "Each lookup waits 5 s (glibc) or 2.5 s (musl), asks again, and fails if that is \
                 lost too."
            .to_owned(),
        evidence,
        fix: fix(group),
    }
}

fn fix(group: &Group<'_>) -> Fix {
    let ask = "Ask it yourself, as the client does:";
    if let Some(view) = group.views().next() {
        let pid = view.owner.pid;
        let pid = pid.map_or_else(|| "PID".to_owned(), |pid| pid.to_string());
        let status = format!("/proc/{pid}/status");
        let looks = [
            Command::new("grep -E 'State|TracerPid'").word(status),
            Command::new("strace -f -p").word(&pid),
        ];
        let mut steps = Fix::default().run_amid("See what the server does: its log,", &looks, "");
        if stopped(group) > 0 {
            steps = steps.run("Let it go on:", Command::new("kill -CONT").word(&pid));
        }
        return steps.run(ask, group.dig_root());
    }
    let server = group.place.server;
    let traceroute = Command::new("traceroute -U -p")
        .word(server.map_or(53, |server| server.port()).to_string())
        .word(server.map_or_else(String::new, |server| server.ip().to_string()));
    let netns = group.first().map(|case| case.attempt.owner.netns);
    Fix::default()
        .run(ask, group.dig_root())
        .say(
            "Run kerno on the server's host at the same time: what arrives there, and what leaves, \
             halves the search.",
        )
        .run(
            "Follow the way of the packets:",
            group.within(netns, traceroute),
        )
}
