//! Plain answers, counted together: nearly all attempts are such.

use std::net::SocketAddr;

use super::Attempt;
use super::Comm;
use super::Fingerprint;
use super::RawQuestion;
use super::Role;

/// Of queries that were sent within this time, one is told when it was; in nanoseconds.
pub const MOMENT_NS: u64 = 100_000_000;

/// First attempts over UDP that were answered soon, with NOERROR or NXDOMAIN, at one end
/// of one process by one server: they differ in time, port, id and question alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain {
    /// One of them, for what is common to all.
    pub example: Attempt,
    /// How many were answered NXDOMAIN; the others NOERROR.
    pub nxdomain: u64,
    /// How many came to a source port that had an answer before; of a client only.
    pub after_answer: u64,
    /// How long each took, in nanoseconds.
    pub latencies: Vec<u32>,
    /// When some of them were sent: see [`MOMENT_NS`].
    pub moments: Vec<u64>,
    /// Each exchange, but for the eldest of too many; of a server only.
    pub exchanges: Vec<PlainExchange>,
    /// Lookups that began with one of them and were over meanwhile; of a client only.
    pub lookups: PlainLookups,
}

/// One of them, of a client: a message of a lookup.
#[derive(Clone, Copy, Debug)]
pub struct PlainStep<'a> {
    /// Thread-group id.
    pub pid: u32,
    /// The thread; 0 if it is not known.
    pub tid: u32,
    /// The kernel's cookie of the socket.
    pub cookie: u64,
    /// DNS message id.
    pub id: u16,
    /// When it was sent, in nanoseconds of `CLOCK_MONOTONIC`.
    pub sent_ns: u64,
    /// When it was answered.
    pub end_ns: u64,
    /// The server's address, IPv4-mapped if need be.
    pub server_ip: &'a [u8; 16],
    /// Its port.
    pub server_port: u16,
    /// The question as it was sent.
    pub question: &'a [u8],
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// NXDOMAIN; else NOERROR.
    pub is_nxdomain: bool,
    /// Records in the answer.
    pub answers: u16,
}

/// Lookups of which each message was answered soon.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlainLookups {
    /// How long each took, in nanoseconds.
    pub durations: Vec<u32>,
    /// Their messages, also those that other servers answered.
    pub queries: u64,
    /// Time that they lost with names that led to nothing, in nanoseconds.
    pub lost_ns: u64,
}

impl Plain {
    /// How many there are.
    pub fn number(&self) -> u64 {
        self.latencies.len() as u64
    }

    /// How many of them were answered NOERROR.
    pub fn noerror(&self) -> u64 {
        self.number() - self.nxdomain
    }
}

/// What was asked in such attempts at one server, by all that asked from one network namespace;
/// or what a server of this host was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct PlainQuestions {
    /// At which end they were seen.
    pub role: Role,
    /// Network namespace of that end.
    pub netns: u32,
    /// The server.
    pub server: SocketAddr,
    /// What was asked, each question once.
    pub questions: Vec<PlainQuestion>,
    /// Who asked; of clients only.
    pub askers: Vec<PlainAsker>,
}

/// What one process asked.
#[derive(Clone, Debug, PartialEq)]
pub struct PlainAsker {
    /// The process.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Comm,
    /// Places of questions, how often each was asked, and how often it was answered NXDOMAIN.
    pub names: Vec<(u32, u32, u32)>,
}

/// A question of some of them.
#[derive(Clone, Debug, PartialEq)]
pub struct PlainQuestion {
    /// Which it is.
    pub fingerprint: Fingerprint,
    /// As one of them asked it; empty where a server was asked.
    pub question: RawQuestion,
    /// The first process that asked or answered it.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Comm,
    /// How often it was asked.
    pub asked: u64,
    /// How often the answer was NXDOMAIN.
    pub nxdomain: u64,
    /// How often it was NOERROR without a record.
    pub no_data: u64,
    /// Size of the largest answer in bytes.
    pub answer_bytes: u16,
    /// Whether it was asked with the RD bit.
    pub wants_recursion: bool,
    /// Whether it was asked with the CD bit.
    pub is_unchecked: bool,
}

/// One of them, as its server saw it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlainExchange {
    /// When the query arrived, in nanoseconds of `CLOCK_MONOTONIC`.
    pub arrived_ns: u64,
    /// When it was answered.
    pub ended_ns: u64,
    /// The kernel's cookie of the socket.
    pub cookie: u64,
    /// The client's address.
    pub peer: SocketAddr,
    /// DNS message id.
    pub id: u16,
    /// Size of the answer in bytes.
    pub answer_bytes: u16,
    /// Whether it was NXDOMAIN.
    pub is_nxdomain: bool,
    /// Whether it was NOERROR without a record.
    pub is_no_data: bool,
    /// Whether the query had the RD bit.
    pub wants_recursion: bool,
    /// What lay in the socket's receive buffer when the query came, in bytes.
    pub queued_bytes: u32,
    /// What was asked.
    pub question: Fingerprint,
}
