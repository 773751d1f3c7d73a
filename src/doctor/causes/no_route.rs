//! Rule `dns_no_route`: somewhere on this host the way ends.

use super::Cause;
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
    rule: "dns_no_route",
    takes,
    judge: severity::exact,
    tell,
};

/// No route at all.
const NO_ROUTE: [&str; 2] = ["IP_INNOROUTES", "IP_OUTNOROUTES"];
/// The next hop, or the server itself, does not answer for its address.
const NO_NEIGHBOUR: [&str; 3] = ["NEIGH_FAILED", "NEIGH_QUEUEFULL", "NEIGH_DEAD"];
/// Where the kernel discards what a `blackhole` or `unreachable` route takes;
/// there is no reason of its own for it.
const ROUTE_ERRORS: [&str; 4] = ["ip_error", "ip6_pkt_drop", "ip6_pkt_discard", "dst_discard"];

const ROUTE: &str = "route";
const NEIGHBOUR: &str = "neighbour";

fn takes(case: &Case, _: &Evidence) -> Option<Place> {
    let form = match case.dropped() {
        Some((_, reason)) if NO_ROUTE.contains(&reason) => ROUTE,
        Some((_, reason)) if NO_NEIGHBOUR.contains(&reason) => NEIGHBOUR,
        Some((drop, _))
            if drop
                .location
                .as_deref()
                .is_some_and(|it| ROUTE_ERRORS.contains(&it)) =>
        {
            ROUTE
        }
        None if matches!(case.errno(), Some(libc::ENETUNREACH | libc::EHOSTUNREACH)) => ROUTE,
        _ => return None,
    };
    let netns = case
        .drop()
        .map_or(case.attempt.owner.netns, |drop| drop.netns);
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
    let drop = group.cases().find_map(Case::drop);
    let netns = group.netns_told(group.place.netns.unwrap_or_default());
    let mut evidence = Vec::new();
    if let Some(drop) = drop {
        evidence.push(format!(
            "{} discarded: {} at {}, in {netns}, on the way to {}.",
            units::counted(group.queries(), "packet was", "packets were"),
            drop.reason,
            drop.location
                .as_deref()
                .unwrap_or("a function that the kernel hides"),
            drop.destination,
        ));
    }
    let when = match group.place.form {
        NEIGHBOUR => "when its own tries to find the address had failed",
        _ => "at once",
    };
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
