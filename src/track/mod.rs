//! From kernel events to attempts: what one record alone does not tell.
//! Pure data: the clock is that of the events.

mod closings;
mod drop_filter;
mod drops;
mod kernel_errors;
mod query_key;
#[cfg(test)]
mod tests;
mod timed_out;
mod transfers;
mod truncated;
mod turned_away;
mod unheld;
mod unsent;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Role;
use crate::event::Event;
use crate::event::InFlight;
use crate::event::Stray;
use crate::host::DropNames;

use closings::Closings;
pub use kernel_errors::Failure;
pub use kernel_errors::JOIN_DELAY;
use kernel_errors::KernelErrors;
use timed_out::TimedOut;
use transfers::Transfers;
use truncated::Truncated;
use unheld::Unheld;

/// Joins events. One for each monitor.
#[derive(Debug, Default)]
pub struct Tracker {
    names: DropNames,
    timed_out: TimedOut,
    kernel_errors: KernelErrors,
    truncated: Truncated,
    unheld: Unheld,
    closings: Closings,
    transfers: Transfers,
    unsent: u64,
    stray_answers: u64,
    /// Of them, those that came while queries from before may still be answered.
    strays_early: u64,
    early_until_ns: u64,
    /// Queries that were sent later are not watched.
    over_from_ns: Option<u64>,
}

impl Tracker {
    /// A tracker that has these names for what the kernel discards, of attempts that are given
    /// up on after this time.
    pub fn new(names: DropNames, timeout: Duration) -> Self {
        Self {
            names,
            kernel_errors: KernelErrors::within(timeout),
            ..Self::default()
        }
    }

    /// Until then an answer may belong to a query that was sent before anything was
    /// watched.
    pub fn began(&mut self, early_until_ns: u64) {
        self.early_until_ns = early_until_ns;
    }

    /// From now on no query is taken, and an answer may belong to one that was not.
    pub fn is_over(&mut self, from_ns: u64) {
        self.over_from_ns = Some(from_ns);
    }

    /// Takes one event; what it ends goes to `ended`.
    pub fn event(&mut self, event: Event, ended: &mut Vec<Attempt>) {
        match event {
            Event::Ended(attempt) => {
                let may_be_lost = unheld::may_be_discarded(&attempt)
                    || self.kernel_errors.may_be_filtered(&attempt);
                let attempt = match may_be_lost {
                    true => self.unheld.wait(attempt),
                    false => Some(attempt),
                };
                if let Some(attempt) = attempt {
                    self.ended(attempt, None, ended);
                }
            }
            Event::Stray(stray) => self.stray(&stray, ended),
            Event::Notice(notice) => self.kernel_errors.add(notice, &mut self.names),
            Event::Closed(closed) => self.closings.add(&closed),
            // Nothing failed: DNS did its part.
            Event::SlowRead(_) => {}
        }
    }

    /// An attempt has ended. With a `failure`, the one given or one that the
    /// kernel has told of, it was refused or dropped, whatever it looked like.
    pub fn ended(
        &mut self,
        mut attempt: Attempt,
        failure: Option<Failure>,
        ended: &mut Vec<Attempt>,
    ) {
        let failure = failure.or_else(|| match attempt.outcome {
            Outcome::Unanswered | Outcome::Superseded => {
                self.kernel_errors.failure_of_attempt(&attempt)
            }
            _ => None,
        });
        if let Some(failure) = failure {
            self.kernel_errors.joined(attempt.role, &failure);
            attempt.outcome = failure.outcome;
            attempt.end_ns = failure.at_ns;
            attempt.reason = Some(failure.reason);
            attempt.drop = failure.drop;
            // A server is known by its answer.
            if let (Role::Server, None, Some(owner)) =
                (attempt.role, attempt.owner.pid, failure.owner)
            {
                attempt.owner = owner;
            }
        } else if attempt.outcome == Outcome::Refused
            && attempt.drop.is_none()
            // A call that failed had no packet that could be discarded.
            && attempt.failed_call.is_none()
        {
            attempt.drop = self.kernel_errors.rejected(&attempt);
        }
        self.closings.see(&mut attempt);
        self.truncated.see(&mut attempt);
        self.timed_out.number(&mut attempt);
        self.transfers.see(&attempt);
        if attempt.outcome != Outcome::Answered {
            self.timed_out.remember(&attempt);
        }
        ended.push(attempt);
    }

    /// Told of all queries in flight before it is asked for one of them: what is known to be
    /// discarded of one is no other's.
    pub fn note_in_flight(&mut self, query: &InFlight<'_>) {
        self.kernel_errors.note_in_flight(query);
    }

