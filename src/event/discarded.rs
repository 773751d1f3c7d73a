//! Packets that the kernel discarded, as its notices tell of them.

use std::net::SocketAddr;

use crate::attempt::Answer;
use crate::attempt::Conntrack;
use crate::attempt::Owner;
use crate::attempt::Packet;
use crate::attempt::RawQuestion;
use crate::attempt::Transport;

/// Octets from the question on that the kernel keeps of a discarded message.
pub const QUESTION_MAX: usize = 64;

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
    pub socket: Option<Socket>,
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
    pub message: Option<Message>,
}

/// The socket of a discarded packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
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
pub struct Message {
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
    pub fn client_socket(&self) -> Option<&Socket> {
        let socket = self.socket.as_ref();
        socket.filter(|socket| socket.is_sender == self.from_client)
    }

    /// The socket of the asked end, if it is known.
    pub fn server_socket(&self) -> Option<&Socket> {
        let socket = self.socket.as_ref();
        socket.filter(|socket| socket.is_sender != self.from_client)
    }
}
