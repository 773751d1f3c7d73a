//! The kernel's reasons to discard a packet that a rule looks for, by the names in
//! include/net/dropreason-core.h, and how a discarded packet is told.

use crate::attempt::Conntrack;
use crate::attempt::PacketDrop;
use crate::incidents::Incident;

/// A hook of netfilter said so.
pub(super) const NETFILTER: &str = "NETFILTER_DROP";
/// No socket is bound to where it went, or none that takes it from this sender.
pub(super) const NO_SOCKET: &str = "NO_SOCKET";
/// It does not fit the way on.
pub(super) const TOO_BIG: &str = "PKT_TOO_BIG";
/// A program of type `cgroup_skb` refused to let it out.
pub(super) const CGROUP_EGRESS: &str = "BPF_CGROUP_EGRESS";
/// Too many packets waited for a link address.
pub(super) const NEIGH_QUEUEFULL: &str = "NEIGH_QUEUEFULL";
/// No reason has a name here.
pub(super) const NOT_SPECIFIED: &str = "NOT_SPECIFIED";
/// Since 6.7 a verdict of nftables names its place; before, it looks like any.
const NFTABLES: &str = "nft_do_chain";

pub(super) fn is_rule_of_nftables(drop: &PacketDrop) -> bool {
    let location = drop.location.as_deref();
    location.is_some_and(|it| it.starts_with(NFTABLES))
}

/// The packet, if netfilter itself discarded it in this state of its conntrack entry, and
/// no rule of nftables.
pub(super) fn lost_by_netfilter(incident: &Incident, state: Conntrack) -> Option<&PacketDrop> {
    let (drop, reason) = incident.dropped()?;
    let itself = reason == NETFILTER && !is_rule_of_nftables(drop);
    (itself && drop.conntrack == Some(state)).then_some(drop)
}

/// `NETFILTER_DROP at nft_do_chain`
pub(super) fn told(drop: &PacketDrop) -> String {
    format!("{} at {}", drop.reason, function(drop))
}

pub(super) fn function(drop: &PacketDrop) -> &str {
    let location = drop.location.as_deref();
    location.unwrap_or("a function that the kernel hides")
}
