//! What the program itself saw and lost. Unfiltered, both roles.

use serde::Serialize;

use super::outcomes::OutcomeTotals;
use crate::kernel::Counters;

/// The books: every query seen stands in exactly one of the places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Accounting {
    /// Attempts that the kernel side saw.
    pub queries_seen: u64,
    /// Answered in time.
    pub answered: u64,
    /// Given up on.
    pub unanswered: u64,
    /// Answered after having been given up on.
    pub late: u64,
    /// Ended by ICMP or a socket error.
    pub refused: u64,
    /// Discarded by this kernel.
    pub dropped: u64,
    /// Another server was faster.
    pub superseded: u64,
    /// Still waiting for an answer when the window ended.
    pub in_flight: u64,
    /// Seen, but their end is not known: the sum of `lost_by`.
    pub lost: u64,
    /// Each way of losing one.
    pub lost_by: LostBy,
    /// Answers to nothing in flight: too late to be joined, or not ours.
    pub stray_answers: u64,
    /// Packets with a DNS port that this kernel discarded and that belonged to no
    /// failed query: of queries from before, TCP segments that came through later,
    /// traffic of other hosts.
    pub drops_unjoined: u64,
    /// Failed queries that must have been discarded on this host, as others like
    /// them, though the kernel did not tell of it. Clients only.
    pub drops_unseen: u64,
    /// Times that the kernel did not run a program of kerno, whatever the packet
    /// was.
    pub missed_runs: u64,
    /// Stray answers, socket errors and drops lost for want of room.
    pub notice_lost: u64,
    /// Messages on a DNS port that are not DNS.
    pub unparsed: u64,
    /// Messages whose QR bit contradicts the ports.
    pub contradictory: u64,
    /// TCP segments unread: too many connections.
    pub tcp_untracked: u64,
    /// Times that TCP bytes were missing.
    pub tcp_gap: u64,
    /// TCP messages whose header was cut in two.
    pub tcp_split: u64,
    /// TCP segments with more messages than are read.
    pub tcp_crowded: u64,
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
    /// Puts the kernel's counts beside what arrived here. `totals` must have
    /// been fed with every attempt, whatever the filters say.
    pub fn new(
        kernel: &Counters,
        totals: &OutcomeTotals,
        in_flight: u64,
        stray_answers: u64,
        drops_unjoined: u64,
        drops_unseen: u64,
    ) -> Self {
        Self {
            queries_seen: kernel.queries,
            answered: totals.answered,
            unanswered: totals.unanswered,
            late: totals.late,
            refused: totals.refused,
            dropped: totals.dropped,
            superseded: totals.superseded,
            in_flight,
            lost: kernel.lost(),
            lost_by: LostBy {
                inflight_full: kernel.inflight_full,
                ring_full: kernel.ring_full,
            },
            stray_answers,
            drops_unjoined,
            drops_unseen,
            missed_runs: kernel.missed_runs,
            notice_lost: kernel.notice_lost,
            unparsed: kernel.unparsed,
            contradictory: kernel.contradictory,
            tcp_untracked: kernel.tcp_untracked,
            tcp_gap: kernel.tcp_gap,
            tcp_split: kernel.tcp_split,
            tcp_crowded: kernel.tcp_crowded,
        }
    }

    /// Queries seen minus those accounted for; 0 when the books add up. More
    /// means that some vanished unnoticed, less that some were counted twice.
    pub fn balance(&self) -> i64 {
        let places = [
            self.answered,
            self.unanswered,
            self.late,
            self.refused,
            self.dropped,
            self.superseded,
            self.in_flight,
            self.lost,
        ];
        let placed: i128 = places.into_iter().map(i128::from).sum();
        let balance = i128::from(self.queries_seen) - placed;
        i64::try_from(balance).unwrap_or(if balance < 0 { i64::MIN } else { i64::MAX })
    }

    /// TCP traffic that was not read. How many messages it held is not known.
    pub fn tcp_unseen(&self) -> u64 {
        [
            self.tcp_untracked,
            self.tcp_gap,
            self.tcp_split,
            self.tcp_crowded,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }

    /// Whether the figures stand for everything that went on.
    pub fn is_complete(&self) -> bool {
        let unseen = self.drops_unseen + self.missed_runs + self.tcp_unseen();
        self.balance() == 0 && self.lost == 0 && self.notice_lost == 0 && unseen == 0
    }
}
