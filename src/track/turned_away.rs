//! Queries of other hosts that were discarded before a server of this host could see them:
//! no socket had them, so they are no attempts, and are known from the drop alone.

use std::net::SocketAddr;

use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Owner;
use crate::attempt::Packet;
use crate::attempt::PacketDrop;
use crate::attempt::RawQuestion;
use crate::attempt::Reason;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::event::Discarded;

/// Reasons that come at the server's socket or behind it, where the ingress hook has seen
/// the query, or for want of a socket: nobody is kept from an answer by these that would have
/// got one.
const AT_SOCKET: [&str; 8] = [
    "NO_SOCKET",
    "SOCKET_RCVBUFF",
    "PROTO_MEM",
    "SOCKET_FILTER",
    "SOCKET_BACKLOG",
    "QUEUE_PURGE",
    "TCP_LISTEN_OVERFLOW",
    // Before 5.17 there is only this one.
    "NOT_SPECIFIED",
];

/// Where it was asked: network namespace and address.
pub(super) fn asked(drop: &PacketDrop, discarded: &Discarded) -> Option<(u32, SocketAddr)> {
    is_one(drop, discarded).then(|| (drop.netns, discarded.server()))
}

fn is_one(drop: &PacketDrop, discarded: &Discarded) -> bool {
    let asks = match discarded.transport {
        Transport::Udp => drop.packet == Packet::Query,
        // Of a connection the opening is counted.
        Transport::Tcp => drop.packet == Packet::Connect,
    };
    asks && discarded.from_client
        && discarded.client_socket().is_none()
        && !AT_SOCKET.contains(&&*drop.reason)
        && discarded.armed
}

/// What the server would have been asked, if the packet is a query that came from elsewhere.
pub(super) fn attempt(drop: &PacketDrop, discarded: &Discarded) -> Option<Attempt> {
    if !is_one(drop, discarded) {
        return None;
    }
    let client = discarded.asked.map(|(client, _)| client);
    let client = client.unwrap_or_else(|| discarded.client());
    let message = discarded.message.as_ref();
    Some(Attempt {
        outcome: Outcome::Dropped,
        end_ns: drop.at_ns,
        sent_ns: drop.at_ns,
        first_ns: drop.at_ns,
        owner: Owner {
            netns: drop.netns,
            ..Owner::default()
        },
        id: message.map(|message| message.id),
        query_bytes: message.map_or(0, |message| message.answer.bytes),
        reason: Some(Reason::Drop(drop.reason.to_string())),
        question: message.map_or_else(RawQuestion::default, |message| message.question.clone()),
        drop: Some(Box::new(drop.clone())),
        ..Attempt::between(
            Role::Server,
            discarded.transport,
            discarded.server(),
            client,
        )
    })
}
