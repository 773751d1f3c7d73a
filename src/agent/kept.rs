//! The windows that are kept, within a bound of memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::SystemTime;

use super::marks::Mark;
use super::marks::Marks;
use super::timed;
use super::timed::Held;
use super::timed::MINUTE;
use super::timed::Place;
use super::timed::Timed;
use super::timed::grouped;

/// A window is closed so often, at whole multiples of it by the wall clock.
pub(super) const STEP: Duration = Duration::from_secs(10);
/// Younger ones are not put together.
const RECENT: Duration = Duration::from_secs(600);

/// The latest windows.
#[derive(Debug)]
pub struct Kept {
    /// The oldest first; each with its size, in octets.
    windows: VecDeque<(Held, usize)>,
    /// One that has made room and is not written yet. It stays until it is, beyond the bound:
    /// the next one that makes room takes its place.
    leaving: Option<(Held, usize)>,
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
            Some((last, _)) if last.goes_on_in(&*next, STEP) => self.merge_with_last(&next),
            _ => self.push(next.into()),
        }
        // The last one stays, or nothing could be said of now.
        while self.octets > self.octets_max && self.windows.len() > 1 {
            // Those of a minute take less together, because their tables are bounded.
            if let Some(chore) = self.chore(|_| true)
                && self.replace(&chore, chore.done())
            {
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
        let mut all = self.windows.iter().map(|(held, _)| held);
        match (all.next(), all.next(), all.next()) {
            (Some(first), Some(last), None) => first.goes_on_in(last, MINUTE),
            _ => false,
        }
    }

    fn pop(&mut self) -> Option<Held> {
        let (last, octets) = self.windows.pop_back()?;
        self.octets -= octets;
        Some(last)
    }

    fn merge_last(&mut self) {
        match self.pop().and_then(|last| last.whole()) {
            Some(last) => self.merge_with_last(&last),
            None => self.forgotten += 1,
        }
    }

    fn merge_with_last(&mut self, next: &Timed) {
        let whole = match self.pop().and_then(|last| last.whole()) {
            Some(mut last) => {
                // Whoever is just looking at it has it as it was.
                Arc::make_mut(&mut last).merge(next);
                last
            }
            None => {
                self.forgotten += 1;
                Arc::new(next.clone())
            }
        };
        self.push(whole.into());
    }

    /// What is to be packed: one of those that are whole but for the newest, or those of a minute
    /// that are all so.
    fn chore(&self, is_so: impl Fn(&Held) -> bool) -> Option<Chore> {
        let all_but_newest = self.windows.len().saturating_sub(1);
        let older = || {
            self.windows
                .iter()
                .take(all_but_newest)
                .map(|(held, _)| held)
        };
        if let Some(whole) = older().find(|held| held.is_whole()) {
            return Some(Chore(vec![whole.clone()]));
        }
        let mut minutes = grouped(older()).into_iter();
        let minute = minutes.find(|minute| minute.len() > 1 && minute.iter().all(&is_so));
        minute.map(Chore)
    }

    /// The same where there is time: minutes are put together when they are long over.
    fn chore_of_now(&self) -> Option<Chore> {
        let newest = self.windows.back().map(|(newest, _)| newest.to);
        let young = newest.and_then(|newest| newest.checked_sub(RECENT + MINUTE));
        self.chore(|held| young.is_some_and(|young| held.from < young))
    }

    /// Puts it in the place of these. Whether it did: they may be gone.
    fn replace(&mut self, chore: &Chore, done: Option<Held>) -> bool {
        let (Some(done), Some(first)) = (done, chore.0.first()) else {
            return false;
        };
        let at = self
            .windows
            .iter()
            .position(|(it, _)| it.place == first.place);
        let Some(range) = at.map(|at| at..at + chore.0.len()) else {
            return false;
        };
        let mut all = self.windows.range(range.start..).take(range.len());
        if !chore
            .0
            .iter()
            .all(|own| all.next().is_some_and(|(it, _)| it.place == own.place))
        {
            return false;
        }
        let octets = done.octets();
        let before: usize = self.windows.drain(range.clone()).map(|(_, it)| it).sum();
        self.windows.insert(range.start, (done, octets));
        self.octets = self.octets - before + octets;
        true
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
        let is_written = |(held, _): &(Held, usize)| held.place.last < next;
        self.leaving.take_if(|it| is_written(it));
    }

    fn all(&self) -> impl Iterator<Item = &Held> {
        let all = self.leaving.iter().chain(&self.windows);
        all.map(|(held, _)| held)
    }

    fn push(&mut self, held: Held) {
        let octets = held.octets();
        self.octets += octets;
        self.windows.push_back((held, octets));
    }

    /// Those that have a part in this time, the oldest first.
    pub fn overlapping(&self, from: SystemTime, to: SystemTime) -> impl Iterator<Item = &Held> {
        self.all().filter(move |held| held.overlaps(from, to))
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
    pub(super) fn last(&self) -> Option<&Held> {
        self.windows.back().map(|(held, _)| held)
    }

    /// The oldest that there is.
    pub(super) fn oldest(&self) -> Option<Place> {
        self.all().next().map(|held| held.place)
    }

    /// Those of minutes that are over, or of all, from this number on: a group for each.
    pub(super) fn minutes(&self, first: u64, with_open: bool) -> Vec<Vec<Held>> {
        let mut minutes = grouped(self.all().filter(|held| held.place.first >= first));
        if !with_open {
            minutes.pop();
        }
        minutes
    }

    /// Since when there are windows.
    pub fn since(&self) -> Option<SystemTime> {
        self.all().next().map(|held| held.from)
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

/// Packs all but the newest, for whoever has the time: nobody waits for it.
pub(super) fn tidy(kept: &Mutex<Kept>) {
    let lock = || kept.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let chore = lock().chore_of_now();
        let Some(chore) = chore else { break };
        let done = chore.done();
        if !lock().replace(&chore, done) {
            break;
        }
    }
}

/// Windows that follow each other, to be one that is packed.
#[derive(Debug)]
struct Chore(Vec<Held>);

impl Chore {
    fn done(&self) -> Option<Held> {
        timed::packed(&self.0)
    }
}

#[cfg(test)]
mod tests;
