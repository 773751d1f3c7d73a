//! Rule `dns_no_route`: somewhere on this host the way ends.

use super::Cause;
use super::group::Group;
use super::packet;
use super::place::Place;
use crate::attempt::DeadEnd;
use crate::doctor::explanation::Explanation;
use crate::doctor::explanation::WAITS_AND_FAILS;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

const ENDS_SHOWN: usize = 3;

/// The next hop does not answer for its address; else there is no route.
const NO_NEIGHBOUR: usize = 1;

fn matches(incident: &Incident, _: &Evidence) -> Option<Place> {
    let place = Place::at(incident.server());
    if let Some((drop, end)) = incident.dead_end() {
        let place = place.in_netns(drop.netns);
        return Some(match end {
            DeadEnd::Route => place,
            DeadEnd::Neighbour => place.fault(NO_NEIGHBOUR),
        });
    }
    let told = incident.errno();
    let netns = incident.drop().map(|drop| drop.netns);
    matches!(told, Some(libc::ENETUNREACH | libc::EHOSTUNREACH))
        .then(|| place.in_netns(netns.unwrap_or(incident.attempt.owner.netns)))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let netns = group.netns_told(group.place.netns.unwrap_or_default());
    let (title, cause, look) = match group.place.fault {
        NO_NEIGHBOUR => (
            format!("No ARP or ND reply on the way to the DNS server {server}"),
            format!(
                "In {netns} the kernel asked for the link address of the server, or of the next \
                 router, and got no reply (ARP, or ND for IPv6). That machine is down, or its \
                 address has moved."
            ),
            "ip neigh show",
        ),
        _ => (
            format!("There is no route to the DNS server {server}"),
            format!("In {netns} no route leads to the server, and the packet ends there."),
            "ip route show table all",
        ),
    };
    let get = Command::new("ip route get").word(group.place.ip());
    Explanation::of(title, cause, WAITS_AND_FAILS)
        .lines(discarded(group, &netns))
        .line(
            "The program that asks is not told: ICMP host and net unreachable do not reach a UDP \
             resolver.",
        )
        .lines(group.asked_by_and_for())
        .run("Look there:", group.within_place(Command::new(look)))
        .run("See which way the packet takes:", group.within_place(get))
        .say(
            "Repair the route or the machine on it, or put a server that can be reached into \
             resolv.conf.",
        )
        .into()
}

/// The packets that the kernel told of, by where they ended, and those that it did not.
fn discarded(group: &Group<'_>, netns: &str) -> Vec<String> {
    let drops = || group.incidents().filter_map(Incident::dropped);
    let ends = group.ranked(|incident| Some(packet::told(incident.dropped()?.0)));
    let mut told = Vec::new();
    for (end, packets) in ends.into_iter().take(ENDS_SHOWN) {
        let first = drops().find(|(drop, _)| packet::told(drop) == end);
        told.extend(first.map(|(drop, _)| {
            format!(
                "{} discarded: {end}, in {netns}, on the way to {}.",
                units::counted(packets, "packet was", "packets were"),
                drop.destination,
            )
        }));
    }
    let unseen = group.count(|incident| incident.dropped().is_none() && incident.like.is_some());
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
