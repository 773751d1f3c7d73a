//! One query message, and what became of it: the unit that kerno counts.
//!
//! Nothing here touches the kernel or libbpf. An [`Attempt`] is what the
//! decoding station hands on and what every later station works with.

mod answer;
mod evidence;
mod fingerprint;
pub mod hashing;
pub mod identity;
pub mod names;
mod plain;
mod question;
mod shape;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use nix::errno::Errno;
use serde::Serialize;

pub use answer::Answer;
pub use answer::HeaderBits;
pub use evidence::Conntrack;
pub use evidence::DeadEnd;
pub use evidence::FailedCall;
pub use evidence::Packet;
pub use evidence::PacketDrop;
pub use evidence::SlowRead;
pub use fingerprint::Fingerprint;
pub use identity::Identity;
pub use plain::MOMENT_NS;
pub use plain::Plain;
pub use plain::PlainAsker;
pub use plain::PlainExchange;
pub use plain::PlainLookups;
pub use plain::PlainQuestion;
pub use plain::PlainQuestions;
pub use plain::PlainStep;
pub use question::Question;
pub use question::RawQuestion;
pub use shape::Shape;
pub use shape::ZONE_LABELS;

/// Which end of the exchange the observed socket is.
#[derive(
    BorshDeserialize,
    BorshSerialize,
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The socket that asked.
    #[default]
    Client,
    /// The socket that was asked: a resolver on this host.
    Server,
}

/// What carried the message.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// RFC 1035 section 4.2.1.
    Udp,
    /// RFC 7766.
    Tcp,
}

/// How an attempt ended. The names are those of the `outcome` field.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The answer came in time.
    Answered,
    /// No answer within the timeout, or resent before one came.
    Unanswered,
    /// The answer to an attempt that had been reported as unanswered.
    Late,
    /// ICMP or a socket error ended it.
    Refused,
    /// This kernel discarded the query or its answer.
    Dropped,
    /// Another server answered the same question first.
    Superseded,
}

impl Outcome {
    /// Whether the attempt counts as failed. NXDOMAIN is an answer, and a
    /// superseded attempt did no harm.
    pub fn is_failure(self) -> bool {
        match self {
            Self::Unanswered | Self::Late | Self::Refused | Self::Dropped => true,
            Self::Answered | Self::Superseded => false,
        }
    }
}

/// A process name as the kernel keeps it: at most 15 bytes, any byte but NUL.
#[derive(
    BorshDeserialize,
    BorshSerialize,
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
)]
pub struct Comm([u8; 16]);

impl Comm {
    /// Takes the bytes up to the first NUL, at most 15.
    pub fn new(bytes: &[u8]) -> Self {
        let mut comm = [0; 16];
        let len = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        let len = len.min(15);
        comm[..len].copy_from_slice(&bytes[..len]);
        Self(comm)
    }

    /// The bytes without the padding.
    pub fn as_bytes(&self) -> &[u8] {
        let len = self.0.iter().position(|&b| b == 0).unwrap_or(self.0.len());
        &self.0[..len]
    }
}

impl std::fmt::Display for Comm {
    /// Printable UTF-8 as it is, everything else as `\xNN`: a process chooses
    /// its own name, and a terminal must not obey it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        names::write_printable(f, self.as_bytes())
    }
}

/// Whose the socket is, taken in the sender's context.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Thread-group id in the host's pid namespace; `None` if the socket has
    /// not sent anything (a server that never answered).
    pub pid: Option<u32>,
    /// The thread of it that sent the query; `None` for a server, and if it is not known.
    pub tid: Option<u32>,
    /// Name of the thread-group leader; empty exactly when `pid` is `None`.
    pub comm: Comm,
    /// cgroup v2 id (the inode number of the directory); 0 if unknown.
    pub cgroup_id: u64,
    /// Inode number of the network namespace; 0 if unknown.
    pub netns: u32,
}

/// Answers with the query's id that a resolver must not take for its answer
/// (RFC 5452 section 9.1): forged ones, or those of something that meddles.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// To another question.
    pub other_question: u32,
    /// From an address that was not asked.
    pub other_source: u32,
}

impl Ignored {
    /// Both kinds.
    pub fn count(self) -> u64 {
        u64::from(self.other_question) + u64::from(self.other_source)
    }
}

