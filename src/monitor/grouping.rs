//! Shows the grouper what the poller sees, and takes lookups that are over from it.

use std::cell::RefCell;

use super::cells::Cells;
use crate::attempt::Attempt;
use crate::attempt::Role;
use crate::event::ClosedSocket;
use crate::kernel::Entry;
use crate::lookup::Closed;
use crate::lookup::Grouper;
use crate::lookup::GrouperCounts;
use crate::lookup::Lookup;
use crate::track::Tracker;

/// The grouper, which plain answers go to straight from their record.
#[derive(Debug)]
pub(super) struct Grouping<'a> {
    grouper: &'a RefCell<Grouper>,
    is_wanted: bool,
    /// So many of those that have ended were shown to it.
    shown: usize,
    over: Vec<Lookup>,
}

impl<'a> Grouping<'a> {
    pub(super) fn new(grouper: &'a RefCell<Grouper>, is_wanted: bool) -> Self {
        Self {
            grouper,
            is_wanted,
            shown: 0,
            over: Vec::new(),
        }
    }

    /// Shows it what has ended since the last time; `ended` only grows, until it is handed
    /// on.
    pub(super) fn show(&mut self, ended: &[Attempt]) {
        if self.is_wanted {
            let mut grouper = self.grouper.borrow_mut();
            let new = ended.get(self.shown..).unwrap_or_default();
            new.iter().for_each(|attempt| grouper.attempt(attempt));
        }
        self.shown = ended.len();
    }

    pub(super) fn handed_on(&mut self) {
        self.shown = 0;
    }

    /// A socket was closed: what was shown of it is waited for no longer.
    pub(super) fn closed(&self, closed: &ClosedSocket) {
        if self.is_wanted {
            self.grouper
                .borrow_mut()
                .closed(closed.cookie, closed.at_ns);
        }
    }

    /// A lookup is not over as long as one of its queries waits.
    pub(super) fn waits(&self, entry: &Entry, now_ns: u64, tracker: &Tracker) {
        let mut grouper = self.grouper.borrow_mut();
        if self.is_wanted && (grouper.any_open() || tracker.any_closing()) {
            let attempts = entry.give_up(now_ns).into_iter();
            for mut attempt in attempts.filter(|attempt| attempt.role == Role::Client) {
                tracker.sees_closing(&mut attempt);
                grouper.is_waiting(&attempt, now_ns);
            }
        }
    }

    pub(super) fn is_busy(&self, now_ns: u64) -> bool {
        self.grouper.borrow().is_busy(now_ns)
    }

    pub(super) fn counts(&self) -> GrouperCounts {
        self.grouper.borrow().counts()
    }

    pub(super) fn close(&self, now_ns: u64) {
        self.grouper.borrow_mut().close(now_ns);
    }

    pub(super) fn close_all(&self) {
        self.grouper.borrow_mut().close_all();
    }

    /// Lookups that are over, but those that were counted in their cells.
    pub(super) fn take(&mut self, mut cells: Option<&mut Cells>) -> Vec<Lookup> {
        let mut grouper = self.grouper.borrow_mut();
        for closed in grouper.take() {
            match closed {
                Closed::Told(lookup) => self.over.push(*lookup),
                Closed::Plain(cell, outline) => {
                    let cells = cells.as_mut();
                    if !cells.is_some_and(|it| it.count_lookup(cell, &outline)) {
                        grouper.has_no_place();
                    }
                }
            }
        }
        std::mem::take(&mut self.over)
    }
}
