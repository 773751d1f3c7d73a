//! What kerno itself saw and lost, and how it stands now.

use std::time::SystemTime;

use crate::collect::Accounting;

/// Running totals of the accounting of closed windows.
#[derive(Clone, Debug)]
pub(super) struct Books {
    /// Attempts that the kernel side saw.
    pub(super) seen: u64,
    /// Those that have ended; a late answer is no second end.
    pub(super) ended: u64,
    /// Those that wait.
    pub(super) in_flight: u64,
    /// Those whose end is not known, by where it was lost.
    pub(super) lost: Vec<(&'static str, u64)>,
    /// What else was not seen: not all of it is queries.
    pub(super) unseen: Vec<(&'static str, u64)>,
    /// Windows that were judged, and when the last one ended.
    pub(super) windows: u64,
    pub(super) end: Option<SystemTime>,
}

impl Default for Books {
    fn default() -> Self {
        let mut books = Self {
            seen: 0,
            ended: 0,
            in_flight: 0,
            lost: Vec::new(),
            unseen: Vec::new(),
            windows: 0,
            end: None,
        };
        // Each way of losing something is there before anything is lost.
        books.count(&Accounting::default());
        books
    }
}

impl Books {
    /// Adds the accounting of one window.
    pub(super) fn add(&mut self, of: &Accounting, to: SystemTime) {
        self.count(of);
        self.windows += 1;
        self.end = Some(to);
    }

    fn count(&mut self, of: &Accounting) {
        self.seen += of.kernel.queries;
        self.ended += of.outcomes.queries().saturating_sub(of.outcomes.owed);
        self.in_flight = of.in_flight;
        let lost = [
            ("inflight_full", of.lost_by.inflight_full),
            ("ring_full", of.lost_by.ring_full),
        ];
        let unseen = [
            ("answers_stray", of.stray_answers),
            ("drops_unjoined", of.drops_unjoined),
            ("drops_unseen", of.drops_unseen),
            ("ipv6_chained", of.kernel.ipv6_chained),
            ("lookups_cut_short", of.grouped.lookups_cut_short),
            ("lookups_lost", of.grouped.lookups_lost),
            ("notices_lost", of.kernel.notice_lost),
            ("runs_missed", of.kernel.missed_runs),
            ("tcp_unread", of.kernel.tcp_unseen()),
        ];
        add(&mut self.lost, &lost);
        add(&mut self.unseen, &unseen);
    }
}

fn add(totals: &mut Vec<(&'static str, u64)>, next: &[(&'static str, u64)]) {
    if totals.is_empty() {
        totals.extend(next.iter().map(|(name, _)| (*name, 0)));
    }
    for ((_, total), (_, number)) in totals.iter_mut().zip(next) {
        *total = total.saturating_add(*number);
    }
}
