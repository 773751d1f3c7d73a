//! What the two base rules measure, so that one search finds who has it.

use crate::collect::Figures;
use crate::thresholds::LATENCY_WARNING_NS;
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
        self.phrase(affected, of, "")
    }

    /// `90 of 400 queries of curl (pid 4242) failed (23 %)`
    pub(super) fn told_of(self, affected: u64, of: u64, whom: &str) -> String {
        let preposition = match self {
            Self::Failed => "of",
            Self::Slow => "to",
        };
        self.phrase(affected, of, &format!(" {preposition} {whom}"))
    }

    fn phrase(self, affected: u64, of: u64, whose: &str) -> String {
        let (what, did) = match self {
            Self::Failed => (units::queries(of), "failed"),
            Self::Slow => {
                let did = if affected == 1 {
                    "was slow"
                } else {
                    "were slow"
                };
                (units::counted(of, "answer", "answers"), did)
            }
        };
        format!(
            "{} of {what}{whose} {did} ({})",
            units::count(affected),
            units::percent(affected, of)
        )
    }
}