/// Why an attempt was refused or dropped.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// An errno value, as `ECONNREFUSED`; `errno 1234` if Linux does not define it.
    Errno(i32),
    /// The running kernel's name of a drop reason, as `NETFILTER_DROP`.
    Drop(String),
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Errno(errno) => match Errno::from_raw(*errno) {
                Errno::UnknownErrno => write!(f, "errno {errno}"),
                known => write!(f, "{known:?}"),
            },
            Self::Drop(name) => f.write_str(name),
        }
    }
}

/// One query message sent by one socket to one server, and how it ended.
///
/// Times are nanoseconds of `CLOCK_MONOTONIC`.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which end this socket is.
    pub role: Role,
    /// How it ended.
    pub outcome: Outcome,
    /// What carried it.
    pub transport: Transport,
    /// When it ended: answered, failed or given up on.
    pub end_ns: u64,
    /// When this message was sent (client) or arrived (server).
    pub sent_ns: u64,
    /// When the first message with this id was sent by this socket.
    pub first_ns: u64,
    /// The kernel's cookie of the socket, unique until reboot.
    pub cookie: u64,
    /// Whose the socket is.
    pub owner: Owner,
    /// The socket's own address.
    pub local: SocketAddr,
    /// The address at the other end, as this socket sees it.
    pub peer: SocketAddr,
    /// DNS message id; `None` if it failed before there was a message: a TCP
    /// connection, or a system call (see `failed_call`).
    pub id: Option<u16>,
    /// 1 for the first message of this socket with this id.
    pub number: u16,
    /// Size of the query message in bytes; 0 if there was none (see `id`).
    pub query_bytes: u16,
    /// The answer, for `Answered` and `Late`.
    pub answer: Option<Answer>,
    /// Why, for `Refused` and `Dropped`.
    pub reason: Option<Reason>,
    /// The question as it was sent.
    pub question: RawQuestion,
    /// The packet of it that this kernel discarded, if one is known: for
    /// `Dropped`, and for `Refused` where a firewall rejected it.
    pub drop: Option<Box<PacketDrop>>,
    /// The system call that failed; `reason` has its error if that is known.
    pub failed_call: Option<FailedCall>,
    /// Whether its socket had an answer to another query before; of a client.
    pub is_after_answer: bool,
    /// When its program closed the socket, if it did without an answer: it waited no longer,
    /// though one might still come. Of a client; `None` also if that is not known.
    pub gave_up_ns: Option<u64>,
    /// Answers that came meanwhile and were none: see [`Ignored`].
    pub ignored: Ignored,
    /// What lay in its socket's receive buffer when the query came, or for a client the
    /// answer, in bytes of kernel memory (`sk_rmem_alloc`); 0 also if it is not known.
    pub queued_bytes: u32,
    /// Whose it is beyond the process; `None` until attribution has
    /// seen it, and if its control group is not known.
    pub workload: Option<Arc<Identity>>,
}

impl Attempt {
    /// One between these ends that has just been given up on; whoever knows more of
    /// it fills that in.
    pub fn between(role: Role, transport: Transport, local: SocketAddr, peer: SocketAddr) -> Self {
        Self {
            role,
            outcome: Outcome::Unanswered,
            transport,
            end_ns: 0,
            sent_ns: 0,
            first_ns: 0,
            cookie: 0,
            owner: Owner::default(),
            local,
            peer,
            id: None,
            number: 1,
            query_bytes: 0,
            answer: None,
            reason: None,
            question: RawQuestion::default(),
            drop: None,
            failed_call: None,
            is_after_answer: false,
            gave_up_ns: None,
            ignored: Ignored::default(),
            queued_bytes: 0,
            workload: None,
        }
    }

    /// The asking end's address.
    pub fn client(&self) -> SocketAddr {
        match self.role {
            Role::Client => self.local,
            Role::Server => self.peer,
        }
    }

    /// The asked end's address.
    pub fn server(&self) -> SocketAddr {
        match self.role {
            Role::Client => self.peer,
            Role::Server => self.local,
        }
    }

    /// From this message to the end of the attempt.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.end_ns.saturating_sub(self.sent_ns))
    }
}
