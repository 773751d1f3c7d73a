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
    pub(super) fn merge(&mut self, next: Self) {
        self.to = next.to;
        match self.place.is_before(&next.place) {
            true => self.window.merge(next.window),
            false => self.window.merge_apart(next.window),
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
    let mut all = all.iter().map(|it| Timed::clone(it));
    let mut whole = all.next()?;
    all.for_each(|next| whole.merge(next));
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
            marks: Marks::default(),
            octets: 0,
            octets_max,
            forgotten: 0,
        }
    }

    /// Adds the one that is over just now.
    pub fn add(&mut self, mut next: Timed) {
        next.window.shrink();
        match self.windows.back() {
            // It was closed because somebody asked: whoever asks often takes no more room.
            Some((last, _)) if last.goes_on_in(&next, STEP) => {
                self.merge(self.windows.len() - 1, next);
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
            if let Some((_, octets)) = self.windows.pop_front() {
                self.octets -= octets;
                self.forgotten += 1;
            }
        }
    }

    fn push(&mut self, timed: Timed) {
        let octets = timed.window.octets();
        self.octets += octets;
        self.windows.push_back((Arc::new(timed), octets));
    }

    /// Puts it behind the one at this place.
    fn merge(&mut self, at: usize, next: Timed) {
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
            self.merge(at - 1, Arc::unwrap_or_clone(next));
        }
        true
    }

    /// Those that have a part in this time, the oldest first.
    pub fn overlapping(
        &self,
        from: SystemTime,
        to: SystemTime,
    ) -> impl Iterator<Item = &Arc<Timed>> {
        let all = self.windows.iter().map(|(timed, _)| timed);
        all.filter(move |timed| timed.overlaps(from, to))
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
        self.windows.front().map(|(timed, _)| timed.place)
    }

    /// Those of minutes that are over, or of all, from this number on: a group for each.
    pub(super) fn minutes(&self, first: u64, with_open: bool) -> Vec<Vec<Arc<Timed>>> {
        let all = self.windows.iter().map(|(timed, _)| timed);
        let mut minutes = grouped(all.filter(|timed| timed.place.first >= first));
        if !with_open {
            minutes.pop();
        }
        minutes
    }

    /// Since when there are windows.
    pub fn since(&self) -> Option<SystemTime> {
        self.windows.front().map(|(timed, _)| timed.from)
    }

    /// How many there are.
    pub fn number(&self) -> usize {
        self.windows.len()
    }

    /// What they take, in octets; counted, not measured.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Those that had to make room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: u64 = 1_800_000_000;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(BEGIN + seconds)
    }

    fn place(number: u64) -> Place {
        Place {
            run: 1,
            first: number,
            last: number,
        }
    }

    fn filled(number: u64, octets_max: usize) -> Kept {
        let mut kept = Kept::within(octets_max);
        for n in 0..number {
            kept.add(Timed {
                place: place(n),
                from: at(n * 10),
                to: at(n * 10 + 10),
                window: ClosedWindow::default(),
            });
        }
        kept
    }

    #[test]
    fn old_ones_become_minutes_and_nothing_lies_between() {
        let kept = filled(360, usize::MAX);
        // An hour: the last 11 minutes in tens of seconds at least, the rest in minutes.
        assert!(
            (49 + 60..49 + 80).contains(&kept.number()),
            "{}",
            kept.number()
        );
        let all: Vec<_> = kept.overlapping(at(0), at(3600)).collect();
        assert!(all.windows(2).all(|pair| pair[0].to == pair[1].from));
        assert_eq!((all[0].from, all[0].to), (at(0), at(60)));
        let last = all.last().expect("a window");
        assert_eq!((last.from, last.to), (at(3590), at(3600)));
        assert_eq!(kept.since(), Some(at(0)));
    }

    #[test]
    fn what_is_asked_for_is_what_has_a_part_in_it() {
        let kept = filled(60, usize::MAX);
        let some: Vec<_> = kept.overlapping(at(95), at(121)).collect();
        let (first, last) = (some[0], some[some.len() - 1]);
        assert_eq!((first.from, last.to), (at(90), at(130)));
        assert_eq!(kept.overlapping(at(600), at(700)).count(), 0);
        let instant = kept.overlapping(at(100), at(100));
        assert_eq!(instant.count(), 0, "no time at all");
    }

    #[test]
    fn who_asks_often_makes_no_more_windows() {
        let mut kept = Kept::within(usize::MAX);
        let ms = |ms| at(0) + Duration::from_millis(ms);
        for n in 0..2_000 {
            kept.add(Timed {
                place: place(n),
                from: ms(n * 10),
                to: ms(n * 10 + 10),
                window: ClosedWindow::default(),
            });
        }
        assert_eq!(kept.number(), 2);
        let all: Vec<_> = kept.overlapping(at(0), at(20)).collect();
        assert_eq!((all[0].from, all[1].to), (at(0), at(20)));
        assert_eq!((all[0].place.first, all[1].place.last), (0, 1_999));
        let counted: usize = kept
            .overlapping(at(0), at(20))
            .map(|it| it.window.octets())
            .sum();
        assert_eq!(kept.octets(), counted);
    }

    #[test]
    fn minutes_that_are_over_are_told_and_none_is_torn() {
        let kept = filled(20, usize::MAX);
        let places = |first, with_open| -> Vec<_> {
            let minutes = kept.minutes(first, with_open);
            let ends = minutes
                .iter()
                .map(|it| (it[0].place.first, it[it.len() - 1].place.last));
            ends.collect()
        };
        assert_eq!(places(0, false), [(0, 5), (6, 11), (12, 17)]);
        assert_eq!(places(6, true), [(6, 11), (12, 17), (18, 19)]);
        assert_eq!(places(18, false), []);
    }

    #[test]
    fn a_clock_that_is_set_back_tears_a_minute_and_loses_nothing() {
        let mut kept = Kept::within(usize::MAX);
        // At 20 s it is set back to 0.
        for (n, from) in [(0, 0), (1, 10), (2, 0), (3, 10), (4, 20)] {
            kept.add(Timed {
                place: place(n),
                from: at(from),
                to: at(from + 10),
                window: ClosedWindow::default(),
            });
        }
        assert_eq!(kept.number(), 5);
        assert_eq!(kept.overlapping(at(0), at(20)).count(), 4);
        let minutes = kept.minutes(0, true);
        let sizes: Vec<_> = minutes.iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 3]);
    }

    #[test]
    fn the_oldest_make_room_and_are_counted() {
        let mut window = ClosedWindow::default();
        window.shrink();
        let one = window.octets();
        // Five minutes have room as minutes, two have not.
        let kept = filled(30, one * 10);
        assert_eq!((kept.forgotten(), kept.since()), (0, Some(at(0))));
        assert!(kept.octets() <= one * 10);
        let kept = filled(30, one * 3);
        assert_eq!((kept.number(), kept.octets()), (3, one * 3));
        assert!(kept.forgotten() > 0, "{}", kept.forgotten());
        let all: Vec<_> = kept.overlapping(at(0), at(300)).collect();
        assert_eq!(kept.since(), Some(all[0].from));
        assert_eq!(all[2].to, at(300));
        assert!(all.windows(2).all(|pair| pair[0].to == pair[1].from));
        // The last one is not put together with others: it is what is asked for most.
        assert_eq!(all[2].from, at(290));
        let least = filled(3, 0);
        assert_eq!(least.number(), 1);
    }
}
