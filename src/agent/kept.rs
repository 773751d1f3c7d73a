//! The windows that are kept, within a bound of memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use super::marks::Mark;
use super::marks::Marks;
use crate::window::ClosedWindow;

/// A window is closed so often, at whole multiples of it by the wall clock.
pub(super) const STEP: Duration = Duration::from_secs(10);
/// Older ones are put together, to be as long as this.
const MINUTE: Duration = Duration::from_secs(60);
/// Younger ones stay as they are.
const RECENT: Duration = Duration::from_secs(600);

/// Which window it is, whatever the clock says: a run of an agent counts its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The run, by a random number.
    pub run: i64,
    /// The first window that is in it.
    pub first: u64,
    /// The last one.
    pub last: u64,
}

impl Place {
    /// Whether this one ends where the other begins.
    pub(super) fn is_before(&self, next: &Self) -> bool {
        self.run == next.run && self.last + 1 == next.first
    }
}

/// A window, and when it was by the wall clock.
#[derive(Clone, Debug)]
pub struct Timed {
    /// Which it is.
    pub place: Place,
    /// When it began.
    pub from: SystemTime,
    /// When it ended.
    pub to: SystemTime,
    /// What was seen.
    pub window: ClosedWindow,
}

impl Timed {
    /// Puts a later one behind it.
    pub(super) fn merge(&mut self, next: &Self) {
        self.to = next.to;
        match self.place.is_before(&next.place) {
            true => self.window.merge(&next.window),
            false => self.window.merge_apart(&next.window),
        }
        if self.place.run == next.place.run {
            self.place.last = next.place.last;
        } else {
            self.place = next.place;
        }
    }

    pub(super) fn overlaps(&self, from: SystemTime, to: SystemTime) -> bool {
        self.from < to && self.to > from
    }

    /// Which one it begins in, of all times of this length since 1970.
    fn number(&self, length: Duration) -> u64 {
        number(self.from, length)
    }

    /// Whether the time of this length is over that it began in.
    pub(super) fn is_over(&self, length: Duration) -> bool {
        number(self.to, length) != self.number(length)
    }

    /// Whether both are in one time of this length, and nothing lies between.
    fn goes_on_in(&self, next: &Self, length: Duration) -> bool {
        self.place.is_before(&next.place)
            && self.to == next.from
            && self.number(length) == next.number(length)
    }
}

/// Those of one minute that follow each other.
pub(super) fn grouped<'a>(all: impl Iterator<Item = &'a Arc<Timed>>) -> Vec<Vec<Arc<Timed>>> {
    let mut minutes: Vec<Vec<Arc<Timed>>> = Vec::new();
    for timed in all {
        match minutes.last_mut() {
            Some(minute)
                if minute
                    .last()
                    .is_some_and(|last| last.goes_on_in(timed, MINUTE)) =>
            {
                minute.push(Arc::clone(timed));
            }
            _ => minutes.push(vec![Arc::clone(timed)]),
        }
    }
    minutes
}

/// One window of several that follow each other.
pub(super) fn together(all: &[Arc<Timed>]) -> Option<Timed> {
    let (first, rest) = all.split_first()?;
    let mut whole = Timed::clone(first);
    rest.iter().for_each(|next| whole.merge(next));
    Some(whole)
}

fn number(moment: SystemTime, length: Duration) -> u64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs() / length.as_secs()
}

/// The latest windows.
#[derive(Debug)]
pub struct Kept {
    /// The oldest first; each with its size, in octets.
    windows: VecDeque<(Arc<Timed>, usize)>,
    /// One that has made room and is not written yet. It stays until it is, beyond the bound:
    /// the next one that makes room takes its place.
    leaving: Option<(Arc<Timed>, usize)>,
    /// Where somebody writes: the first window that is not written.
    unwritten: Option<u64>,
    marks: Marks,
    octets: usize,
    octets_max: usize,
    forgotten: u64,
}

impl Kept {
    /// As many as take so many octets.
    pub fn within(octets_max: usize) -> Self {
        Self {
            windows: VecDeque::new(),
            leaving: None,
            unwritten: None,
            marks: Marks::default(),
            octets: 0,
            octets_max,
            forgotten: 0,
        }
    }

    /// Adds the one that is over just now, and was shrunk.
    pub fn add(&mut self, next: impl Into<Arc<Timed>>) {
        let next = next.into();
        match self.windows.back() {
            // It was closed because somebody asked: whoever asks often takes no more room.
            Some((last, _)) if last.goes_on_in(&next, STEP) => {
                self.merge(self.windows.len() - 1, &next);
            }
            _ => self.push(next),
        }
        self.put_old_together();
        // The last one stays, or nothing could be said of now.
        while self.octets > self.octets_max && self.windows.len() > 1 {
            // Those of a minute take less together, because their tables are bounded.
            if self.put_together(|_| true) {
                continue;
            }
            match self.is_one_minute() {
                // It is over when it is written, and the bound is less than it takes.
                true => self.merge_last(),
                false => self.forget_first(),
            }
        }
    }

