//! Rule `dns_client_overflow`: the program's own socket has no room for its answers.

use super::Cause;
use super::group::Group;
use super::place::Place;
use crate::doctor::explanation::Explanation;
use crate::doctor::who;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

/// include/net/dropreason-core.h: no room in this socket's buffer, or none in what all
/// UDP sockets of the host may have together (`net.ipv4.udp_mem`).
const OF_SOCKET: &str = "SOCKET_RCVBUFF";
const OF_HOST: &str = "PROTO_MEM";

const SOCKET: usize = 1;
const HOST: usize = 2;

fn matches(incident: &Incident, _: &Evidence) -> Option<Place> {
    let fault = match incident.answer_dropped()? {
        (_, OF_SOCKET) => SOCKET,
        (_, OF_HOST) => HOST,
        _ => return None,
    };
    let owner = &incident.attempt.owner;
    let place = Place {
        pid: owner.pid,
        ..Place::default()
    };
    Some(place.in_netns(owner.netns).fault(fault))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let incident = group.first()?;
    let owner = &incident.attempt.owner;
    let program = who::process(owner.pid, owner.comm);
    let sockets = group.distinct(|incident| incident.attempt.cookie).len() as u64;
    let least = group.incidents().map(|it| it.attempt.queued_bytes).min()?;
    let look = group.within_place(Command::new("ss -uanm"));
    let (cause, fix) = match group.place.fault {
        HOST => (
            "All UDP sockets of the host together have used up the memory that the kernel allows \
             them (net.ipv4.udp_mem).",
            "See which sockets hold so much (Recv-Q), or raise `net.ipv4.udp_mem`.",
        ),
        _ => (
            "The program has many questions under way at one socket and does not read the answers \
             as fast as they come. Linux does not enlarge a UDP buffer, and the default holds about \
             230 small answers.",
            "Let the program ask fewer questions at once, or from several sockets, and read between \
             them; or give its socket a larger buffer: SO_RCVBUF, `sysctl -w \
             net.core.rmem_default=4194304` before it starts.",
        ),
    };
    Explanation::of(
        format!("The receive buffer of {program} overflows: answers to it are lost"),
        cause,
        "The answers came and were thrown away at the last step, though the server did all its work. \
         The program waits as if none had come.",
    )
    .line(format!(
        "{} came and found no room in {} (at least {} bytes lay there unread).",
        units::counted(group.queries(), "answer", "answers"),
        units::counted(sockets, "socket", "sockets"),
        units::count(u64::from(least))
    ))
    .lines(group.asked_by_and_for())
    .run("See the queue and the drops (`d`) of its sockets:", look)
    .say(fix)
    .into()
}
