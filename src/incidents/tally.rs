//! How many attempts were answered and how many failed.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use domain::base::iana::OptRcode;

use crate::attempt::Attempt;
use crate::attempt::Outcome;

/// Attempts that ended; superseded ones are in neither.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Answered in time, with whatever rcode.
    pub answered: u64,
    /// Of those, NOERROR.
    pub noerror: u64,
    /// Failed, late ones included.
    pub failed: u64,
}

impl Tally {
    /// So many answers, some of them NXDOMAIN and the others NOERROR.
    pub(super) fn of_plain(number: u64, nxdomain: u64) -> Self {
        Self {
            answered: number,
            noerror: number - nxdomain,
            failed: 0,
        }
    }

    /// All of them.
    pub fn ended(&self) -> u64 {
        self.answered + self.failed
    }

    /// Adds another one.
    pub fn absorb(&mut self, other: &Self) {
        self.answered += other.answered;
        self.noerror += other.noerror;
        self.failed += other.failed;
    }

    pub(super) fn record(&mut self, attempt: &Attempt) {
        match attempt.outcome {
            Outcome::Answered => {
                self.answered += 1;
                if attempt
                    .answer
                    .is_some_and(|answer| answer.rcode == OptRcode::NOERROR)
                {
                    self.noerror += 1;
                }
            }
            // It was counted when it was given up on.
            Outcome::Late | Outcome::Superseded => {}
            Outcome::Unanswered | Outcome::Refused | Outcome::Dropped => self.failed += 1,
        }
    }
}
