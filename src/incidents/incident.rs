//! One query that went wrong, with all that is known about it.

use std::net::SocketAddr;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use domain::base::iana::OptRcode;

use crate::attempt::Attempt;
use crate::attempt::DeadEnd;
use crate::attempt::Outcome;
use crate::attempt::Packet;
use crate::attempt::PacketDrop;
use crate::attempt::Reason;
use crate::attempt::Transport;
use crate::thresholds::LATENCY_WARNING_NS;

/// include/net/dropreason-core.h: the kernel's reason for a query that finds no
/// room in the server's receive buffer.
const OVERFLOW: &str = "SOCKET_RCVBUFF";
/// … for what a rule of a firewall discards, whether it tells the sender or not.
const NETFILTER: &str = "NETFILTER_DROP";
/// … for what comes where nobody listens.
const NO_SOCKET: &str = "NO_SOCKET";
/// … and for what lies in a buffer when its socket is closed: the first up to
/// Linux 6.18 (`udp_destruct_common`), the second wherever queues are purged.
const CLOSED: [&str; 2] = ["NOT_SPECIFIED", QUEUE_PURGE];
const QUEUE_PURGE: &str = "QUEUE_PURGE";
/// The queue of those that wait for a link address.
const QUEUE_FULL: &str = "NEIGH_QUEUEFULL";

/// In which way it went wrong.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum FailureKind {
    /// It has no usable end: it counts as failed.
    Failed,
    /// It was answered with an error: see [`crate::attempt::Answer::is_error`].
    ErrorAnswer,
    /// It was answered with nothing but where else to ask: see [`crate::attempt::Answer::is_referral`].
    Referral,
    /// It was answered, but slower than the warning threshold.
    Slow,
}

impl FailureKind {
    /// What is wrong with a client's attempt, if anything is.
    pub fn of(attempt: &Attempt) -> Option<Self> {
        if attempt.outcome.is_failure() {
            return Some(Self::Failed);
        }
        if attempt.outcome != Outcome::Answered {
            return None;
        }
        match attempt.answer {
            Some(answer) if answer.is_error() => Some(Self::ErrorAnswer),
            Some(answer) if answer.is_referral() => Some(Self::Referral),
            _ if attempt.elapsed().as_nanos() > u128::from(LATENCY_WARNING_NS) => Some(Self::Slow),
            _ => None,
        }
    }
}

/// What one message cost its lookup.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Time lost by it, in nanoseconds.
    pub lost_ns: u64,
    /// How long it was without an answer for its program, in nanoseconds.
    pub waited_ns: u64,
    /// Whether its lookup led to nothing in the end.
    pub has_failed: bool,
    /// Whether its lookup had its answer all the same, and nobody had to wait for it.
    pub was_got_round: bool,
}

/// A client's attempt that went wrong.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq)]
pub struct Incident {
    /// The attempt.
    pub attempt: Attempt,
    /// In which way it went wrong.
    pub kind: FailureKind,
    /// How many attempts it stands for: 1, or more if there were too many to
    /// keep each and the others were like it.
    pub weight: u64,
    /// Whether it passed the filters. One that did not is evidence only.
    pub reported: bool,
    /// The same exchange as the server on this host saw it: an index into
    /// [`super::Evidence::server_views`].
    #[borsh(skip)]
    pub server_view: Option<usize>,
    /// What the server was waiting for meanwhile: the incident of its own query, an
    /// index into [`super::Evidence::incidents`].
    #[borsh(skip)]
    pub upstream: Option<usize>,
    /// Whether it is itself what a server on this host was waiting for.
    #[borsh(skip)]
    pub is_upstream: bool,
    /// What others came to that were sent to the same server at the same time, if
    /// nothing is known of its own end.
    #[borsh(skip)]
    pub like: Option<Box<PacketDrop>>,
    /// The earlier query of the same socket whose error it got instead of being sent: an
    /// index into [`super::Evidence::incidents`].
    #[borsh(skip)]
    pub error_of: Option<usize>,
    /// The resolvers that it went round in: a key of [`super::Evidence::loops`].
    #[borsh(skip)]
    pub in_loop: Option<u32>,
    /// What it cost the lookup that it was part of, if that is known.
    #[borsh(skip)]
    pub cost: Option<Cost>,
    /// Whether it went wrong on the way to an answer that came in time: nobody was hurt.
    #[borsh(skip)]
    pub is_side_try: bool,
}

impl Incident {
    pub(super) fn new(attempt: Attempt, kind: FailureKind, reported: bool) -> Self {
        Self {
            attempt,
            kind,
            weight: 1,
            reported,
            server_view: None,
            upstream: None,
            is_upstream: false,
            like: None,
            error_of: None,
            in_loop: None,
            cost: None,
            is_side_try: false,
        }
    }

    /// The server that was asked.
    pub fn server(&self) -> SocketAddr {
        self.attempt.peer
    }

