//! One message of a lookup, as far as it matters for the lookup.

use std::net::IpAddr;
use std::net::SocketAddr;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use domain::base::iana::OptRcode;
use domain::base::iana::Rtype;

use crate::attempt::Attempt;
use crate::attempt::Fingerprint;
use crate::attempt::Outcome;
use crate::attempt::Transport;
use crate::thresholds::LATENCY_WARNING_NS;

/// An attempt, by its socket, id and when it was sent. A failed call has no id.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub struct AttemptKey {
    /// The kernel's cookie of the socket.
    pub cookie: u64,
    /// DNS message id.
    pub id: Option<u16>,
    /// When it was sent.
    pub sent_ns: u64,
}

impl AttemptKey {
    /// Of this attempt.
    pub fn of(attempt: &Attempt) -> Self {
        Self {
            cookie: attempt.cookie,
            id: attempt.id,
            sent_ns: attempt.sent_ns,
        }
    }
}

/// What a message came to, as its program sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// Answered with records.
    Found,
    /// Answered NOERROR without a record.
    NoData,
    /// Answered NXDOMAIN.
    NoSuchName,
    /// Answered, but the answer did not fit: it is asked for again over TCP.
    Truncated,
    /// Answered with another response code, or with where else to ask.
    ErrorAnswer,
    /// An error that the program was told of.
    Refused,
    /// No answer came to the program.
    Silence,
    /// Another server was faster.
    Superseded,
}

impl StepEnd {
    /// What an attempt came to.
    pub fn of(attempt: &Attempt) -> Self {
        let answer = match (attempt.outcome, attempt.answer) {
            (Outcome::Answered, Some(answer)) => answer,
            (Outcome::Refused, _) => return Self::Refused,
            (Outcome::Superseded, _) => return Self::Superseded,
            // Discarded on its way in or out: its program is told if it was just sending.
            (Outcome::Dropped, _) if attempt.drop.as_ref().is_some_and(|it| it.when_sent) => {
                return Self::Refused;
            }
            _ => return Self::Silence,
        };
        match answer.rcode {
            _ if answer.truncated && attempt.transport == Transport::Udp => Self::Truncated,
            // Of no use to a stub, which goes on to its next server.
            _ if answer.is_error() || answer.is_referral() => Self::ErrorAnswer,
            OptRcode::NOERROR if answer.answers > 0 => Self::Found,
            OptRcode::NOERROR => Self::NoData,
            OptRcode::NXDOMAIN => Self::NoSuchName,
            _ => Self::ErrorAnswer,
        }
    }

    /// Whether its program may still have waited: not all hear of an error.
    pub(super) fn is_without_answer(self) -> bool {
        matches!(self, Self::Silence | Self::Refused)
    }

    /// Whether its program need not ask the same again.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Found | Self::NoData | Self::NoSuchName)
    }
}

/// One message of a lookup.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Which attempt it is.
    pub key: AttemptKey,
    /// When it ended, in nanoseconds of `CLOCK_MONOTONIC`.
    pub end_ns: u64,
    /// Whether that is when its program closed the socket, without an answer.
    pub gave_up: bool,
    /// What was asked; `None` if nothing was sent, or no question can be read.
    pub question: Option<Fingerprint>,
    /// Who was asked.
    pub server: u64,
    /// What it came to.
    pub end: StepEnd,
    /// Whether the program would rather have done without it.
    pub is_waste: bool,
    /// So much of the lookup's time was lost by it, in nanoseconds.
    pub lost_ns: u64,
}

impl Step {
    pub(super) fn of(attempt: &Attempt) -> Self {
        let end = StepEnd::of(attempt);
        let gave_up_ns = attempt.gave_up_ns.filter(|_| end.is_without_answer());
        Self {
            key: AttemptKey::of(attempt),
            end_ns: gave_up_ns.unwrap_or(attempt.end_ns),
            gave_up: gave_up_ns.is_some(),
            question: attempt.question.fingerprint(),
            server: server(attempt.peer),
            end,
            is_waste: false,
            lost_ns: 0,
        }
    }

    /// When it was sent.
    pub fn sent_ns(&self) -> u64 {
        self.key.sent_ns
    }

    /// Its program closes the socket, if it has no answer by then.
    pub(super) fn gives_up(&mut self, at_ns: u64) {
        if self.end.is_without_answer() && !self.gave_up {
            self.end_ns = at_ns;
            self.gave_up = true;
        }
    }

    /// Whether it only tried another name than the one that was asked for last: a suffix
    /// of the search list that led to nothing.
    pub(super) fn is_search(&self, last_name: Option<u64>) -> bool {
        matches!(self.end, StepEnd::NoData | StepEnd::NoSuchName) && self.name() != last_name
    }

    /// Whether its own end is the reason for what was lost by it; else it is that there
    /// are such names to be tried.
    pub fn is_incident(&self) -> bool {
        self.is_waste
            && (!matches!(self.end, StepEnd::NoData | StepEnd::NoSuchName)
                || self.took_ns() > LATENCY_WARNING_NS)
    }

    pub(super) fn name(&self) -> Option<u64> {
        self.question.map(|question| question.name)
    }

    /// Whether it is the same message once more.
    pub(super) fn is_resend_of(&self, other: &Self) -> bool {
        self.key.id.is_some() && (self.key.cookie, self.key.id) == (other.key.cookie, other.key.id)
    }

    /// From its sending until its program had its end, in nanoseconds.
    pub fn took_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.sent_ns())
    }
}

/// Whether a program may ask for both at once because it wants an address.
pub(super) fn go_together(one: Rtype, other: Rtype) -> bool {
    let is_for_address = |it| matches!(it, Rtype::A | Rtype::AAAA | Rtype::HTTPS | Rtype::SVCB);
    one == other || (is_for_address(one) && is_for_address(other))
}

/// What tells servers apart.
pub(super) fn server(address: SocketAddr) -> u64 {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    };
    server_of_octets(&ip, address.port())
}

pub(super) fn server_of_octets(ip: &[u8; 16], port: u16) -> u64 {
    let bits = u128::from_ne_bytes(*ip);
    ((bits >> 64) as u64).rotate_left(17) ^ bits as u64 ^ u64::from(port).rotate_left(40)
}
