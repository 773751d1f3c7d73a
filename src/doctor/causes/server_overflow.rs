//! Rule `dns_server_overflow`: the server's receive buffer has no room.

use super::Cause;
use super::at_server::queue_told;
use super::at_server::stopped;
use super::at_server::waited_in_queue;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_server_overflow",
    takes,
    judge: severity::exact,
    tell,
};

/// What found no room, and what lay in the same socket and was not read in time.
fn takes(case: &Case, evidence: &Evidence) -> Option<Place> {
    if case.has_overflowed() {
        // One that came from elsewhere has no view here.
        let view = evidence.view_of(case);
        let pid = view.and_then(|view| view.owner.pid);
        return Some(Place::at(view.map_or(case.server(), |view| view.local)).of(pid));
    }
    let view = evidence.view_of(case)?;
    let overflows = &evidence.overflows;
    let unread = (overflows.concern(view) && waited_in_queue(case, evidence).is_some())
        || overflows.stalled(view);
    let is_discarded = case.query_dropped().is_some() && !case.was_left_unread();
    (unread && !is_discarded).then(|| Place::at(view.local).of(view.owner.pid))
}

fn tell(group: &Group<'_>) -> Words {
    let server = group.server();
    let netns = group
        .cases()
        .find_map(Case::drop)
        .map_or(0, |drop| drop.netns);
    let mut evidence = queue_told(group);
    if let Some(udp) = group.evidence.surroundings.udp.get(&netns) {
        evidence.push(format!(
            "RcvbufErrors of {} grew by {} until the last look at it.",
            group.netns_told(netns),
            units::count(udp.receive_buffer_errors)
        ));
    }
    let stopped = stopped(group);
    if stopped > 0 {
        evidence.push(format!(
            "The server{} was stopped (state T in /proc) while {} lay there or came.",
            group
                .place
                .pid
                .map_or_else(String::new, |pid| format!(" (pid {pid})")),
            units::counted(stopped, "of these queries", "of these queries")
        ));
    }
    evidence.push(format!("{}, of {}.", group.told(), group.askers()));
    let is_stopped = stopped * 2 > group.queries();
    let (title, cause) = match is_stopped {
        true => (
            format!("The DNS server {server} is stopped, and its receive buffer overflows"),
            "All threads of the server are stopped, by SIGSTOP or a debugger: it reads nothing, \
             and what its socket has no room for is lost.",
        ),
        false => (
            format!("The receive buffer of the DNS server {server} overflows"),
            "Queries come faster than the server reads its socket; Linux does not enlarge a UDP \
             buffer, and the default holds about 230 queries. Neither a CPU limit nor a busy \
             thread explains it: the server is blocked, or reads too seldom.",
        ),
    };
    Words {
        title,
        cause: cause.to_owned(),
        impact: "Whatever comes while it is full is lost; those clients wait 5 s (glibc) or 2.5 s \
                 (musl) and ask again."
            .to_owned(),
        evidence,
        fix: fix(group, netns, is_stopped),
    }
}

fn fix(group: &Group<'_>, netns: u32, is_stopped: bool) -> Fix {
    let pid = group.place.pid;
    let pid = pid.map_or_else(|| "PID".to_owned(), |pid| pid.to_string());
    let port = group.place.server.map_or(53, |server| server.port());
    let ss = Command::new("ss -uanm").word(format!("sport = :{port}"));
    let ss = group.within(Some(netns), ss);
    let look = "See the queue (Recv-Q) and the drops of its sockets:";
    if is_stopped {
        let status = format!("/proc/{pid}/status");
        return Fix::default()
            .run(
                "See who holds it:",
                Command::new("grep -E 'State|TracerPid'").word(status),
            )
            .run("Let it go on:", Command::new("kill -CONT").word(&pid))
            .run(look, ss);
    }
    let looks = [
        Command::new("top -H -p").word(&pid),
        Command::new("strace -f -p").word(&pid),
    ];
    Fix::default()
        .run(look, ss)
        .run_amid(
            "See what the server does instead of reading: its log,",
            &looks,
            "",
        )
        .say(
            "Only then a larger buffer: `sysctl -w net.core.rmem_default=4194304` and restart the \
             server (rmem_max alone does nothing)",
        )
}
