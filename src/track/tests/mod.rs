//! The tracker on events as the kernel would send them. Times are small numbers
//! of nanoseconds, or seconds where they matter.

mod closings;
mod dropped;
mod forwarded;
mod late;
mod memory;
mod numbers;
mod overflow;
mod refused;
mod rejected;
mod truncated;
mod turned_away;
mod unsent;

use std::net::SocketAddr;
use std::time::Duration;

use domain::base::iana::OptRcode;

use super::Failure;
use super::JOIN_DELAY;
use super::Tracker;
use crate::attempt::Answer;
use crate::attempt::Attempt;
use crate::attempt::Conntrack;
use crate::attempt::HeaderBits;
use crate::attempt::Outcome;
use crate::attempt::Owner;
use crate::attempt::Packet;
use crate::attempt::RawQuestion;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::event::Discarded;
use crate::event::DiscardedMessage;
use crate::event::DiscardedSocket;
use crate::event::Event;
use crate::event::InFlight;
use crate::event::Notice;
use crate::event::NoticeKind;
use crate::event::Stray;
use crate::host::DropNames;

const SECOND: u64 = 1_000_000_000;
/// When queries are given up on.
const TIMEOUT: Duration = Duration::from_secs(5);
/// After so long, what is told of is joined.
const DELAY: u64 = JOIN_DELAY.as_nanos() as u64;

/// Numbers of drop reasons, as one kernel has them.
const NOT_SPECIFIED: u32 = 2;
const NO_SOCKET: u32 = 3;
const SOCKET_FILTER: u32 = 5;
const SOCKET_RCVBUFF: u32 = 6;
const NETFILTER_DROP: u32 = 12;
const CGROUP_EGRESS: u32 = 55;

/// Addresses of functions.
const NFT_DO_CHAIN: u64 = 0x1000;
const UDP_DESTRUCT: u64 = 0x2000;
const NF_REINJECT: u64 = 0x3000;
const UDP_QUEUE_RCV: u64 = 0x4000;
const RAW_RCV: u64 = 0x5000;

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// `a`, type A, class IN.
fn question() -> RawQuestion {
    RawQuestion::new(b"\x01a\0\0\x01\0\x01")
}

/// An attempt of one client socket that was sent at this time.
fn attempt(sent_ns: u64) -> Attempt {
    let (local, peer) = (addr("10.0.0.5:40000"), addr("10.0.0.53:53"));
    Attempt {
        end_ns: sent_ns + 5 * SECOND,
        sent_ns,
        first_ns: sent_ns,
        cookie: 77,
        id: Some(7),
        query_bytes: 19,
        question: question(),
        ..Attempt::between(Role::Client, Transport::Udp, local, peer)
    }
}

/// An answer that comes when this attempt is no longer in flight.
fn stray(to: &Attempt, at_ns: u64) -> Stray {
    Stray {
        at_ns,
        cookie: Some(to.cookie),
        role: to.role,
        transport: to.transport,
        local_port: to.local.port(),
        peer: to.peer,
        id: to.id.expect("a message"),
        owner: Owner::default(),
        answer: Answer {
            rcode: OptRcode::NXDOMAIN,
            truncated: false,
            answers: 0,
            bytes: 19,
            bits: HeaderBits::default(),
            extended_error: None,
        },
        question: question(),
    }
}

/// A tracker that knows the names above.
fn tracker() -> Tracker {
    let reasons = [
        (NOT_SPECIFIED, "NOT_SPECIFIED"),
        (NO_SOCKET, "NO_SOCKET"),
        (SOCKET_FILTER, "SOCKET_FILTER"),
        (SOCKET_RCVBUFF, "SOCKET_RCVBUFF"),
        (NETFILTER_DROP, "NETFILTER_DROP"),
        (CGROUP_EGRESS, "BPF_CGROUP_EGRESS"),
    ];
    let functions = [
        (NFT_DO_CHAIN, "nft_do_chain"),
        (UDP_DESTRUCT, "udp_destruct_common"),
        (NF_REINJECT, "nf_reinject"),
        (UDP_QUEUE_RCV, "udp_queue_rcv_one_skb"),
        (RAW_RCV, "raw_rcv"),
    ];
    Tracker::new(DropNames::of(&reasons, &functions), TIMEOUT)
}

/// The query of an attempt, discarded somewhere on its way.
fn query_of(attempt: &Attempt, reason: u32) -> Discarded {
    Discarded {
        reason,
        location: NFT_DO_CHAIN,
        transport: attempt.transport,
        packet: Packet::Query,
        from_client: true,
        source: attempt.client(),
        destination: attempt.server(),
        asked: None,
        conntrack: Some(Conntrack::Absent),
        socket: None,
        no_l2_header: true,
        again: false,
        armed: true,
        owner: Owner::default(),
        message: attempt.id.map(|id| DiscardedMessage {
            id,
            answer: Answer {
                rcode: OptRcode::NOERROR,
                truncated: false,
                answers: 0,
                bytes: attempt.query_bytes,
                bits: HeaderBits::default(),
                extended_error: None,
            },
            question: attempt.question.clone(),
        }),
    }
}

/// The same of its answer.
fn answer_of(attempt: &Attempt, reason: u32) -> Discarded {
    Discarded {
        packet: Packet::Answer,
        from_client: false,
        source: attempt.server(),
        destination: attempt.client(),
        ..query_of(attempt, reason)
    }
}

/// The socket of an attempt, which sent the packet or was to receive it.
fn socket(attempt: &Attempt, is_sender: bool) -> Option<DiscardedSocket> {
    Some(DiscardedSocket {
        is_sender,
        cookie: Some(attempt.cookie),
        port: attempt.local.port(),
        peer: None,
    })
}

fn told(tracker: &mut Tracker, at_ns: u64, kind: NoticeKind) {
    assert_eq!(ended_by(tracker, Event::Notice(Notice { at_ns, kind })), []);
}

fn discard(tracker: &mut Tracker, at_ns: u64, discarded: Discarded) {
    told(tracker, at_ns, NoticeKind::Drop(Box::new(discarded)));
}

/// What the kernel has of a query that was sent once.
fn in_flight(attempt: &Attempt) -> InFlight<'_> {
    InFlight {
        role: attempt.role,
        transport: attempt.transport,
        cookie: attempt.cookie,
        netns: attempt.owner.netns,
        id: attempt.id.unwrap_or_default(),
        client_port: attempt.client().port(),
        question: attempt.question.as_bytes(),
        newest_ns: attempt.sent_ns,
        servers: 1,
    }
}

/// Why the sweep at this time ends a query in flight.
fn swept(tracker: &Tracker, attempt: &Attempt, now_ns: u64) -> Option<Failure> {
    tracker.failure_of(&in_flight(attempt), now_ns)
}

/// What the sweep ends at this time, without any query in flight.
fn settled(tracker: &mut Tracker, now_ns: u64) -> Vec<Attempt> {
    let mut ended = Vec::new();
    tracker.settle(now_ns, &mut ended);
    ended
}

/// What one event ends.
fn ended_by(tracker: &mut Tracker, event: Event) -> Vec<Attempt> {
    let mut ended = Vec::new();
    tracker.event(event, &mut ended);
    ended
}

/// The sweep gives up on an attempt.
fn give_up(tracker: &mut Tracker, attempt: Attempt) -> Attempt {
    let mut ended = Vec::new();
    tracker.ended(attempt, None, &mut ended);
    ended.remove(0)
}
