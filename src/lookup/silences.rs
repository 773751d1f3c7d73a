//! Messages without an answer, and in which lookup each is: their program may close the
//! socket before kerno gives up on them, or after it has.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::step::AttemptKey;
use super::step::Step;
use super::step::StepEnd;
use crate::attempt::Outcome;

/// By the place of the lookup in the store. No more than messages in open lookups, and
/// queries in flight.
#[derive(Debug, Default)]
pub(super) struct Silences {
    /// Those that have ended, by the cookie of their socket: until when they were waited for
    /// is not known yet.
    ended: HashMap<u64, usize, RandomState>,
    /// Those that were given up on, until their attempt ends; without a place if the lookup
    /// had to make room.
    given_up: HashMap<AttemptKey, Option<usize>, RandomState>,
}

impl Silences {
    /// The attempt has ended, as a message of the lookup in this place. What its sender's own
    /// host discards may be told with an error; not every program minds that (dig waits).
    pub(super) fn has_ended(&mut self, step: &Step, outcome: Outcome, at: usize) {
        let is_waited_for = step.end == StepEnd::Silence || outcome == Outcome::Dropped;
        if is_waited_for && !step.gave_up {
            self.ended.insert(step.key.cookie, at);
        }
    }

    /// Its program has given up on it, and the attempt goes on.
    pub(super) fn goes_on(&mut self, key: AttemptKey, at: usize) {
        self.given_up.insert(key, Some(at));
    }

    /// Where the attempt is that was given up on; `Some(None)` if its lookup is gone.
    pub(super) fn of(&self, key: &AttemptKey) -> Option<Option<usize>> {
        self.given_up.get(key).copied()
    }

    /// The same when it ends.
    pub(super) fn take(&mut self, key: &AttemptKey) -> Option<Option<usize>> {
        self.given_up.remove(key)
    }

    /// The socket is closed: where the message is that has ended.
    pub(super) fn closed(&mut self, cookie: u64) -> Option<usize> {
        self.ended.remove(&cookie)
    }

    /// The messages of a lookup are in another one now, or it is over.
    pub(super) fn moved(&mut self, steps: &[Step], to: Option<usize>) {
        if self.ended.is_empty() && self.given_up.is_empty() {
            return;
        }
        for step in steps {
            match (self.ended.get_mut(&step.key.cookie), to) {
                (Some(at), Some(to)) => *at = to,
                (Some(_), None) => {
                    self.ended.remove(&step.key.cookie);
                }
                (None, _) => {}
            }
            if let Some(at) = self.given_up.get_mut(&step.key) {
                *at = to;
            }
        }
    }
}