    /// Whether nothing is left but the minute that is open.
    fn is_one_minute(&self) -> bool {
        let mut all = self.windows.iter().map(|(timed, _)| timed);
        match (all.next(), all.next(), all.next()) {
            (Some(first), Some(last), None) => first.goes_on_in(last, MINUTE),
            _ => false,
        }
    }

    fn merge_last(&mut self) {
        if let Some((last, octets)) = self.windows.pop_back() {
            self.octets -= octets;
            self.merge(self.windows.len() - 1, &last);
        }
    }

    fn forget_first(&mut self) {
        let Some((first, octets)) = self.windows.pop_front() else {
            return;
        };
        self.octets -= octets;
        self.forgotten += 1;
        if self.unwritten.is_some_and(|next| next <= first.place.last) {
            self.leaving = Some((first, octets));
        }
    }

    /// All before this one are written, or lost.
    pub(super) fn written(&mut self, next: u64) {
        self.unwritten = Some(next);
        let is_written = |(timed, _): &(Arc<Timed>, usize)| timed.place.last < next;
        self.leaving.take_if(|it| is_written(it));
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Timed>> {
        let all = self.leaving.iter().chain(&self.windows);
        all.map(|(timed, _)| timed)
    }

    fn push(&mut self, timed: Arc<Timed>) {
        let octets = timed.window.octets();
        self.octets += octets;
        self.windows.push_back((timed, octets));
    }

    /// Puts it behind the one at this place.
    fn merge(&mut self, at: usize, next: &Timed) {
        if let Some((first, octets)) = self.windows.get_mut(at) {
            // Whoever is just looking at it has it as it was.
            Arc::make_mut(first).merge(next);
            self.octets -= *octets;
            *octets = first.window.octets();
            self.octets += *octets;
        }
    }

    /// Those of a minute that is long over become one.
    fn put_old_together(&mut self) {
        let newest = self.windows.back().map(|(newest, _)| newest.to);
        let young = newest.and_then(|newest| newest.checked_sub(RECENT + MINUTE));
        self.put_together(|timed| young.is_some_and(|young| timed.from < young));
    }

    /// The first two of a minute become one, if the second is so; the last one stays as it is.
    /// Whether there were two.
    fn put_together(&mut self, is_so: impl Fn(&Timed) -> bool) -> bool {
        let pair = (1..self.windows.len().saturating_sub(1)).find(|&at| {
            let (first, second) = (&self.windows[at - 1].0, &self.windows[at].0);
            first.goes_on_in(second, MINUTE) && is_so(second)
        });
        let Some(at) = pair else { return false };
        if let Some((next, octets)) = self.windows.remove(at) {
            self.octets -= octets;
            self.merge(at - 1, &next);
        }
        true
    }

    /// Those that have a part in this time, the oldest first.
    pub fn overlapping(
        &self,
        from: SystemTime,
        to: SystemTime,
    ) -> impl Iterator<Item = &Arc<Timed>> {
        self.all().filter(move |timed| timed.overlaps(from, to))
    }

    /// Something was told at the end of the window with this number.
    pub(super) fn mark(&mut self, number: u64, mark: Mark) {
        let oldest = self.oldest().map_or(0, |oldest| oldest.first);
        self.marks.add(oldest, number, mark);
    }

    /// What was told in these windows of this run.
    pub(super) fn marks(&self, place: Place) -> Vec<Mark> {
        self.marks.of(place.first, place.last)
    }

    /// The latest one.
    pub(super) fn last(&self) -> Option<&Arc<Timed>> {
        self.windows.back().map(|(timed, _)| timed)
    }

    /// The oldest that there is.
    pub(super) fn oldest(&self) -> Option<Place> {
        self.all().next().map(|timed| timed.place)
    }

    /// Those of minutes that are over, or of all, from this number on: a group for each.
    pub(super) fn minutes(&self, first: u64, with_open: bool) -> Vec<Vec<Arc<Timed>>> {
        let mut minutes = grouped(self.all().filter(|timed| timed.place.first >= first));
        if !with_open {
            minutes.pop();
        }
        minutes
    }

    /// Since when there are windows.
    pub fn since(&self) -> Option<SystemTime> {
        self.all().next().map(|timed| timed.from)
    }

    /// How many there are.
    pub fn number(&self) -> usize {
        self.windows.len()
    }

    /// What they take, in octets; counted, not measured.
    pub fn octets(&self) -> usize {
        self.octets + self.leaving.as_ref().map_or(0, |(_, octets)| *octets)
    }

    /// Those that had to make room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests;
