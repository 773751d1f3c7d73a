//! The figures of the host as they went: what ended in each moment, in bounded memory.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::outcomes::OutcomeTotals;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Plain;

/// A second, in nanoseconds.
const SECOND_NS: u64 = 1_000_000_000;
/// How long a slice may be, in seconds; each is a multiple of the one before, so that slices
/// become longer ones without being torn.
const STEPS_S: [u64; 10] = [1, 5, 10, 30, 60, 300, 900, 1_800, 3_600, 7_200];
/// Slices of one series: as many as a chart has room for.
const SLICES_MAX: usize = 120;
/// Slices of a window that is kept for long are not shorter, in seconds: an agent's are as long.
const KEPT_S: u64 = 10;

/// Latencies are counted by their octave and an eighth of it: a bound of a bucket is at most
/// an eighth above what is in it. From 2^10 ns, a microsecond, on.
const OCTAVE_MIN: u32 = 10;
const EIGHTHS_BITS: u32 = 3;

/// Slices of time in their order.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default)]
pub(super) struct Series {
    /// An index into [`STEPS_S`].
    step: u8,
    slices: Vec<Slice>,
}

/// What ended in one of them.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default)]
struct Slice {
    /// Which one it is, of all of this length since the kernel's clock began.
    slot: u64,
    outcomes: OutcomeTotals,
    /// Answers that were errors.
    errors: u64,
    /// Time that lookups lost that ended in it.
    lost_ns: u64,
    /// Buckets that have a latency, in their order, each with how many.
    latencies: Vec<(u16, u32)>,
}

/// What ended in one slice of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// When it began, in nanoseconds of `CLOCK_MONOTONIC`.
    pub from_ns: u64,
    /// How the client's attempts ended.
    pub outcomes: OutcomeTotals,
    /// Answers that were errors.
    pub errors: u64,
    /// Time that lookups lost that ended in it, in nanoseconds.
    pub lost_ns: u64,
    /// Half of the answers took no longer; up to an eighth too high. `None` without one.
    pub p50_ns: Option<u64>,
    /// 99 % of the answers took no longer; up to an eighth too high.
    pub p99_ns: Option<u64>,
    /// Answers by how long they took: up to so many nanoseconds, a power of two, and longer
    /// than half of that.
    pub octaves: Vec<(u64, u64)>,
}

/// The host's figures as they went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// How long a moment is, in nanoseconds; the first and the last are cut where the watching
    /// began and ended.
    pub step_ns: u64,
    /// Those in which something ended, in their order.
    pub moments: Vec<Moment>,
}

impl Series {
    pub(super) fn record(&mut self, attempt: &Attempt) {
        let slice = self.at(attempt.end_ns);
        slice.outcomes.record(attempt);
        slice.errors += u64::from(attempt.answer.is_some_and(|it| it.is_error()));
        if attempt.outcome == Outcome::Answered {
            slice.count(attempt.end_ns.saturating_sub(attempt.sent_ns), 1);
        }
    }

    /// Counts attempts that were counted together, within a second.
    pub(super) fn count(&mut self, plain: &Plain) {
        let slice = self.at(when(plain));
        slice.outcomes.answered += plain.number();
        plain
            .latencies
            .iter()
            .for_each(|&ns| slice.count(ns.into(), 1));
    }

    /// Counts time that a lookup lost which was over then.
    pub(super) fn lose(&mut self, at_ns: u64, lost_ns: u64) {
        if lost_ns > 0 {
            let slice = self.at(at_ns);
            slice.lost_ns = slice.lost_ns.saturating_add(lost_ns);
        }
    }

    /// Gives back the room that is not used, and makes slices as long as an agent's windows.
    pub(super) fn shrink(&mut self) {
        let step = STEPS_S.iter().position(|&step| step >= KEPT_S).unwrap_or(0);
        if usize::from(self.step) < step {
            self.lengthen(step);
        }
        self.slices
            .iter_mut()
            .for_each(|it| it.latencies.shrink_to_fit());
        self.slices.shrink_to_fit();
    }

    /// What it has beside itself, in octets.
    pub(super) fn octets(&self) -> usize {
        let latencies = self
            .slices
            .iter()
            .map(|it| it.latencies.capacity())
            .sum::<usize>();
        self.slices.capacity() * size_of::<Slice>() + latencies * size_of::<(u16, u32)>()
    }

    /// Adds what came right after.
    pub(super) fn follow(&mut self, next: &Self) {
        let step = self.step.max(next.step);
        self.lengthen(step.into());
        for slice in &next.slices {
            let mut slice = slice.clone();
            // They may have become longer by the one before.
            slice.slot /= self.seconds() / next.seconds();
            self.add(&slice);
        }
    }

    pub(super) fn course(&self) -> Course {
        let step_ns = self.seconds() * SECOND_NS;
        let mut moments: Vec<_> = self.slices.iter().map(|it| it.moment(step_ns)).collect();
        // What was late in one had been counted as unanswered in one before.
        let mut owed = 0;
        for Moment { outcomes, .. } in moments.iter_mut().rev() {
            let moved = outcomes.unanswered.min(owed);
            outcomes.unanswered -= moved;
            owed = owed - moved + std::mem::take(&mut outcomes.owed);
        }
        Course { step_ns, moments }
    }

    fn seconds(&self) -> u64 {
        STEPS_S[usize::from(self.step)]
    }

