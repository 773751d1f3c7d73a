//! What the kernel side tells, as plain types: what is decoded below, and joined
//! with its query above.

use std::net::SocketAddr;

use crate::attempt::Answer;
use crate::attempt::Attempt;
use crate::attempt::Conntrack;
use crate::attempt::Owner;
use crate::attempt::Packet;
use crate::attempt::RawQuestion;
use crate::attempt::Role;
use crate::attempt::SlowRead;
use crate::attempt::Transport;

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An attempt has ended.
    Ended(Attempt),
    /// An answer came to nothing in flight.
    Stray(Stray),
    /// The kernel tells of a failure without naming the query by its key.
    Notice(Notice),
    /// An answer was read late.
    SlowRead(SlowRead),
    /// A client's socket was closed while its queries waited.
    Closed(ClosedSocket),
}

/// A client's socket was closed while its queries waited: its program has given up on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedSocket {
    /// When, `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    /// Cookie of the socket.
    pub cookie: u64,
}

/// An answer to nothing in flight: late, a duplicate, or to a query from
/// before kerno watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// When it came, `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    /// Cookie of the socket; `None` if it was closed before the answer came.
    pub cookie: Option<u64>,
    /// Which end the socket is.
    pub role: Role,
    /// What carried it.
    pub transport: Transport,
    /// Port of the socket.
    pub local_port: u16,
    /// The other end.
    pub peer: SocketAddr,
    /// DNS message id.
    pub id: u16,
    /// Who answers, for a server; of a client nothing is known.
    pub owner: Owner,
    /// What its header says.
    pub answer: Answer,
    /// The question that it echoes, cut to the kernel's short form.
    pub question: RawQuestion,
}

/// A failure that has to be joined with the query that it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// When, `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    /// What happened.
    pub kind: NoticeKind,
}

/// What a notice tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// A socket got an error; every query in flight on it has failed.
    SocketError {
        /// Cookie of the socket.
        cookie: u64,
        /// Inode number of its network namespace.
        netns: u32,
        /// Its port.
        local_port: u16,
        /// The errno value.
        error: i32,
    },
    /// The kernel discarded a packet.
    Drop(Box<Discarded>),
}

/// What is known at one moment of a query in flight, as far as a failure can be joined
/// with it; the kernel may have moved on since.
#[derive(Clone, Copy, Debug)]
pub struct InFlight<'a> {
    /// Which end the socket is.
    pub role: Role,
    /// What carries it.
    pub transport: Transport,
    /// Cookie of the socket.
    pub cookie: u64,
    /// Network namespace of the socket; 0 if it is not known.
    pub netns: u32,
    /// DNS message id.
    pub id: u16,
    /// Port of the asking end.
    pub client_port: u16,
    /// The message from the question on.
    pub question: &'a [u8],
    /// When the last of its servers was asked, `CLOCK_MONOTONIC` nanoseconds.
    pub newest_ns: u64,
    /// How many servers were asked at once.
    pub servers: usize,
}

/// Octets from the question on that the kernel keeps of a discarded message.
pub const DISCARDED_QUESTION_MAX: usize = 64;

/// A packet with a DNS port that the kernel discarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discarded {
    /// The running kernel's number of the reason.
    pub reason: u32,
    /// Address of the code that discarded it.
    pub location: u64,
    /// What carried it.
    pub transport: Transport,
    /// Which packet of an exchange.
    pub packet: Packet,
    /// Whether it went from the asking end to the asked one.
    pub from_client: bool,
    /// Its addresses when it was discarded.
    pub source: SocketAddr,
    /// See `source`.
    pub destination: SocketAddr,
    /// The same for its client and its server before any translation, if
    /// connection tracking knows them.
    pub asked: Option<(SocketAddr, SocketAddr)>,
    /// What connection tracking says; `None` if the kernel does not tell.
    pub conntrack: Option<Conntrack>,
    /// The socket that it belonged to, if there was one.
    pub socket: Option<DiscardedSocket>,
    /// Without a link header: before the egress hook, or at it.
    pub no_l2_header: bool,
    /// Sent again by TCP, in the context of a timer.
    pub again: bool,
    /// Whether queries counted.
    pub armed: bool,
    /// Where it was discarded; for a packet that was just being sent also who
    /// sent it.
    pub owner: Owner,
    /// The message in it, of UDP.
    pub message: Option<DiscardedMessage>,
}

/// The socket of a discarded packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscardedSocket {
    /// Whether it sent the packet, which is still in its stack; else it is the
    /// one that the packet was for.
    pub is_sender: bool,
    /// Its cookie, if it has one yet.
    pub cookie: Option<u64>,
    /// Its port.
    pub port: u16,
    /// What it is connected to; only of a sender.
    pub peer: Option<SocketAddr>,
}

/// A DNS message that was discarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscardedMessage {
    /// DNS message id.
    pub id: u16,
    /// What its header says, if it is an answer.
    pub answer: Answer,
    /// The message from the question on, cut to the kernel's short form.
    pub question: RawQuestion,
}

impl Discarded {
    /// The asking end's address when the packet was discarded.
    pub fn client(&self) -> SocketAddr {
        match self.from_client {
            true => self.source,
            false => self.destination,
        }
    }

    /// The asked end's address when the packet was discarded.
    pub fn server(&self) -> SocketAddr {
        match self.from_client {
            true => self.destination,
            false => self.source,
        }
    }

    /// The socket of the asking end, if it is known.
    pub fn client_socket(&self) -> Option<&DiscardedSocket> {
        let socket = self.socket.as_ref();
        socket.filter(|socket| socket.is_sender == self.from_client)
    }

    /// The socket of the asked end, if it is known.
    pub fn server_socket(&self) -> Option<&DiscardedSocket> {
        let socket = self.socket.as_ref();
        socket.filter(|socket| socket.is_sender != self.from_client)
    }
}
