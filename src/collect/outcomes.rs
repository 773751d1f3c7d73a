//! How many attempts ended in which way.

use crate::attempt::Attempt;
use crate::attempt::Outcome;

/// Attempts by outcome. Each attempt stands in exactly one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeTotals {
    /// Answered in time.
    pub answered: u64,
    /// No answer within the timeout, or resent before one came.
    pub unanswered: u64,
    /// Answered after it had been given up on.
    pub late: u64,
    /// Ended by ICMP or a socket error.
    pub refused: u64,
    /// Discarded by this kernel.
    pub dropped: u64,
    /// Another server answered the same question first.
    pub superseded: u64,
}

impl OutcomeTotals {
    /// Counts an attempt. A late one has been counted as unanswered before and
    /// moves; if it has not (its first record was lost), it is new.
    pub fn record(&mut self, attempt: &Attempt) {
        match attempt.outcome {
            Outcome::Answered => self.answered += 1,
            Outcome::Unanswered => self.unanswered += 1,
            Outcome::Late => {
                self.unanswered = self.unanswered.saturating_sub(1);
                self.late += 1;
            }
            Outcome::Refused => self.refused += 1,
            Outcome::Dropped => self.dropped += 1,
            Outcome::Superseded => self.superseded += 1,
        }
    }

    /// Adds attempts that were counted elsewhere.
    pub fn absorb(&mut self, other: &Self) {
        self.answered += other.answered;
        self.unanswered += other.unanswered;
        self.late += other.late;
        self.refused += other.refused;
        self.dropped += other.dropped;
        self.superseded += other.superseded;
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
