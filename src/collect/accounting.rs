//! What the program itself saw and lost. Unfiltered, both roles.

use serde::Serialize;

use super::outcomes::OutcomeTotals;
use crate::kernel::Counters;
use crate::lookup::GrouperCounts;
use crate::monitor::Ending;
use crate::thresholds::FAILURES_MIN;
use crate::thresholds::UNSEEN_PERCENT;
use crate::units;

/// The books: every query seen stands in exactly one of the places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Accounting {
    /// Attempts that the kernel side saw, with those that waited when the window began, and
    /// those that had been given up on by then and were answered late in it.
    pub queries_seen: u64,
    /// How they ended.
    #[serde(flatten)]
    pub outcomes: OutcomeTotals,
    /// Still waiting for an answer when the window ended.
    pub in_flight: u64,
    /// Seen, but their end is not known: the sum of `lost_by`.
    pub lost: u64,
    /// Each way of losing one.
    pub lost_by: LostBy,
    /// Answers to nothing in flight: too late to be joined, or not ours.
    pub stray_answers: u64,
    /// Of them, those that may belong to queries from before the watching.
    #[serde(skip)]
    pub strays_early: u64,
    /// Packets with a DNS port that this kernel discarded and that belonged to no
    /// failed query: of queries from before, TCP segments that came through later,
    /// traffic of other hosts.
    pub drops_unjoined: u64,
    /// Failed queries that must have been discarded on this host, as others like
    /// them, though the kernel did not tell of it. Clients only.
    pub drops_unseen: u64,
    /// Lookups that there was no room for.
    #[serde(flatten)]
    pub grouped: GrouperCounts,
    /// What the kernel side counted besides.
    #[serde(flatten)]
    pub kernel: Counters,
}

/// The ways in which an attempt that was seen can get lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LostBy {
    /// The map of queries in flight had no room.
    pub inflight_full: u64,
    /// The ring buffer had no room.
    pub ring_full: u64,
}

impl Accounting {
    /// Puts the kernel's counts beside what arrived here. `outcomes` must have
    /// been fed with every attempt, whatever the filters say.
    pub fn new(ending: &Ending, outcomes: OutcomeTotals, drops_unseen: u64) -> Self {
        let kernel = ending.counters;
        Self {
            queries_seen: kernel.queries + ending.carried + outcomes.owed,
            outcomes,
            in_flight: ending.in_flight,
            lost: kernel.lost(),
            lost_by: LostBy {
                inflight_full: kernel.inflight_full,
                ring_full: kernel.ring_full,
            },
            stray_answers: ending.stray_answers,
            strays_early: ending.strays_early,
            drops_unjoined: ending.drops_unjoined,
            drops_unseen,
            grouped: ending.grouped,
            kernel,
        }
    }

    /// Queries seen minus those accounted for; 0 when the books add up. More
    /// means that some vanished unnoticed, less that some were counted twice.
    pub fn balance(&self) -> i64 {
        let placed = i128::from(self.outcomes.queries())
            + i128::from(self.in_flight)
            + i128::from(self.lost);
        let balance = i128::from(self.queries_seen) - placed;
        i64::try_from(balance).unwrap_or(if balance < 0 { i64::MIN } else { i64::MAX })
    }

    /// Answers to nothing in flight that neither queries from before nor several servers
    /// explain, which are asked at once: the slower ones' answers are stray.
    fn strays_unexplained(&self) -> u64 {
        let explained = self.strays_early.saturating_add(self.outcomes.superseded);
        self.stray_answers.saturating_sub(explained)
    }

    /// Whether so much went on unseen that it may be the contrary of what was seen.
    pub fn may_hide_failures(&self) -> bool {
        let unseen = [
            self.lost,
            self.kernel.notice_lost,
            self.kernel.tcp_unseen(),
            self.strays_unexplained(),
        ];
        self.matters(unseen.into_iter().fold(0, u64::saturating_add))
    }

    fn matters(&self, unseen: u64) -> bool {
        unseen >= FAILURES_MIN
            && unseen.saturating_mul(100) > self.queries_seen.saturating_mul(UNSEEN_PERCENT)
    }

    /// Whether anything shows that there was DNS, though not one query was seen.
    pub fn has_traces(&self) -> bool {
        self.has_nothing_but_drops() || self.may_hide_failures()
    }

    /// Where queries were seen, packets that belong to none of them are late resends, or of others
    /// on their way through.
    fn has_nothing_but_drops(&self) -> bool {
        self.queries_seen == 0 && self.drops_unjoined >= FAILURES_MIN
    }

    /// One sentence for each thing that is missing from the picture; empty if the
    /// figures stand for everything that went on.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = self.kernel.gaps();
        if self.drops_unseen > 0 {
            let queries = units::queries(self.drops_unseen);
            gaps.push(format!(
                "The kernel did not tell kerno that it discarded {queries}; counted with others \
                 that were sent to the same place at the same time."
            ));
        }
        let cut = self.grouped.lookups_cut_short + self.grouped.lookups_lost;
        if cut > 0 {
            gaps.push(format!(
                "{} counted in pieces or not at all: there were too many at one time.",
                units::counted(cut, "lookup was", "lookups were")
            ));
        }
        let strays = self.strays_unexplained();
        if self.matters(strays) {
            gaps.push(format!(
                "{} no query that kerno saw: forged ones, duplicates, or those to queries that were \
                 not seen.",
                units::counted(strays, "answer belonged to", "answers belonged to")
            ));
        }
        if self.has_nothing_but_drops() {
            gaps.push(format!(
                "The kernel discarded {} with a DNS port, which belonged to no query that kerno \
                 saw.",
                units::counted(self.drops_unjoined, "packet", "packets")
            ));
        }
        let balance = self.balance();
        let fault = match balance {
            0 => return gaps,
            1.. => "seen but not accounted for",
            _ => "counted more than once",
        };
        let queries = units::counted(balance.unsigned_abs(), "query was", "queries were");
        gaps.push(format!(
            "{queries} {fault}. That is a fault in kerno; please report it."
        ));
        gaps
    }
}
