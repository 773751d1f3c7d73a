//! What the kernel side tells, as plain types: what is decoded below, and joined
//! with its query above.

mod discarded;

use std::net::SocketAddr;

pub use discarded::Discarded;
pub use discarded::Message as DiscardedMessage;
pub use discarded::QUESTION_MAX as DISCARDED_QUESTION_MAX;
pub use discarded::Socket as DiscardedSocket;

use crate::attempt::Answer;
use crate::attempt::Attempt;
use crate::attempt::Owner;
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