    /// Time that lookups lost by it, in nanoseconds.
    pub fn lost_ns(&self) -> u64 {
        self.cost.map_or(0, |cost| cost.lost_ns)
    }

    /// From its sending to its end, in nanoseconds.
    pub fn took_ns(&self) -> u64 {
        let attempt = &self.attempt;
        attempt.end_ns.saturating_sub(attempt.sent_ns)
    }

    /// Whether it counts as failed.
    pub fn has_failed(&self) -> bool {
        self.kind == FailureKind::Failed
    }

    /// Whether it was answered in time, but later than the warning threshold.
    pub fn is_slow(&self) -> bool {
        let is_late = self.attempt.elapsed().as_nanos() > u128::from(LATENCY_WARNING_NS);
        self.attempt.outcome == Outcome::Answered && is_late
    }

    /// The packet of it that this kernel discarded.
    pub fn drop(&self) -> Option<&PacketDrop> {
        self.attempt.drop.as_deref()
    }

    /// The same, if it is what ended the attempt, with its reason.
    pub fn dropped(&self) -> Option<(&PacketDrop, &str)> {
        if self.attempt.outcome != Outcome::Dropped {
            return None;
        }
        self.drop().map(|drop| (drop, &*drop.reason))
    }

    /// The same, if it is the query or the opening of its connection.
    pub fn query_dropped(&self) -> Option<(&PacketDrop, &str)> {
        self.dropped()
            .filter(|(drop, _)| drop.packet != Packet::Answer)
    }

    /// The packet of the query, or of the opening of its connection, that was discarded,
    /// whether the socket was told with an error or not.
    pub fn query_lost(&self) -> Option<&PacketDrop> {
        let is_over = matches!(self.attempt.outcome, Outcome::Dropped | Outcome::Refused);
        self.drop()
            .filter(|drop| is_over && drop.packet != Packet::Answer)
    }

    /// The same, if netfilter discarded it.
    pub fn filtered(&self) -> Option<&PacketDrop> {
        self.query_lost().filter(|drop| &*drop.reason == NETFILTER)
    }

    /// Whether it arrived where no socket was.
    pub fn found_no_socket(&self) -> bool {
        self.query_lost()
            .is_some_and(|drop| &*drop.reason == NO_SOCKET)
    }

    /// Whether nobody may have had a socket where it arrived: it found none, or lay in one
    /// that was closed, or its sender was told that the port is closed.
    pub(super) fn may_have_found_nobody(&self) -> bool {
        self.errno() == Some(libc::ECONNREFUSED)
            || self
                .query_lost()
                .is_some_and(|drop| &*drop.reason == NO_SOCKET || CLOSED.contains(&&*drop.reason))
    }

    /// The same as [`Self::dropped`], if it is the answer.
    pub fn answer_dropped(&self) -> Option<(&PacketDrop, &str)> {
        self.dropped()
            .filter(|(drop, _)| drop.packet == Packet::Answer)
    }

    /// Where its way ended for all that was sent there: as the kernel told of it,
    /// or of others like it.
    pub fn dead_end(&self) -> Option<(&PacketDrop, DeadEnd)> {
        let drop = self
            .query_lost()
            .filter(|drop| drop.dead_end().is_some())
            .or(self.like.as_deref())?;
        Some((drop, drop.dead_end()?))
    }

    /// Whether nothing is known of its end, and no program on this host had it: it
    /// may have been discarded without a word.
    pub(super) fn is_lost_from_sight(&self) -> bool {
        let told = match self.dropped() {
            // Too many waited for a link address, which may have come or not.
            Some((_, QUEUE_FULL)) => false,
            // A queue was emptied; where, this kernel hides.
            Some((drop, reason)) => reason != QUEUE_PURGE || drop.location.is_some(),
            None => self.attempt.outcome != Outcome::Unanswered,
        };
        !told && self.has_failed() && self.server_view.is_none()
    }

    /// Whether the server's receive buffer had no room for the query.
    pub fn has_overflowed(&self) -> bool {
        self.query_dropped()
            .is_some_and(|(_, reason)| reason == OVERFLOW)
    }

    /// Whether the query lay in the server's socket when that was closed: it had
    /// been seen there, so no other part of the kernel discarded it.
    pub fn was_left_unread(&self) -> bool {
        self.server_view.is_some()
            && self
                .query_dropped()
                .is_some_and(|(_, reason)| CLOSED.contains(&reason))
    }

    /// The error that ended it, if it was refused with one.
    pub fn errno(&self) -> Option<i32> {
        match self.attempt.reason {
            Some(Reason::Errno(errno)) => Some(errno),
            _ => None,
        }
    }

    /// The response code of an error answer.
    pub fn rcode(&self) -> Option<OptRcode> {
        self.attempt.answer.map(|answer| answer.rcode)
    }

    /// Whether it went, or was to go, over TCP.
    pub fn is_tcp(&self) -> bool {
        self.attempt.transport == Transport::Tcp
    }
}
