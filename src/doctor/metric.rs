//! What the two base rules measure, so that one search finds who has it.

use crate::collect::Figures;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::thresholds::SAMPLE_MIN;
use crate::units;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metric {
    /// Queries that failed.
    Failed,
    /// Answers that took longer than the warning threshold.
    Slow,
}

impl Metric {
    /// How many of a scope's attempts have it.
    pub(super) fn affected(self, figures: &Figures) -> u64 {
        match self {
            Self::Failed => figures.outcomes.failed(),
            Self::Slow => figures.slower_than(LATENCY_WARNING_NS),
        }
    }

    /// How many could have had it.
    pub(super) fn of(self, figures: &Figures) -> u64 {
        match self {
            Self::Failed => figures.queries(),
            Self::Slow => figures.outcomes.answered,
        }
    }

    /// `90 of 400 queries failed (23 %)`
    pub(super) fn told(self, affected: u64, of: u64) -> String {
        self.told_of(affected, of, None)
    }

    /// `90 of 400 queries of curl (pid 4242) failed (23 %)`
    pub(super) fn told_of(self, affected: u64, of: u64, whom: Option<&str>) -> String {
        let (what, whose, did) = match self {
            Self::Failed => (units::queries(of), "of", "failed"),
            Self::Slow if affected == 1 => {
                (units::counted(of, "answer", "answers"), "to", "was slow")
            }
            Self::Slow => (units::counted(of, "answer", "answers"), "to", "were slow"),
        };
        let whose = whom.map_or(String::new(), |whom| format!(" {whose} {whom}"));
        let (affected, share) = (units::count(affected), units::percent(affected, of));
        format!("{affected} of {what}{whose} {did} ({share})")
    }

    /// What a small sample is worth, in words; `None` if it is large enough.
    pub(super) fn small_sample(self, figures: &Figures) -> Option<String> {
        let size = self.of(figures);
        let what = match self {
            Self::Failed => "queries",
            Self::Slow => "answers",
        };
        (size < SAMPLE_MIN).then(|| {
            format!(
                "The sample is small: {size} {what}, and it takes {SAMPLE_MIN} for more than a \
                 warning."
            )
        })
    }
}
