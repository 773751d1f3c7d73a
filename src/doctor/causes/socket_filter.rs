//! A filter of the socket that a packet is for, or of its control group, lets it not in:
//! what systemd makes of `IPAddressDeny=`.

use super::group::Group;
use super::packet;
use crate::attempt::Packet;
use crate::attempt::identity::WorkloadId;
use crate::doctor::commands;
use crate::doctor::explanation::Explanation;
use crate::doctor::who;
use crate::incidents::Incident;

/// `SK_SKB_REASON`: `sk_filter()` said no, which asks the programs of the control group
/// (`cgroup_skb`, ingress) and the socket's own (`SO_ATTACH_FILTER`).
pub(super) const REASON: &str = "SOCKET_FILTER";

pub(super) fn describe(group: &Group<'_>) -> Option<Explanation> {
    let drop = group.drop()?;
    let (netns, server) = (group.netns_told(drop.netns), group.server());
    let what = match drop.packet {
        Packet::Answer => "answers",
        _ => "queries",
    };
    let receiver = receiver(group);
    let whose = match (&receiver, drop.packet) {
        (Some(unit), _) => format!("of {}", who::workload(unit)),
        (None, Packet::Answer) => "of the program that asks".to_owned(),
        (None, _) => "of the server's program".to_owned(),
    };
    let title = match drop.packet {
        Packet::Answer => {
            format!("A filter on the control group {whose} discards the DNS answers of {server}")
        }
        _ => format!("A filter on the control group {whose} discards DNS queries to {server}"),
    };
    let pid = match drop.packet {
        Packet::Answer => group.asker_pid(),
        _ => group.views().find_map(|view| view.owner.pid),
    };
    Explanation::of(
        title,
        format!(
            "The {what} come to the socket in {netns}, and a BPF program (cgroup_skb, ingress) on \
             the control group {whose}, or on one above it, lets none in. systemd makes one for a \
             unit or slice with IPAddressDeny= or IPIngressFilterPath=. It is no rule of nftables or \
             iptables."
        ),
        group.impact(),
    )
    .line(format!(
        "{} discarded: {}, in {netns}, last seen as {} → {}.",
        group.packets(),
        packet::told(drop),
        drop.source,
        drop.destination
    ))
    .lines(receiver.is_none().then(|| {
        "kerno could not see whose control group it is. A filter of the socket itself \
         (SO_ATTACH_FILTER) looks the same."
            .to_owned()
    }))
    .lines(group.asked_by_and_for())
    .with(|it| match &receiver {
        Some(WorkloadId::Unit(unit, user)) => it.run(
            "See what the unit allows (and the slices above it):",
            commands::properties_of(
                (unit, *user),
                "show -p IPAddressAllow -p IPAddressDeny -p IPIngressFilterPath",
            ),
        ),
        _ => it.run("See which control group it is:", commands::cgroup_of(pid)),
    })
    .say("List the programs on that control group and those above it, of type ingress: `bpftool cgroup tree`")
    .say(format!(
        "Let {} in: with systemd in IPAddressAllow= of that unit.",
        match drop.packet {
            Packet::Answer => "the server's address",
            _ => "the clients' networks",
        }
    ))
    .into()
}

/// Who was to get the packets, if that is one.
fn receiver(group: &Group<'_>) -> Option<WorkloadId> {
    let of = |incident: &Incident| {
        let identity = match incident.drop()?.packet {
            Packet::Answer => incident.attempt.workload.as_deref(),
            _ => group.evidence.view_of(incident)?.workload.as_deref(),
        };
        WorkloadId::of(identity?)
    };
    let whose = group.distinct(of);
    match &whose[..] {
        [one] => one.clone(),
        _ => None,
    }
}
