//! How many attempts ended in which way.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use serde::Serialize;

use crate::attempt::Attempt;
use crate::attempt::Outcome;

/// Attempts by outcome. Each attempt stands in exactly one of them.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize,
)]
pub struct OutcomeTotals {
    /// Answered in time.
    #[borsh(
        serialize_with = "crate::codec::count::write",
        deserialize_with = "crate::codec::count::read"
    )]
    pub answered: u64,
    /// No answer within the timeout, or resent before one came.
    #[borsh(
        serialize_with = "crate::codec::count::write",
        deserialize_with = "crate::codec::count::read"
    )]
    pub unanswered: u64,
    /// Answered after it had been given up on.
    #[borsh(
        serialize_with = "crate::codec::count::write",
        deserialize_with = "crate::codec::count::read"
    )]
    pub late: u64,
    /// Ended by ICMP or a socket error.
    #[borsh(
        serialize_with = "crate::codec::count::write",
        deserialize_with = "crate::codec::count::read"
    )]
    pub refused: u64,
    /// Discarded by this kernel.
    #[borsh(
        serialize_with = "crate::codec::count::write",
        deserialize_with = "crate::codec::count::read"
    )]
    pub dropped: u64,
    /// Another server answered the same question first.
    #[borsh(
        serialize_with = "crate::codec::count::write",
        deserialize_with = "crate::codec::count::read"
    )]
    pub superseded: u64,
    /// Late ones whose first record is not among these: in the window before, or lost.
    #[serde(skip)]
    #[borsh(
        serialize_with = "crate::codec::count::write",
        deserialize_with = "crate::codec::count::read"
    )]
    pub owed: u64,
}

impl OutcomeTotals {
    /// Counts an attempt. A late one has been counted as unanswered before and
    /// moves; if it has not (its first record was lost), it is new.
    pub fn record(&mut self, attempt: &Attempt) {
        match attempt.outcome {
            Outcome::Answered => self.answered += 1,
            Outcome::Unanswered => self.unanswered += 1,
            Outcome::Late => {
                match self.unanswered.checked_sub(1) {
                    Some(rest) => self.unanswered = rest,
                    None => self.owed += 1,
                }
                self.late += 1;
            }
            Outcome::Refused => self.refused += 1,
            Outcome::Dropped => self.dropped += 1,
            Outcome::Superseded => self.superseded += 1,
        }
    }

    /// So many that ended so are taken for superseded.
    pub fn forgive(&mut self, outcome: Outcome, number: u64) {
        let of = match outcome {
            Outcome::Unanswered => &mut self.unanswered,
            Outcome::Late => &mut self.late,
            Outcome::Refused => &mut self.refused,
            Outcome::Dropped => &mut self.dropped,
            Outcome::Answered | Outcome::Superseded => return,
        };
        let number = number.min(*of);
        *of -= number;
        self.superseded += number;
    }

    /// Adds those of another scope.
    pub fn absorb(&mut self, other: &Self) {
        self.answered += other.answered;
        self.unanswered += other.unanswered;
        self.late += other.late;
        self.refused += other.refused;
        self.dropped += other.dropped;
        self.superseded += other.superseded;
        self.owed += other.owed;
    }

    /// Adds those of the time right after: what was late then may have been counted
    /// as unanswered here.
    pub fn follow(&mut self, next: &Self) {
        let moved = self.unanswered.min(next.owed);
        self.absorb(next);
        self.unanswered -= moved;
        self.owed -= moved;
    }

    /// All attempts.
    pub fn queries(&self) -> u64 {
        self.answered + self.superseded + self.failed()
    }

    /// Attempts that count as failed, as [`Outcome::is_failure`] says.
    pub fn failed(&self) -> u64 {
        self.unanswered + self.late + self.refused + self.dropped
    }
}
