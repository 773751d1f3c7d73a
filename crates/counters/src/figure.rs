//! Figures as their reader hands them on: they add up over processes and windows.

use std::collections::BTreeMap;

/// Slots of a histogram: the last one has what is above 2 to the power of 39 ns, nine
/// minutes.
pub const LOG2_SLOTS: usize = 40;

/// One figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Figure {
    /// So many.
    Count(u64),
    /// How many took how long: slot n has those below 2 to the power of n + 1
    /// nanoseconds that are in none before it.
    Log2Ns(Vec<u64>),
}

impl Figure {
    /// Whether there is nothing in it.
    pub fn is_zero(&self) -> bool {
        match self {
            Self::Count(count) => *count == 0,
            Self::Log2Ns(slots) => slots.iter().all(|slot| *slot == 0),
        }
    }

    /// Adds another one of the same counter.
    pub fn add(&mut self, other: &Self) {
        match (self, other) {
            (Self::Count(sum), Self::Count(more)) => *sum = sum.saturating_add(*more),
            (Self::Log2Ns(sum), Self::Log2Ns(more)) => {
                let len = sum.len().max(more.len());
                sum.resize(len, 0);
                let more = more.iter().copied().chain(std::iter::repeat(0));
                sum.iter_mut()
                    .zip(more)
                    .for_each(|(it, more)| *it = it.saturating_add(more));
            }
            // A counter is always of one kind.
            (Self::Count(_), Self::Log2Ns(_)) | (Self::Log2Ns(_), Self::Count(_)) => {}
        }
    }

    /// What it has more than an earlier one of the same counter.
    pub fn since(&self, before: &Self) -> Self {
        match (self, before) {
            (Self::Count(now), Self::Count(before)) => Self::Count(now.saturating_sub(*before)),
            (Self::Log2Ns(now), Self::Log2Ns(before)) => {
                let before = before.iter().copied().chain(std::iter::repeat(0));
                let more = now.iter().zip(before);
                Self::Log2Ns(
                    more.map(|(now, before)| now.saturating_sub(before))
                        .collect(),
                )
            }
            // A counter is always of one kind.
            (Self::Count(_), Self::Log2Ns(_)) | (Self::Log2Ns(_), Self::Count(_)) => self.clone(),
        }
    }
}

/// Figures by counter.
pub type Figures = BTreeMap<String, Figure>;

/// Adds all of them.
pub fn add_all(sum: &mut Figures, more: &Figures) {
    for (counter, figure) in more {
        match sum.get_mut(counter) {
            Some(known) => known.add(figure),
            None => {
                sum.insert(counter.clone(), figure.clone());
            }
        }
    }
}
