//! Rule `dns_nobody_listening`: the server's port is closed, or a firewall says so.

use super::Cause;
use super::group::Group;
use super::packet::NO_SOCKET;
use super::place::Place;
use super::rejected;
use crate::doctor::commands;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::units;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

const CLOSED_PORT: usize = 1;
const REJECTED: usize = 2;
const REJECTED_WHEN_SENT: usize = 3;
const REJECTED_ELSEWHERE: usize = 4;

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let place = Place::at(incident.server());
    if evidence.rejections.of_query(incident).is_some()
        && let Some(drop) = incident.filtered()
    {
        let fault = match drop.when_sent {
            true => REJECTED_WHEN_SENT,
            false => REJECTED,
        };
        return Some(place.in_netns(drop.netns).fault(fault));
    }
    let errno = incident.errno()?;
    let was_sent = incident.attempt.failed_call.is_none();
    match incident.query_lost() {
        None if was_sent && rejected::BY_A_RULE_ONLY.contains(&errno) => {
            Some(place.fault(REJECTED_ELSEWHERE))
        }
        Some(drop) if errno == libc::ECONNREFUSED => {
            Some(place.in_netns(drop.netns).fault(CLOSED_PORT))
        }
        None if errno == libc::ECONNREFUSED => Some(place),
        _ => None,
    }
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    match group.place.fault {
        REJECTED | REJECTED_WHEN_SENT => return rejected::here(group),
        REJECTED_ELSEWHERE => return Some(rejected::elsewhere(group)),
        _ => {}
    }
    let server = group.server();
    let netns = group.drop_netns();
    let here = group.netns_told(netns.unwrap_or_default());
    let (cause, found, look) = match group.place.fault {
        CLOSED_PORT => (
            format!(
                "The queries arrive in {here}, on this host, and no program has that port open. \
                 The DNS server there is not running, listens on another address, or has just been \
                 restarted."
            ),
            format!("They arrived in {here} and found no socket ({NO_SOCKET})."),
            group.within(netns, commands::sockets("ss -lntup", group.place.port())),
        ),
        _ => (
            "The host at that address says that the port is closed. Its DNS server is not running, \
             or a firewall on the way rejects the queries."
                .to_owned(),
            "The refusal came as ICMP port unreachable or as a TCP reset; kerno saw no drop on \
             this host."
                .to_owned(),
            group.dig_root(),
        ),
    };
    Explanation::of(
        format!("Nobody listens at {server}"),
        cause,
        "glibc notices at once if the kernel tells it, tries its other servers and then fails. \
         musl does not notice and waits 5 s.",
    )
    .line(format!(
        "{} refused (ECONNREFUSED), of {}.",
        units::counted(group.queries(), "query was", "queries were"),
        group.askers()
    ))
    .line(found)
    .lines(group.examples())
    .run("Look there:", look)
    .say(
        "Start the server, or take the address out of resolv.conf. In Kubernetes, see if the pods \
         are ready: `kubectl -n kube-system get endpointslices -l k8s-app=kube-dns`",
    )
    .into()
}
