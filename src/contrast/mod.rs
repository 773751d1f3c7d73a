//! What separates those that failed from those that did not: one attribute, compared
//! with all that have it not. Pure figures; who compares what is elsewhere.

mod fisher;

use crate::thresholds::CHANCE;
use crate::thresholds::DEAD_PERCENT;
use crate::thresholds::FAILURES_MIN;
use crate::units;

/// How many failed, of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failed {
    /// Those that failed.
    pub failed: u64,
    /// All of them.
    pub of: u64,
}

/// An attribute with which nearly all fail, and without which nearly none does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contrast {
    /// Those that have it.
    pub with: Failed,
    /// All others.
    pub others: Failed,
    /// How likely the failures would fall so by chance, if the attribute had nothing to
    /// do with them.
    pub chance: f64,
}

/// How likely so many of the failures would fall on those with an attribute by chance
/// (Fisher's exact test); 0 to 1.
pub fn chance(with: Failed, all: Failed) -> f64 {
    fisher::chance(with, all)
}

impl Failed {
    /// Adds so many, all of one fate.
    pub fn add(&mut self, number: u64, have_failed: bool) {
        self.of += number;
        self.failed += if have_failed { number } else { 0 };
    }

    /// Adds another count.
    pub fn absorb(&mut self, other: &Self) {
        self.failed += other.failed;
        self.of += other.of;
    }

    /// `Of queries with EDNS, 20 of 20 went unanswered; of all others, 0 of 60.`, where
    /// nobody asks if that may be chance.
    pub fn against(&self, others: &Self, (which, rest): (&str, &str), fate: &str) -> String {
        let told = |it: &Self| format!("{} of {}", units::count(it.failed), units::count(it.of));
        format!(
            "Of {which}, {} {fate}; of {rest}, {}.",
            told(self),
            told(others)
        )
    }

    fn without(&self, part: &Self) -> Self {
        Self {
            failed: self.failed.saturating_sub(part.failed),
            of: self.of.saturating_sub(part.of),
        }
    }

    fn is_at_least(&self, percent: u64) -> bool {
        self.failed * 100 >= self.of * percent
    }
}

impl Contrast {
    /// The contrast between those with an attribute and the rest of all, if it is one:
    /// at least [`DEAD_PERCENT`] of the ones fail, three at least, and of the others at
    /// most as many as are left of a hundred; and chance would make it in one of
    /// [`CHANCE`] cases at the most, all the attributes that were looked at together
    /// (Bonferroni's bound).
    pub fn of(with: Failed, all: Failed, looked_at: usize) -> Option<Self> {
        let others = all.without(&with);
        let is_one = with.failed >= FAILURES_MIN
            && others.of >= FAILURES_MIN
            && with.is_at_least(DEAD_PERCENT)
            && others.failed * 100 <= others.of * (100 - DEAD_PERCENT);
        if !is_one {
            return None;
        }
        let chance = chance(with, all);
        let looked_at = looked_at.max(1) as f64;
        (chance * looked_at <= CHANCE).then_some(Self {
            with,
            others,
            chance,
        })
    }

    /// `Of queries with EDNS, 20 of 20 went unanswered; of all others, 0 of 60.`
    pub fn told(&self, which: &str, fate: &str) -> String {
        self.with.against(&self.others, (which, "all others"), fate)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failed(failed: u64, of: u64) -> Failed {
        Failed { failed, of }
    }

    fn found((with, with_of): (u64, u64), (others, others_of): (u64, u64)) -> bool {
        let all = failed(with + others, with_of + others_of);
        Contrast::of(failed(with, with_of), all, 10).is_some()
    }

    #[test]
    fn a_clean_cut_is_found_and_chance_is_not() {
        // The field cases.
        for (with, others) in [(20, 60), (14, 28), (17, 31), (8, 30), (12, 40), (10, 60)] {
            assert!(found((with, with), (0, others)), "{with} {others}");
        }
        // Not quite clean: one was answered from a cache, one of the others got lost.
        assert!(found((19, 20), (1, 60)));
        // Too few to tell: 3 of 3 and 0 of 5 come in one of 56 cases.
        assert!(!found((3, 3), (0, 5)));
        assert!(!found((2, 2), (0, 10_000)));
        // Nothing to compare with.
        assert!(!found((40, 40), (0, 0)));
        assert!(!found((40, 40), (0, 2)));
        // The others fail too.
        assert!(!found((40, 40), (10, 40)));
        assert!(!found((20, 40), (0, 4_000)));
    }

    #[test]
    fn who_looks_at_much_needs_more() {
        // 4 of 4 and 0 of 15 is one of 3,876.
        let of = |looked_at| Contrast::of(failed(4, 4), failed(4, 19), looked_at).is_some();
        assert!(of(1));
        assert!(of(3));
        assert!(!of(4));
    }

    #[test]
    fn it_is_told_with_both_sides() {
        let contrast = Contrast::of(failed(20, 20), failed(20, 1_080), 1).expect("one");
        assert_eq!(
            contrast.told("queries with EDNS", "went unanswered"),
            "Of queries with EDNS, 20 of 20 went unanswered; of all others, 0 of 1,060."
        );
    }

    proptest! {
        /// Its figures add up, whatever goes in.
        #[test]
        fn both_sides_are_all(with in 0_u64..200, well in 0_u64..200, others in 0_u64..200, fine in 0_u64..200) {
            let all = failed(with + others, with + well + others + fine);
            if let Some(it) = Contrast::of(failed(with, with + well), all, 1) {
                prop_assert_eq!(it.with.of + it.others.of, all.of);
                prop_assert_eq!(it.with.failed + it.others.failed, all.failed);
                prop_assert!(it.chance <= CHANCE);
                prop_assert!(it.with.failed >= FAILURES_MIN && it.others.of >= FAILURES_MIN);
            }
        }
    }
}
