//! Queries that netfilter discarded in their sender's own stack: no hook saw them
//! leave, so they are known from the drop alone.

use crate::attempt::Attempt;
use crate::attempt::Comm;
use crate::attempt::Outcome;
use crate::attempt::Owner;
use crate::attempt::Packet;
use crate::attempt::PacketDrop;
use crate::attempt::RawQuestion;
use crate::attempt::Reason;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::event::Discarded;
use crate::event::DiscardedSocket;

/// What netfilter's hooks say, in OUTPUT and POSTROUTING too.
const NETFILTER: &str = "NETFILTER_DROP";
/// What a cgroup's program says, and kerno's own runs beside it.
const CGROUP: &str = "BPF_CGROUP_EGRESS";

/// Whether it was discarded in its sender's stack, so that the send failed.
pub(super) fn when_sent(discarded: &Discarded, reason: &str) -> bool {
    sender(discarded).is_some()
        && discarded.no_l2_header
        && (reason == NETFILTER || reason == CGROUP)
}

/// Whether the egress hook had not seen it: netfilter's hooks come before.
pub(super) fn is_unseen(discarded: &Discarded, reason: &str) -> bool {
    when_sent(discarded, reason) && reason == NETFILTER
}

/// The attempt that is known from its drop alone, if it is one: a query, or the
/// first SYN of a connection for one (TCP sends the SYN and data again).
pub(super) fn attempt(discarded: &Discarded, drop: &PacketDrop) -> Option<Attempt> {
    let opens = discarded.packet == Packet::Connect && discarded.from_client && !discarded.again;
    let asks = discarded.packet == Packet::Query && discarded.transport == Transport::Udp;
    let socket = sender(discarded)?;
    if !(opens || asks) || !discarded.armed || !is_unseen(discarded, &drop.reason) {
        return None;
    }
    let (asking, asked) = discarded
        .asked
        .unwrap_or((discarded.source, discarded.destination));
    let message = discarded.message.as_ref();
    // Who decides for a queue of netfilter (NFQUEUE) is not who was sending.
    let is_queued = drop
        .location
        .as_deref()
        .is_some_and(|name| name.contains("reinject"));
    let sender_of_queued = Owner {
        pid: None,
        tid: None,
        comm: Comm::default(),
        ..discarded.owner
    };
    let local = (asking.ip(), socket.port).into();
    let peer = socket.peer.unwrap_or(asked);
    Some(Attempt {
        outcome: Outcome::Dropped,
        end_ns: drop.at_ns,
        sent_ns: drop.at_ns,
        first_ns: drop.at_ns,
        cookie: socket.cookie.unwrap_or_default(),
        owner: if is_queued {
            sender_of_queued
        } else {
            discarded.owner
        },
        id: message.map(|message| message.id),
        query_bytes: message.map_or(0, |message| message.answer.bytes),
        reason: Some(Reason::Drop(drop.reason.to_string())),
        question: message.map_or_else(RawQuestion::default, |message| message.question.clone()),
        drop: Some(Box::new(drop.clone())),
        ..Attempt::between(Role::Client, discarded.transport, local, peer)
    })
}

fn sender(discarded: &Discarded) -> Option<&DiscardedSocket> {
    discarded.socket.as_ref().filter(|socket| socket.is_sender)
}