    /// Whether the kernel has told of any.
    pub fn any_closing(&self) -> bool {
        self.closings.any()
    }

    /// Says when the program of an attempt gave up on it, as far as the kernel has told.
    pub fn sees_closing(&self, attempt: &mut Attempt) {
        self.closings.see(attempt);
    }

    /// Why a query in flight has failed already, if the kernel has told by then.
    pub fn failure_of(&self, query: &InFlight<'_>, now_ns: u64) -> Option<Failure> {
        self.kernel_errors.failure_of_query(query, now_ns)
    }

    /// Network namespaces and servers whose answers a filter lets not in: each of them is to be
    /// told one by one.
    pub fn filters(&self) -> impl Iterator<Item = (u32, IpAddr)> {
        self.kernel_errors.filters()
    }

    /// Whether a notice has come that was too young to be joined when
    /// [`Self::settle`] was last called.
    pub fn has_fresh_notices(&self) -> bool {
        self.kernel_errors.has_fresh() || !self.unheld.is_empty()
    }

    /// Called after each sweep: ends the queries that were discarded in their
    /// sender's own stack and finds the late answers among what was discarded.
    /// Notices that can't be joined any more, and attempts too old for a late
    /// answer, are forgotten.
    pub fn settle(&mut self, now_ns: u64, ended: &mut Vec<Attempt>) {
        for mut attempt in self.unheld.due(now_ns) {
            let failure = self.kernel_errors.no_room_for(&attempt);
            if failure.is_some() {
                attempt.answer = None;
            }
            self.ended(attempt, failure, ended);
        }
        for attempt in self.kernel_errors.unsent(now_ns) {
            self.unsent += 1;
            self.ended(attempt, None, ended);
        }
        for (number, stray) in self.kernel_errors.unheard(now_ns) {
            if let Some(attempt) = self.timed_out.late(&stray) {
                self.kernel_errors.unheard_is_late(number);
                ended.push(attempt);
            }
        }
        self.kernel_errors.forget(now_ns);
        self.timed_out.forget(now_ns);
        self.transfers.forget(now_ns);
    }

    /// Where queries were discarded since the last time that belonged to nobody here by then:
    /// network namespace and address.
    pub fn suspects(&mut self) -> BTreeSet<(u32, SocketAddr)> {
        self.kernel_errors.suspects()
    }

    /// Queries of others that nobody here was asked, since the last time.
    pub fn turned_away(&mut self) -> Vec<Attempt> {
        self.kernel_errors.turned_away()
    }

    /// Those of which it is not certain yet: no attempt will be joined with them any more.
    pub fn turned_away_at_last(&self) -> Vec<Attempt> {
        self.kernel_errors.turned_away_at_last()
    }

    /// Who answered what another server had answered before, and how often, since the last
    /// time: network namespace of who asked, and server.
    pub fn came_second(&mut self) -> BTreeMap<(u32, SocketAddr), u64> {
        self.timed_out.came_second()
    }

    /// Attempts that were known from a drop alone.
    pub fn unsent(&self) -> u64 {
        self.unsent
    }

    /// Discarded packets that belonged to no failed attempt that is known.
    pub fn drops_unjoined(&self) -> u64 {
        self.kernel_errors.unjoined()
    }

    /// Of them, those that cannot belong to a query that has not ended yet.
    pub fn drops_unjoined_for_good(&self) -> u64 {
        self.kernel_errors.unjoined_for_good()
    }

    /// Notices for which there was no room; their queries end as unanswered.
    pub fn notices_lost(&self) -> u64 {
        self.kernel_errors.lost()
    }

    /// Answers that belonged to no attempt: duplicates, the answers of the other
    /// servers of a superseded question, answers to queries from before.
    pub fn stray_answers(&self) -> u64 {
        self.stray_answers
    }

    /// Of them, those to queries from before, as far as that can be said.
    pub fn strays_early(&self) -> u64 {
        self.strays_early
    }

    fn stray(&mut self, stray: &Stray, ended: &mut Vec<Attempt>) {
        match self.timed_out.late(stray) {
            Some(attempt) => ended.push(attempt),
            None if self.transfers.goes_on(stray) => {}
            None if self.over_from_ns.is_some_and(|over| stray.at_ns >= over) => {}
            None => {
                self.stray_answers += 1;
                self.strays_early += u64::from(stray.at_ns < self.early_until_ns);
            }
        }
    }
}
