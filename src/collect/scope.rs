//! What is counted for one scope: the host, a process, or a server.

use std::collections::BTreeMap;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use domain::base::iana::OptRcode;

use super::latency::Latency;
use super::lookups::LookupFigures;
use super::lookups::LookupScope;
use super::outcomes::OutcomeTotals;
use super::snapshot::Figures;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Plain;

/// Response codes that are counted one by one: those with a meaning (RFC 6895
/// section 2.3 ends at BADCOOKIE, 23). A hostile server can send 4,096.
const RCODES: usize = 24;

#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default)]
pub(super) struct Scope {
    outcomes: OutcomeTotals,
    rcodes: [u64; RCODES],
    other_rcodes: u64,
    latency: Latency,
    answered_after_resend: u64,
    longest_wait_ns: u64,
    latest_ns: u64,
    lookups: Option<Box<LookupScope>>,
}

impl Scope {
    /// Gives back the room that is not used.
    pub(super) fn shrink(&mut self) {
        self.latency.shrink();
    }

    /// What it has beside itself, in octets.
    pub(super) fn octets(&self) -> usize {
        let lookups = self.lookups.as_ref();
        self.latency.octets() + lookups.map_or(0, |it| size_of_val(&**it) + it.octets())
    }

    pub(super) fn record(&mut self, attempt: &Attempt) {
        self.outcomes.record(attempt);
        let Some(answer) = attempt.answer else {
            return;
        };
        match self.rcodes.get_mut(usize::from(answer.rcode.to_int())) {
            Some(count) => *count += 1,
            None => self.other_rcodes += 1,
        }
        let elapsed_ns = attempt.end_ns.saturating_sub(attempt.sent_ns);
        match attempt.outcome {
            Outcome::Answered => {
                self.latency.record(elapsed_ns);
                if attempt.number > 1 {
                    self.answered_after_resend += 1;
                    let wait_ns = attempt.end_ns.saturating_sub(attempt.first_ns);
                    self.longest_wait_ns = self.longest_wait_ns.max(wait_ns);
                }
            }
            Outcome::Late => self.latest_ns = self.latest_ns.max(elapsed_ns),
            _ => {}
        }
    }

    /// Counts attempts that were counted together; their latencies, if they are many.
    pub(super) fn count(&mut self, plain: &Plain, together: Option<&Latency>) {
        self.outcomes.answered += plain.number();
        self.rcodes[usize::from(OptRcode::NOERROR.to_int())] += plain.noerror();
        self.rcodes[usize::from(OptRcode::NXDOMAIN.to_int())] += plain.nxdomain;
        match together {
            Some(latency) => self.latency.absorb(latency),
            None => plain
                .latencies
                .iter()
                .for_each(|&ns| self.latency.record(ns.into())),
        }
    }

    pub(super) fn lookups(&mut self) -> &mut LookupScope {
        self.lookups.get_or_insert_default()
    }

    pub(super) fn queries(&self) -> u64 {
        self.outcomes.queries()
    }

    pub(super) fn has_unanswered(&self) -> bool {
        self.outcomes.unanswered > 0
    }

    pub(super) fn follow(&mut self, next: &Self) {
        let mut outcomes = self.outcomes;
        outcomes.follow(&next.outcomes);
        self.absorb(next);
        self.outcomes = outcomes;
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        self.outcomes.absorb(&other.outcomes);
        for (count, more) in self.rcodes.iter_mut().zip(other.rcodes) {
            *count += more;
        }
        self.other_rcodes += other.other_rcodes;
        self.latency.absorb(&other.latency);
        self.answered_after_resend += other.answered_after_resend;
        self.longest_wait_ns = self.longest_wait_ns.max(other.longest_wait_ns);
        self.latest_ns = self.latest_ns.max(other.latest_ns);
        if let Some(lookups) = &other.lookups {
            self.lookups().absorb(lookups);
        }
    }

    pub(super) fn figures(&self) -> Figures {
        let mut rcodes = BTreeMap::new();
        for (rcode, &count) in (0..).zip(&self.rcodes) {
            if count > 0 {
                rcodes.insert(Some(OptRcode::masked_from_int(rcode)), count);
            }
        }
        if self.other_rcodes > 0 {
            rcodes.insert(None, self.other_rcodes);
        }
        Figures {
            outcomes: self.outcomes,
            latency: self.latency.figures(),
            rcodes,
            answered_after_resend: self.answered_after_resend,
            longest_wait_ns: self.longest_wait_ns,
            latest_ns: self.latest_ns,
            lookups: (self.lookups.as_ref()).map_or_else(LookupFigures::default, |it| it.figures()),
        }
    }
}
