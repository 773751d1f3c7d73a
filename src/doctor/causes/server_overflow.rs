//! Rule `dns_server_overflow`: the server's receive buffer has no room.

use super::Cause;
use super::at_server;
use super::group::Group;
use super::place::Place;
use crate::doctor::commands;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::units;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

/// What found no room, and what lay in the same socket and was not read in time.
fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    if incident.has_overflowed() {
        // One that came from elsewhere has no view here.
        let view = evidence.view_of(incident);
        let pid = view.and_then(|view| view.owner.pid);
        return Some(Place::at(view.map_or(incident.server(), |view| view.local)).of(pid));
    }
    let view = evidence.view_of(incident)?;
    let overflows = &evidence.overflows;
    let unread = (overflows.concern(view)
        && at_server::waited_in_queue(incident, evidence).is_some())
        || overflows.stalled(view);
    (unread && !at_server::is_discarded(incident)).then(|| Place::at(view.local).of(view.owner.pid))
}

const LOOK: &str = "See the queue (Recv-Q) and the drops of its sockets:";

const IMPACT: &str = "Queries that come while it is full are lost.";

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let (server, pid) = (group.server(), group.place.pid);
    let netns = group.drop_netns();
    let sockets = group.within(netns, commands::sockets("ss -uanm", group.place.port()));
    let explanation = match at_server::stopped(group) * 2 > group.queries() {
        true => Explanation::of(
            format!("The DNS server {server} is stopped, and its receive buffer overflows"),
            "All threads of the server are stopped, by SIGSTOP or a debugger. It reads nothing, \
             and queries for which its receive buffer has no room are lost.",
            IMPACT,
        )
        .run("See who stopped it:", commands::state_of(pid))
        .run("Let it go on:", commands::go_on(pid))
        .run(LOOK, sockets),
        false => Explanation::of(
            format!("The receive buffer of the DNS server {server} overflows"),
            "Queries come faster than the server reads its socket. Linux does not enlarge a UDP \
             buffer, and the default holds about 230 queries.",
            IMPACT,
        )
        .causes([match at_server::was_examined(group) {
            true => {
                "kerno saw neither a CPU limit nor a busy thread that explains it: the server is \
                 blocked, or reads too seldom."
            }
            false => "kerno could not look at the server's process.",
        }])
        .run(LOOK, sockets)
        .run_amid(
            "See what the server does instead of reading: its log,",
            &[commands::threads_of(pid), commands::calls_of(pid)],
            "",
        )
        .say(
            "Only then set a larger buffer: `sysctl -w net.core.rmem_default=4194304`, and restart \
             the server. rmem_max alone does nothing.",
        ),
    };
    explanation
        .lines(at_server::queue_told(group))
        .lines(counter_told(group, netns))
        .lines(at_server::stopped_told(group))
        .line(at_server::ended_told(group))
        .into()
}

fn counter_told(group: &Group<'_>, netns: Option<u32>) -> Option<String> {
    let netns = netns?;
    let grown = group.evidence.host.udp.get(&netns)?;
    Some(format!(
        "RcvbufErrors of {} grew by {} until the last look at it.",
        group.netns_told(netns),
        units::count(*grown)
    ))
}
