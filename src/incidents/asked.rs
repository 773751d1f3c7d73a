//! What was asked at one server, and how it ended: in all, over TCP, by address family.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use domain::base::iana::Rtype;

use super::seen::Seen;
use super::tally::Tally;
use crate::attempt::Attempt;
use crate::attempt::Fingerprint;
use crate::attempt::PlainQuestion;
use crate::attempt::Transport;

/// What one network namespace asked one server. The same address may be another
/// server in another namespace.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// All of it.
    pub all: Tally,
    /// Answers over UDP with the TC bit: the client is to ask over TCP.
    pub truncated: u64,
    /// Over TCP.
    pub tcp: Tally,
    /// Address lookups.
    pub families: BothFamilies,
    /// Answers that came when another server had answered the same: to superseded attempts,
    /// which are in none of these. `None` where it is not known: it is not kept on disk.
    #[borsh(skip)]
    pub came_second: CameSecond,
    /// When, and from where.
    #[borsh(skip)]
    pub(super) seen: Seen,
}

/// How often, if that is known. Windows are compared without it: one that was read from disk
/// does not know.
#[derive(Clone, Copy, Debug, Default)]
pub struct CameSecond(Option<u64>);

impl CameSecond {
    /// So many more.
    pub(super) fn add(&mut self, number: u64) {
        *self.0.get_or_insert(0) += number;
    }

    /// Whether it is known that it never did.
    pub fn is_never(self) -> bool {
        self.0 == Some(0)
    }
}

impl PartialEq for CameSecond {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for CameSecond {}

/// Address lookups of one name, or of one server.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BothFamilies {
    /// Type A.
    pub a: Tally,
    /// Type AAAA.
    pub aaaa: Tally,
}

impl BothFamilies {
    pub(super) fn record(&mut self, attempt: &Attempt, rtype: Rtype) {
        match rtype {
            Rtype::A => self.a.record(attempt),
            Rtype::AAAA => self.aaaa.record(attempt),
            _ => {}
        }
    }

    pub(super) fn count(&mut self, question: &PlainQuestion) {
        let tally = Tally::of_plain(question.asked, question.nxdomain);
        match question.fingerprint.rtype {
            Rtype::A => self.a.absorb(&tally),
            Rtype::AAAA => self.aaaa.absorb(&tally),
            _ => {}
        }
    }

    /// Adds what another one has.
    pub fn absorb(&mut self, other: &Self) {
        self.a.absorb(&other.a);
        self.aaaa.absorb(&other.aaaa);
    }
}

impl Asked {
    pub(super) fn record(&mut self, attempt: &Attempt, question: Option<Fingerprint>) {
        self.all.record(attempt);
        self.came_second.add(0);
        self.seen.record(attempt.sent_ns, attempt.local.ip());
        if attempt.transport == Transport::Tcp {
            self.tcp.record(attempt);
        } else if attempt.answer.is_some_and(|answer| answer.truncated) {
            self.truncated += 1;
        }
        if let Some(question) = question {
            self.families.record(attempt, question.rtype);
        }
    }

    /// Adds what another namespace asked.
    pub fn absorb(&mut self, other: &Self) {
        let came_second = match (self.came_second.0, other.came_second.0) {
            (Some(own), Some(more)) => Some(own + more),
            (None, more) if *self == Self::default() => more,
            _ => None,
        };
        self.seen = match (self.all.ended(), other.all.ended()) {
            (0, _) => other.seen,
            (_, 0) => self.seen,
            _ => self.seen.with(other.seen),
        };
        self.all.absorb(&other.all);
        self.truncated += other.truncated;
        self.tcp.absorb(&other.tcp);
        self.families.absorb(&other.families);
        self.came_second = CameSecond(came_second);
    }
}
