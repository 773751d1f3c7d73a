//! What the kernel told about an attempt beyond its query and its answer.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use serde::Serialize;

use super::Owner;

/// A packet of an exchange that this kernel discarded (`kfree_skb`).
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct PacketDrop {
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// The running kernel's name of the reason, as `NETFILTER_DROP`.
    pub reason: Arc<str>,
    /// The kernel function that discarded it, as `nft_do_chain`; `None` if the
    /// kernel hides its symbols.
    pub location: Option<Arc<str>>,
    /// Which packet it was.
    pub packet: Packet,
    /// What connection tracking knew of it; `None` if the kernel does not tell.
    pub conntrack: Option<Conntrack>,
    /// Inode number of the network namespace where it was discarded; 0 if unknown.
    pub netns: u32,
    /// Its addresses as they were then, which address translation may have
    /// changed.
    pub source: SocketAddr,
    /// See `source`.
    pub destination: SocketAddr,
    /// Whether it was discarded before it had left the socket's own network
    /// stack, so that the sender was told (`EPERM`).
    pub when_sent: bool,
}

/// Where the way of a packet ends, so that whatever is sent there ends too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadEnd {
    /// No route leads on.
    Route,
    /// The next hop, or the server itself, does not answer for its address (ARP,
    /// neighbour discovery).
    Neighbour,
}

/// No route at all.
const NO_ROUTE: [&str; 2] = ["IP_INNOROUTES", "IP_OUTNOROUTES"];
/// Where the kernel discards what a `blackhole` or `unreachable` route takes;
/// there is no reason of its own for it.
const ROUTE_ERRORS: [&str; 4] = ["ip_error", "ip6_pkt_drop", "ip6_pkt_discard", "dst_discard"];
/// The neighbour was asked for in vain.
const NO_NEIGHBOUR: [&str; 2] = ["NEIGH_FAILED", "NEIGH_DEAD"];
/// Where the kernel empties the queue of a neighbour that it has not found (in
/// net/core/neighbour.c; a queue that is emptied is told with a reason of that name,
/// or, before Linux 6.8, with none): in `neigh_invalidate` what is left of it when a
/// packet is sent there on another CPU meanwhile.
const NEIGHBOUR_QUEUES: [&str; 4] = [
    "neigh_invalidate",
    "neigh_timer_handler",
    "neigh_flush_dev",
    "neigh_destroy",
];

impl PacketDrop {
    /// Where its way ended, if it is over for all that is sent there.
    pub fn dead_end(&self) -> Option<DeadEnd> {
        let place = self.location.as_deref().unwrap_or_default();
        match &*self.reason {
            reason if NO_ROUTE.contains(&reason) => Some(DeadEnd::Route),
            reason if NO_NEIGHBOUR.contains(&reason) => Some(DeadEnd::Neighbour),
            _ if ROUTE_ERRORS.contains(&place) => Some(DeadEnd::Route),
            _ if NEIGHBOUR_QUEUES.contains(&place) => Some(DeadEnd::Neighbour),
            _ => None,
        }
    }
}

/// Which packet of an exchange.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Packet {
    /// The query.
    Query,
    /// The answer.
    Answer,
    /// The opening of a TCP connection (SYN), or its acceptance.
    Connect,
}

/// What `skb->_nfct` says about a packet.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conntrack {
    /// No entry: untracked, or the table had no room.
    Absent,
    /// An entry that is not in the table yet (`IPS_CONFIRMED` is not set).
    Unconfirmed,
    /// An entry of the table.
    Confirmed {
        /// Where the answers are to come from: the server behind the address
        /// that was asked, if there is translation.
        reply_source: IpAddr,
    },
}

/// The system call that failed, so that no packet was sent.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FailedCall {
    /// `connect()`.
    Connect,
    /// `send()`, `sendto()`, `sendmsg()`, …
    Send,
}

/// An answer that lay in its client's socket for a notable time before it was
/// read. Its attempt is `Answered`: DNS did its part.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowRead {
    /// When it was read, in nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// How long it had lain there, in nanoseconds.
    pub lay_ns: u64,
    /// Who read it.
    pub owner: Owner,
    /// Cookie of the socket.
    pub cookie: u64,
    /// DNS message id of the answer.
    pub id: u16,
}
