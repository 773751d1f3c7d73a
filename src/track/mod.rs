//! From kernel events to attempts: what one record alone does not tell.
//!
//! A late answer belongs to an attempt that was reported as unanswered; a
//! socket error or a query that met no socket belongs to a query in flight; a
//! resend after the timeout continues the count of its predecessor. Pure data:
//! the clock is that of the events.

mod given_up;
mod notices;
#[cfg(test)]
mod tests;

use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::kernel::Event;
use crate::kernel::InFlight;
use crate::kernel::Stray;

use given_up::GivenUp;
pub use notices::Failure;
use notices::Notices;

/// Joins events. One for each monitor.
#[derive(Debug, Default)]
pub struct Tracker {
    given_up: GivenUp,
    notices: Notices,
    stray_answers: u64,
}

impl Tracker {
    /// Takes one event; what it ends goes to `ended`.
    pub fn event(&mut self, event: Event, ended: &mut Vec<Attempt>) {
        match event {
            Event::Ended(attempt) => {
                self.ended(attempt, None, ended);
            }
            Event::Stray(stray) => self.stray(&stray, ended),
            Event::Notice(notice) => self.notices.add(notice),
            // Nothing failed: DNS did its part.
            Event::SlowRead(_) => {}
        }
    }

    /// An attempt has ended. With a `failure`, the one given or one that the
    /// kernel has told of, it was refused, whatever it looked like.
    pub fn ended(
        &mut self,
        mut attempt: Attempt,
        failure: Option<Failure>,
        ended: &mut Vec<Attempt>,
    ) {
        let failure = failure.or_else(|| match attempt.outcome {
            Outcome::Unanswered | Outcome::Superseded => self.notices.failure_of_attempt(&attempt),
            _ => None,
        });
        if let Some(failure) = failure {
            attempt.outcome = Outcome::Refused;
            attempt.end_ns = failure.at_ns;
            attempt.reason = Some(failure.reason);
        }
        self.given_up.number(&mut attempt);
        if attempt.outcome != Outcome::Answered {
            self.given_up.remember(&attempt);
        }
        ended.push(attempt);
    }

    /// Why a query in flight has failed already, if the kernel has told.
    pub fn failure_of(&mut self, query: &InFlight) -> Option<Failure> {
        self.notices.failure_of_query(query)
    }

    /// Whether a notice has come since the last [`Self::forget`].
    pub fn has_fresh_notices(&self) -> bool {
        self.notices.has_fresh()
    }

    /// Called after each sweep: notices that were joined or can't be any more,
    /// and attempts too old for a late answer, are forgotten.
    pub fn forget(&mut self, now_ns: u64) {
        self.notices.forget(now_ns);
        self.given_up.forget(now_ns);
    }

    /// Notices for which there was no room; their queries end as unanswered.
    pub fn notices_lost(&self) -> u64 {
        self.notices.lost()
    }

    /// Answers that belonged to no attempt: duplicates, the answers of the other
    /// servers of a superseded question, answers to queries from before.
    pub fn stray_answers(&self) -> u64 {
        self.stray_answers
    }

    fn stray(&mut self, stray: &Stray, ended: &mut Vec<Attempt>) {
        match self.given_up.late(stray) {
            Some(attempt) => ended.push(attempt),
            None => self.stray_answers += 1,
        }
    }
}
