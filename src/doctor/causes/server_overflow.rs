//! Rule `dns_server_overflow`: the server's receive buffer has no room.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use crate::doctor::thresholds::QUEUED_BYTES;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::evidence::ServerView;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_server_overflow",
    takes,
    judge: severity::exact,
    tell,
};

const OVERFLOW: &str = "SOCKET_RCVBUFF";

fn is_overflow(case: &Case) -> bool {
    case.query_dropped()
        .is_some_and(|(_, reason)| reason == OVERFLOW)
}

/// The server's view of a query that waited in its socket, or found no room
/// there. For these three rules, which ask the server's CPU next.
pub(super) fn waited_in_queue<'a>(case: &Case, evidence: &'a Evidence) -> Option<&'a ServerView> {
    let view = evidence.view_of(case)?;
    let waited = view.queued_bytes >= QUEUED_BYTES && case.query_dropped().is_none();
    (waited || is_overflow(case)).then_some(view)
}

/// How much lay in the socket when these queries came.
pub(super) fn queue_told(group: &Group<'_>) -> Vec<String> {
    let mut queued: Vec<u32> = group.views().map(|view| view.queued_bytes).collect();
    queued.sort_unstable();
    let mut lines = Vec::new();
    if let (Some(median), Some(most)) = (queued.get(queued.len() / 2), queued.last()) {
        lines.push(format!(
            "When these queries came, {} bytes lay unread in the server's socket (half of them found \
             that much or more), {} at most.",
            units::count(u64::from(*median)),
            units::count(u64::from(*most))
        ));
    }
    let overflowed = group.count(is_overflow);
    if overflowed > 0 {
        lines.push(format!(
            "{} found its receive buffer full and were discarded (SOCKET_RCVBUFF).",
            units::counted(overflowed, "query", "queries")
        ));
    }
    lines
}

fn takes(case: &Case, _: &Evidence) -> Option<Place> {
    is_overflow(case).then(|| Place::at(case.server()))
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
            "RcvbufErrors of {} grew by {} in the window.",
            group.netns_told(netns),
            units::count(udp.receive_buffer_errors)
        ));
    }
    evidence.push(format!("Asked by {}.", group.askers()));
    Words {
        title: format!("The receive buffer of the DNS server {server} overflows"),
        cause: "Queries come faster than the server reads its socket; Linux does not enlarge a UDP \
                buffer, and the default holds about 230 queries. Neither a CPU limit nor a busy thread \
                explains it: the server is stopped, blocked, or reads too seldom."
            .to_owned(),
        impact: "Whatever comes while it is full is lost; those clients wait 5 s (glibc) or 2.5 s (musl) \
                 and ask again."
            .to_owned(),
        evidence,
        fix: vec![
            format!(
                "See the queue (Recv-Q) and the drops of its sockets: `{}`",
                group.within(
                    Some(netns),
                    &format!(
                        "ss -uanm 'sport = :{}'",
                        group.place.server.map_or(53, |server| server.port())
                    )
                )
            ),
            "See what the server does instead of reading: its log, `top -H`, `strace -f -p PID`.".to_owned(),
            "Only then a larger buffer: `sysctl -w net.core.rmem_default=4194304` and restart the server \
             (rmem_max alone does nothing)"
                .to_owned(),
        ],
    }
}