    /// The slice that has this moment.
    fn at(&mut self, at_ns: u64) -> &mut Slice {
        let slot = at_ns / SECOND_NS / self.seconds();
        let place = self.place(slot);
        &mut self.slices[place]
    }

    /// Where the slice with this number is. It is made if there is none; where there is no room
    /// for it, all become longer, and where they are as long as they get, it is the one before.
    fn place(&mut self, mut slot: u64) -> usize {
        loop {
            let before = self.slices.iter().rposition(|it| it.slot <= slot);
            let step = usize::from(self.step);
            let place = match before {
                Some(place) if self.slices[place].slot == slot => return place,
                before => before.map_or(0, |before| before + 1),
            };
            if self.slices.len() < SLICES_MAX {
                let slice = Slice {
                    slot,
                    ..Slice::default()
                };
                self.slices.insert(place, slice);
                return place;
            }
            let Some(longer) = STEPS_S.get(step + 1) else {
                return place.saturating_sub(1);
            };
            slot /= longer / STEPS_S[step];
            self.lengthen(step + 1);
        }
    }

    fn add(&mut self, slice: &Slice) {
        let place = self.place(slice.slot);
        self.slices[place].follow(slice);
    }

    /// Makes slices as long as this step, if they are shorter.
    fn lengthen(&mut self, step: usize) {
        let step = step.min(STEPS_S.len() - 1);
        let factor = STEPS_S[step] / self.seconds();
        self.step = u8::try_from(step).unwrap_or(0);
        if factor <= 1 {
            return;
        }
        let mut longer: Vec<Slice> = Vec::new();
        for mut slice in std::mem::take(&mut self.slices) {
            slice.slot /= factor;
            match longer.last_mut() {
                Some(last) if last.slot == slice.slot => last.follow(&slice),
                _ => longer.push(slice),
            }
        }
        self.slices = longer;
    }
}

/// When they were answered, about: they took no longer than a tenth of a second.
pub(super) fn when(plain: &Plain) -> u64 {
    let sent_ns = plain.moments.iter().copied().max();
    sent_ns.unwrap_or(0).max(plain.example.end_ns)
}

impl Slice {
    fn count(&mut self, ns: u64, number: u32) {
        let bucket = bucket(ns);
        match self.latencies.binary_search_by_key(&bucket, |it| it.0) {
            Ok(at) => self.latencies[at].1 = self.latencies[at].1.saturating_add(number),
            Err(at) => self.latencies.insert(at, (bucket, number)),
        }
    }

    /// Adds what ended later in the same.
    fn follow(&mut self, next: &Self) {
        self.outcomes.follow(&next.outcomes);
        self.errors += next.errors;
        self.lost_ns = self.lost_ns.saturating_add(next.lost_ns);
        for &(bucket, number) in &next.latencies {
            match self.latencies.binary_search_by_key(&bucket, |it| it.0) {
                Ok(at) => self.latencies[at].1 = self.latencies[at].1.saturating_add(number),
                Err(at) => self.latencies.insert(at, (bucket, number)),
            }
        }
    }

    fn moment(&self, step_ns: u64) -> Moment {
        let mut octaves: Vec<(u64, u64)> = Vec::new();
        for &(bucket, number) in &self.latencies {
            let up_to = octave_end(bucket);
            match octaves.last_mut() {
                Some((last, sum)) if *last == up_to => *sum += u64::from(number),
                _ => octaves.push((up_to, number.into())),
            }
        }
        Moment {
            from_ns: self.slot.saturating_mul(step_ns),
            outcomes: self.outcomes,
            errors: self.errors,
            lost_ns: self.lost_ns,
            p50_ns: self.within(50),
            p99_ns: self.within(99),
            octaves,
        }
    }

    /// So many percent took no longer.
    fn within(&self, percent: u64) -> Option<u64> {
        let all: u64 = self.latencies.iter().map(|it| u64::from(it.1)).sum();
        let rank = (all * percent).div_ceil(100);
        let mut seen = 0;
        let found = self.latencies.iter().find(|it| {
            seen += u64::from(it.1);
            seen >= rank
        });
        found.map(|it| end(it.0))
    }
}

/// Of the latency that is no longer than [`end`] of it, and longer than that of the one before.
fn bucket(ns: u64) -> u16 {
    let below = ns.saturating_sub(1).max(1 << OCTAVE_MIN);
    let octave = below.ilog2();
    let eighth = (below >> (octave - EIGHTHS_BITS)) & ((1 << EIGHTHS_BITS) - 1);
    let bucket = u64::from((octave - OCTAVE_MIN) << EIGHTHS_BITS) + eighth;
    u16::try_from(bucket).unwrap_or(u16::MAX)
}

/// The longest latency in it, in nanoseconds.
fn end(bucket: u16) -> u64 {
    let octave = OCTAVE_MIN + (u32::from(bucket) >> EIGHTHS_BITS);
    let eighths = 9 + (u64::from(bucket) & ((1 << EIGHTHS_BITS) - 1));
    let shift = octave.saturating_sub(EIGHTHS_BITS);
    eighths.saturating_mul(1u64.checked_shl(shift).unwrap_or(u64::MAX))
}

/// The longest latency in its octave, a power of two.
fn octave_end(bucket: u16) -> u64 {
    let octave = OCTAVE_MIN + (u32::from(bucket) >> EIGHTHS_BITS) + 1;
    1u64.checked_shl(octave).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
