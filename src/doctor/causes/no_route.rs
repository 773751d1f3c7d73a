//! Rule `dns_no_route`: somewhere on this host the way ends.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use crate::attempt::DeadEnd;
use crate::attempt::PacketDrop;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_no_route",
    takes,
    judge: severity::exact,
    tell,
};

/// Of the ways in which packets ended, so many are told.
const ENDS_SHOWN: usize = 3;

const ROUTE: &str = "route";
const NEIGHBOUR: &str = "neighbour";

fn takes(case: &Case, _: &Evidence) -> Option<Place> {
    let (form, netns) = match case.dead_end() {
        Some((drop, DeadEnd::Route)) => (ROUTE, drop.netns),
        Some((drop, DeadEnd::Neighbour)) => (NEIGHBOUR, drop.netns),
        None if matches!(case.errno(), Some(libc::ENETUNREACH | libc::EHOSTUNREACH)) => {
            let netns = case.drop().map(|drop| drop.netns);
            (ROUTE, netns.unwrap_or(case.attempt.owner.netns))
        }
        None => return None,
    };
    Some(Place::at(case.server()).in_netns(netns).in_form(form))
}

fn tell(group: &Group<'_>) -> Words {
    let server = group.server();
    let ip = group
        .place
        .server
        .map(|server| server.ip().to_string())
        .unwrap_or_default();
    let get = Command::new("ip route get").word(ip);
    let netns = group.netns_told(group.place.netns.unwrap_or_default());
    let when = match group.place.form {
        NEIGHBOUR => "when its own tries to find the address had failed",
        _ => "at once",
    };
    let mut evidence = discarded(group, &netns);
    evidence.push(format!(
        "The kernel knew it {when}, but nobody told the program: ICMP host and net unreachable do \
         not reach a UDP resolver."
    ));
    evidence.push(format!("Asked by {}.", group.askers()));
    evidence.extend(group.examples());
    let (title, cause, look) = if group.place.form == NEIGHBOUR {
        (
            format!("Nobody has the DNS server's address on the last link: {server}"),
            format!(
                "In {netns} the address is on a link of its own, but nobody there answers for it \
                 (ARP or neighbour discovery): the server or the next router is down, or its \
                 address has moved."
            ),
            Command::new("ip neigh show"),
        )
    } else {
        (
            format!("There is no route to the DNS server {server}"),
            format!(
                "In {netns}, on the way to the server, no route leads on, and the packet ends \
                 there."
            ),
            Command::new("ip route show table all"),
        )
    };
    Words {
        title,
        cause,
        impact: "Each lookup waits 5 s (glibc) or 2.5 s (musl) as if the server were silent, asks \
                 again, and fails."
            .to_owned(),
        evidence,
        fix: Fix::default()
            .run("Look there:", group.within(group.place.netns, look))
            .run(
                "See which way the packet takes:",
                group.within(group.place.netns, get),
            )
            .say("Mend the route, or name a server that can be reached in resolv.conf."),
    }
}

/// The packets that the kernel told of, by where they ended, and those that it did not.
fn discarded(group: &Group<'_>, netns: &str) -> Vec<String> {
    let mut ends: BTreeMap<(&str, &str), (u64, &PacketDrop)> = BTreeMap::new();
    let mut unseen = 0;
    for case in group.cases() {
        match (case.dropped(), &case.like) {
            (Some((drop, reason)), _) => {
                let place = drop.location.as_deref();
                let place = place.unwrap_or("a function that the kernel hides");
                ends.entry((reason, place)).or_insert((0, drop)).0 += case.weight;
            }
            (None, Some(_)) => unseen += case.weight,
            (None, None) => {}
        }
    }
    let mut ends: Vec<_> = ends.into_iter().collect();
    ends.sort_by_key(|(_, (packets, _))| Reverse(*packets));
    let mut told: Vec<_> = ends
        .into_iter()
        .take(ENDS_SHOWN)
        .map(|((reason, place), (packets, drop))| {
            format!(
                "{} discarded: {reason} at {place}, in {netns}, on the way to {}.",
                units::counted(packets, "packet was", "packets were"),
                drop.destination,
            )
        })
        .collect();
    if unseen > 0 {
        told.push(format!(
            "{} sent there at the same time and never answered, though the kernel did not tell \
             what it did with {}.",
            units::counted(unseen, "more query was", "more queries were"),
            if unseen == 1 { "it" } else { "them" }
        ));
    }
    told
}
