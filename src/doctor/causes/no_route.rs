//! Rule `dns_no_route`: somewhere on this host the way ends.

use super::Cause;
use super::group::Group;
use super::packet;
use super::place::Place;
use crate::attempt::DeadEnd;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

const ENDS_SHOWN: usize = 3;

/// The next hop does not answer for its address; else there is no route.
const NO_NEIGHBOUR: usize = 1;
/// Somebody on the way says so; this host discarded nothing.
const TOLD: usize = 2;
/// Added for the servers of a resolver over IPv6: it has routes of its own.
const V6: usize = 4;

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    if evidence.rejections.of_query(incident).is_some() {
        return None;
    }
    let place = match asks_for_others(incident, evidence) {
        // It goes from one to the next, as from root server to root server: one place.
        true => Place::default().fault(usize::from(incident.server().is_ipv6()) * V6),
        false => Place::at(incident.server()),
    };
    let fault = place.fault;
    if let Some((drop, end)) = incident.dead_end() {
        let place = place.in_netns(drop.netns);
        return Some(match end {
            DeadEnd::Route => place,
            DeadEnd::Neighbour => place.fault(fault + NO_NEIGHBOUR),
        });
    }
    let unreachable = matches!(
        incident.errno(),
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH)
    );
    let place = place.in_netns(incident.attempt.owner.netns);
    (unreachable && incident.query_lost().is_none()).then(|| place.fault(fault + TOLD))
}

fn asks_for_others(incident: &Incident, evidence: &Evidence) -> bool {
    let pid = incident.attempt.owner.pid;
    pid.is_some_and(|pid| evidence.resolvers.contains(&pid))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.dns_server();
    let netns = group.netns_told(group.place.netns.unwrap_or_default());
    let fault = group.place.fault % V6;
    if fault == TOLD {
        return Some(told_from_elsewhere(group));
    }
    let (title, cause, look) = match fault {
        NO_NEIGHBOUR => (
            format!("No ARP or ND reply on the way to {server}"),
            format!(
                "In {netns} the kernel asked for the link address of the server, or of the next \
                 router, and got no reply (ARP, or ND for IPv6). That machine is down, or its \
                 address has moved."
            ),
            "ip neigh show",
        ),
        _ => (
            format!("There is no route to {server}"),
            format!("In {netns} no route leads to the server, and the packet ends there."),
            "ip route show table all",
        ),
    };
    let get = way(group);
    Explanation::of(title, cause, group.impact())
        .lines(discarded(group, &netns))
        .line(told(group))
        .lines(group.asked_by_and_for())
        .run("Look there:", group.within_place(Command::new(look)))
        .run("See which way the packet takes:", group.within_place(get))
        .say(
            "Repair the route or the machine on it, or put a server that can be reached into \
             resolv.conf.",
        )
        .into()
}

/// An error came back, and this host discarded nothing.
fn told_from_elsewhere(group: &Group<'_>) -> Explanation {
    let get = way(group);
    Explanation::of(
        format!(
            "A machine on the way says that {} cannot be reached",
            group.dns_server()
        ),
        "An ICMP error came back: a router has no route to the server or cannot reach it, or a \
         firewall there forbids it (host or communication prohibited). The error does not say which.",
        group.impact(),
    )
    .line(told(group))
    .line("kerno saw no drop of these queries on this host.")
    .lines(group.asked_by_and_for())
    .run(
        "See which way the packet takes:",
        group.within_place(get),
    )
    .run("Ask it yourself, as the client does:", group.dig_root())
    .say(
        "Repair the route there, let UDP and TCP port 53 pass, or put a server that can be reached \
         into resolv.conf.",
    )
}

fn way(group: &Group<'_>) -> Command {
    let server = group.place.server.or_else(|| Some(group.first()?.server()));
    let ip = server.map_or_else(String::new, |server| server.ip().to_string());
    Command::new("ip route get").word(ip)
}

fn told(group: &Group<'_>) -> String {
    let errors = group.ranked(|incident| {
        incident.errno()?;
        Some(incident.attempt.reason.as_ref()?.to_string())
    });
    match errors.first() {
        None => "The program that asks is not told: ICMP host and net unreachable reach a UDP \
                 socket only if it asks for them."
            .to_owned(),
        Some((errno, told)) => format!(
            "{} refused with {errno}, of {}.",
            units::counted(*told, "query was", "queries were"),
            group.askers()
        ),
    }
}

/// The packets that the kernel told of, by where they ended, and those that it did not.
fn discarded(group: &Group<'_>, netns: &str) -> Vec<String> {
    let drops = || group.incidents().filter_map(Incident::query_lost);
    let ends = group.ranked(|incident| Some(packet::told(incident.query_lost()?)));
    let mut told = Vec::new();
    for (end, packets) in ends.into_iter().take(ENDS_SHOWN) {
        let first = drops().find(|drop| packet::told(drop) == end);
        told.extend(first.map(|drop| {
            format!(
                "{} discarded: {end}, in {netns}, on the way to {}.",
                units::counted(packets, "packet was", "packets were"),
                drop.destination,
            )
        }));
    }
    let unseen = group.count(|incident| incident.query_lost().is_none() && incident.like.is_some());
    if unseen > 0 {
        told.push(format!(
            "{} sent there at the same time and never answered. The kernel did not tell where {} \
             ended.",
            units::counted(unseen, "more query was", "more queries were"),
            if unseen == 1 { "it" } else { "they" }
        ));
    }
    told
}
