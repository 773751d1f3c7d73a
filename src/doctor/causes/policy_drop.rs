//! Rule `dns_policy_drop`: a firewall or a network policy discards it.

use super::Cause;
use super::group::Group;
use super::packet;
use super::packet::NETFILTER;
use super::place::Place;
use super::socket_filter;
use crate::attempt::Packet;
use crate::attempt::PacketDrop;
use crate::attempt::Transport;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::shell::Command;
use crate::thresholds::FAILURES_MIN;
use crate::units;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

/// What other kinds of policy leave behind: BPF on the interface (Cilium), XDP, on the
/// receiving socket or its control group.
const OTHERS: [&str; 4] = ["TC_INGRESS", "TC_EGRESS", "XDP", socket_filter::REASON];

/// The queries are discarded on their way; else the answers are.
const QUERY: usize = 1;
/// … as they are sent, and the sender is told at once.
const QUERY_WHEN_SENT: usize = 2;
/// They are discarded at the socket that they are for.
const AT_SOCKET_QUERY: usize = 3;
const AT_SOCKET_ANSWER: usize = 4;

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let (drop, reason) = incident.dropped()?;
    if evidence.rejections.of_query(incident).is_some() {
        return None; // told as such
    }
    if !is_policy(reason) {
        return None;
    }
    let fault = match (drop.packet, drop.when_sent) {
        (Packet::Answer, _) if reason == socket_filter::REASON => AT_SOCKET_ANSWER,
        _ if reason == socket_filter::REASON => AT_SOCKET_QUERY,
        (Packet::Answer, _) => 0,
        (_, true) => QUERY_WHEN_SENT,
        _ => QUERY,
    };
    let place = Place::at(incident.server()).in_netns(drop.netns);
    Some(place.fault(fault))
}

/// Whether a firewall or another policy gives this reason.
pub(super) fn is_policy(reason: &str) -> bool {
    reason == NETFILTER || OTHERS.contains(&reason)
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    if [AT_SOCKET_QUERY, AT_SOCKET_ANSWER].contains(&group.place.fault) {
        return socket_filter::describe(group);
    }
    let drop = group.drop()?;
    let server = group.server();
    let netns = group.netns_told(drop.netns);
    let (what, when, impact) = match group.place.fault {
        QUERY => ("queries", "on their way (FORWARD or INPUT)", group.impact()),
        QUERY_WHEN_SENT => (
            "queries",
            "as they are sent (OUTPUT), and the program gets EPERM",
            group.impact(),
        ),
        _ => ("answers", "when they come back", group.impact()),
    };
    let by = by(drop);
    let there = |command| group.within(Some(drop.netns), Command::new(command));
    let to = group.place.server.map(|server| server.ip().to_string());
    let passed = group.asked().all.answered;
    let large_only = large_only(group);
    let is_isolated = group.takes_all_of_a_namespace() && group.others_are_answered();
    Explanation::of(
        format!("A firewall discards DNS {what} for {server}"),
        format!("{by} in {netns} discards the {what} {when}."),
        impact,
    )
    .causes(is_isolated.then_some(
        "From one network namespace nothing is answered at all, and from others it is: this is what a network policy without \
         an exception for DNS looks like.",
    ))
    .line(format!(
        "{} discarded: {}, in {netns}.",
        group.packets(),
        packet::told(drop)
    ))
    .line(format!(
        "Last seen as {} → {}.",
        drop.source, drop.destination
    ))
    .line(conntrack_told(group, drop))
    .lines((passed > 0).then(|| {
        format!(
            "{} to the same server from the same network namespaces got an answer: the rule does not \
             take all of them, or was not there all the time.",
            units::queries(passed)
        )
    }))
    .lines(large_only.map(|(least, most)| {
        format!(
            "The answers that it discards have {} bytes or more; the largest that came had {}.",
            units::count(least.into()),
            units::count(most.into())
        )
    }))
    .lines(group.asked_by_and_for())
    .with(|it| match &*drop.reason == NETFILTER {
        true => group
            .look_at_firewall(it, drop.netns)
            .run("Find the rule and its counter:", there("nft list ruleset"))
            .run("Or, with the legacy tools:", there("iptables-save -c")),
        false => it.run("List the programs on the interfaces there:", there("bpftool net show")),
    })
    .say(match large_only {
        Some(_) => {
            "Let large packets and fragments pass; or keep answers small: an EDNS buffer size of 1,232 \
             bytes at the server (unbound and BIND `max-udp-size`, dnsmasq `edns-packet-max`)."
                .to_owned()
        }
        None => {
            let (port, to) = (group.place.port(), to.unwrap_or(server));
            match passed >= FAILURES_MIN {
                // The port alone is not why.
                true => format!(
                    "See what its rule looks at beside the port: a rate (`limit`, `hashlimit`), a \
                     number, addresses, octets of the packet. Allow UDP and TCP port {port} to {to} \
                     ahead of it."
                ),
                false => format!("Allow UDP and TCP port {port} to {to}."),
            }
        }
    })
    .with(|it| {
        group.on_a_node(
            it,
            "In Kubernetes that is an egress rule to the kube-dns pods and to the NodeLocal address.",
        )
    })
    .into()
}

/// The smallest answer of a server on this host that was discarded, and the largest that came,
/// in octets, if their size is what sets them apart.
fn large_only(group: &Group<'_>) -> Option<(u16, u16)> {
    let over_udp = group
        .views()
        .filter(|view| view.transport == Transport::Udp);
    let sizes = over_udp.map(|view| view.answer_bytes);
    let least = sizes.filter(|bytes| *bytes > 0).min()?;
    let oversized = &group.evidence.oversized;
    let most = group.incidents().map(|it| oversized.largest(&it.attempt));
    let most = most.max().filter(|most| *most > 0)?;
    let came = group.asked().all.answered;
    (group.place.fault == 0 && least > most && came >= FAILURES_MIN).then_some((least, most))
}

/// What did it.
pub(super) fn by(drop: &PacketDrop) -> &'static str {
    if &*drop.reason != NETFILTER {
        "A BPF program (Cilium or the like)"
    } else if packet::is_rule_of_nftables(drop) {
        "A rule of nftables (or iptables-nft)"
    } else {
        "A firewall rule (netfilter)"
    }
}

fn conntrack_told(group: &Group<'_>, drop: &PacketDrop) -> String {
    match group.evidence.host.conntrack.get(&drop.netns) {
        Some(counters) if counters.drop == 0 && counters.insert_failed == 0 => {
            "It is not conntrack: its counters there did not move.".to_owned()
        }
        Some(counters) => format!(
            "Conntrack there turned away {} and failed to insert {} in the same time; these \
             packets are not among them.",
            counters.drop, counters.insert_failed
        ),
        None => "Conntrack counters of that namespace could not be read.".to_owned(),
    }
}
