//! Rule `dns_policy_drop`: a firewall or a network policy discards it.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use crate::attempt::Packet;
use crate::attempt::PacketDrop;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_policy_drop",
    takes,
    judge: severity::exact,
    tell,
};

/// Discarded by a hook of netfilter.
pub(super) const NETFILTER: &str = "NETFILTER_DROP";
/// What other kinds of policy leave behind: BPF on the interface (Cilium), on
/// the receiving socket's cgroup, XDP.
const OTHERS: [&str; 4] = ["TC_INGRESS", "TC_EGRESS", "XDP", "SOCKET_FILTER"];
/// Since 6.7 a verdict of nftables names its place; before, it looks like any.
const NFTABLES: &str = "nft_do_chain";

const QUERY: &str = "query";
const QUERY_WHEN_SENT: &str = "query when sent";
const ANSWER: &str = "answer";

pub(super) fn is_rule_of_nftables(drop: &PacketDrop) -> bool {
    drop.location
        .as_deref()
        .is_some_and(|it| it.starts_with(NFTABLES))
}

fn takes(case: &Case, evidence: &Evidence) -> Option<Place> {
    let (drop, reason) = case.dropped()?;
    if reason == NETFILTER && drop.packet != Packet::Answer && evidence.is_rejected(case) {
        return None; // it rejects, and is told as such
    }
    if reason != NETFILTER && !OTHERS.contains(&reason) {
        return None;
    }
    let form = match (drop.packet, drop.when_sent) {
        (Packet::Answer, _) => ANSWER,
        (_, true) => QUERY_WHEN_SENT,
        _ => QUERY,
    };
    Some(Place::at(case.server()).in_netns(drop.netns).in_form(form))
}

fn tell(group: &Group<'_>) -> Words {
    let Some(drop) = group.cases().find_map(Case::drop) else {
        return Words::default();
    };
    let server = group.server();
    let netns = group.netns_told(drop.netns);
    let (what, way) = match group.place.form {
        ANSWER => (
            "answers",
            "the answers come back as far as here and are discarded",
        ),
        QUERY_WHEN_SENT => (
            "queries",
            "the queries are discarded as they are sent (OUTPUT), and the sender gets EPERM",
        ),
        _ => (
            "queries",
            "the queries are discarded on their way (FORWARD or INPUT)",
        ),
    };
    let by = if is_rule_of_nftables(drop) {
        "A rule of nftables (or iptables-nft)"
    } else if &*drop.reason == NETFILTER {
        "A firewall rule (netfilter)"
    } else {
        "A BPF program (Cilium or the like)"
    };
    let all = if group.takes_all_of_a_namespace() && group.others_are_answered() {
        " Nothing that this client asks gets through, while others are fine: that is how a network \
         policy without an exception for DNS looks."
    } else {
        ""
    };
    let mut evidence = vec![format!(
        "{} discarded: {} at {}, in {netns}.",
        units::counted(group.queries(), "packet was", "packets were"),
        drop.reason,
        drop.location
            .as_deref()
            .unwrap_or("a function that the kernel hides"),
    )];
    evidence.push(format!(
        "Last seen as {} → {}.",
        drop.source, drop.destination
    ));
    evidence.push(
        match group.evidence.surroundings.conntrack.get(&drop.netns) {
            Some(counters) if counters.drop == 0 && counters.insert_failed == 0 => {
                "It is not conntrack: its counters there stood still.".to_owned()
            }
            Some(counters) => format!(
                "Conntrack there turned away {} and failed to insert {} in the same time; these \
                 packets are not among them.",
                counters.drop, counters.insert_failed
            ),
            None => "Conntrack counters of that namespace could not be read.".to_owned(),
        },
    );
    evidence.push(format!("Asked by {}.", group.askers()));
    evidence.extend(group.examples());
    Words {
        title: format!("A firewall discards DNS {what} for {server}"),
        cause: format!("{by} in {netns} discards them: {way}.{all}"),
        impact: if group.place.form == QUERY_WHEN_SENT {
            "The send fails at once; glibc tries its other servers and gives up, musl waits 5 s in \
             silence."
        } else {
            "Nobody is told: each lookup waits 5 s (glibc) or 2.5 s (musl), asks again, and fails."
        }
        .to_owned(),
        evidence,
        fix: Fix::default()
            .run(
                "Find the rule and its counter:",
                group.within(Some(drop.netns), Command::new("nft list ruleset")),
            )
            .run(
                "… or, with the legacy tools:",
                group.within(Some(drop.netns), Command::new("iptables-save -c")),
            )
            .say(format!(
                "Allow UDP and TCP port {} to {}; in Kubernetes an egress rule to the kube-dns \
                 pods and to the NodeLocal address.",
                group.place.server.map_or(53, |server| server.port()),
                group
                    .place
                    .server
                    .map_or_else(|| server.clone(), |server| server.ip().to_string()),
            )),
    }
}
