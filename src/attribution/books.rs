//! How often it could be said whose an attempt is, as figures of one window.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use serde::Serialize;

use super::names::NameCounts;
use super::station::Attributed;
use super::tree::TreeCounts;

/// Sentences that are kept of all windows together; there is one for each place that names
/// are asked of.
const COMPLAINTS_MAX: usize = 16;

/// How it went to say whose attempts are, in one window.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// The figures of it.
    pub counts: Counts,
    /// What could not be found out and why, as sentences.
    pub complaints: Vec<String>,
}

/// Everything that is counted about it. Unfiltered, both roles.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize,
)]
pub struct Counts {
    /// Attempts.
    #[serde(flatten)]
    pub attempts: Attributed,
    /// Names.
    #[serde(flatten)]
    pub names: NameCounts,
    /// Control groups.
    #[serde(flatten)]
    pub tree: TreeCounts,
}

impl Books {
    /// Of the time since the counts were as they were before.
    pub(super) fn since(before: &Counts, now: Counts, mut complaints: Vec<String>) -> Self {
        let counts = now.since(*before);
        let names = &counts.names;
        // What nobody missed in this time is no trouble.
        if counts.attempts.unnamed == 0 && names.nameless == 0 && names.named_late == 0 {
            complaints.clear();
        }
        Self { counts, complaints }
    }

    /// Adds those of the window behind.
    pub fn follow(&mut self, next: Self) {
        self.counts.add(next.counts);
        for complaint in next.complaints {
            let room = self.complaints.len() < COMPLAINTS_MAX;
            if room && !self.complaints.contains(&complaint) {
                self.complaints.push(complaint);
            }
        }
    }
}

impl Counts {
    fn each(&mut self) -> [&mut u64; 11] {
        let Attributed {
            attributed,
            unknown,
            unnamed,
            hurried,
        } = &mut self.attempts;
        let NameCounts {
            named,
            nameless,
            named_late,
            source_failures,
        } = &mut self.names;
        let TreeCounts {
            cgroups_met,
            cgroups_unwatched,
            cgroup_rewalks,
        } = &mut self.tree;
        [
            attributed,
            unknown,
            unnamed,
            hurried,
            named,
            nameless,
            named_late,
            source_failures,
            cgroups_met,
            cgroups_unwatched,
            cgroup_rewalks,
        ]
    }

    /// A row of a history may say anything.
    fn add(&mut self, mut next: Self) {
        let both = self.each().into_iter().zip(next.each());
        both.for_each(|(sum, more)| *sum = sum.saturating_add(*more));
    }

    fn since(mut self, mut before: Self) -> Self {
        let both = self.each().into_iter().zip(before.each());
        both.for_each(|(now, before)| *now = now.saturating_sub(*before));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(first: u64) -> Counts {
        let mut counts = Counts::default();
        let each = counts.each().into_iter();
        each.zip(first..).for_each(|(it, number)| *it = number);
        counts
    }

    #[test]
    fn what_was_counted_in_windows_adds_up_to_the_whole() {
        let (early, late) = (counts(3), counts(1_000));
        let mut whole = Books::since(&Counts::default(), early, Vec::new());
        whole.follow(Books::since(&early, late, Vec::new()));
        assert_eq!(whole, Books::since(&Counts::default(), late, Vec::new()));
        assert_eq!(whole.counts, late);
        // No two are the same field.
        let mut numbers = whole.counts.each().map(|it| *it);
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(1_000..1_011));
    }

    #[test]
    fn a_complaint_is_of_windows_where_somebody_went_without_a_name_and_said_once() {
        let said = || vec!["nobody knows".to_owned()];
        let (before, mut now) = (counts(3), counts(3));
        now.attempts.attributed += 7;
        assert!(Books::since(&before, now, said()).complaints.is_empty());
        now.attempts.unnamed += 1;
        let mut books = Books::since(&before, now, said());
        assert_eq!(books.complaints, said());
        books.follow(Books::since(&before, now, said()));
        assert_eq!(books.complaints, said());
        assert_eq!(books.counts.attempts.unnamed, 2);
    }

    #[test]
    fn hostile_figures_stay_figures() {
        let mut books = Books::default();
        for number in 0..50 {
            books.follow(Books {
                counts: counts(u64::MAX - 20),
                complaints: vec![number.to_string()],
            });
        }
        assert_eq!(books.counts.attempts.attributed, u64::MAX);
        assert_eq!(books.complaints.len(), COMPLAINTS_MAX);
    }
}
