//! What the two base rules measure, so that one search finds who has it.

use super::explanation::Explanation;
use super::explanation::Measured;
use super::finding::Finding;
use super::finding::Severity;
use super::rule::Rule;
use crate::collect::Figures;
use crate::thresholds::FAILURE_CRITICAL_PERCENT;
use crate::thresholds::FAILURE_WARNING_PERCENT;
use crate::thresholds::FAILURES_MIN;
use crate::thresholds::LATENCY_CRITICAL_NS;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::thresholds::SAMPLE_MIN;
use crate::thresholds::SLOW_MIN;
use crate::units;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metric {
    /// Queries that failed.
    Failed,
    /// Answers that took longer than the warning threshold.
    Slow,
}

impl Metric {
    /// How bad it is if so many attempts fail, or answers take so long.
    pub(super) fn severity(self, figures: &Figures) -> Option<Severity> {
        let (affected, of) = self.share(figures);
        let (is_notable, is_critical) = match self {
            Self::Failed => {
                let exceeds =
                    |percent| u128::from(affected) * 100 > u128::from(of) * u128::from(percent);
                let is_notable = affected >= FAILURES_MIN && exceeds(FAILURE_WARNING_PERCENT);
                (is_notable, exceeds(FAILURE_CRITICAL_PERCENT))
            }
            Self::Slow => {
                let p99_ns = figures.latency.as_ref()?.p99_ns;
                // The P99 of up to 100 answers is the slowest alone.
                let is_notable = affected >= SLOW_MIN && p99_ns > LATENCY_WARNING_NS;
                (is_notable, p99_ns > LATENCY_CRITICAL_NS)
            }
        };
        let is_critical = is_critical && of >= SAMPLE_MIN;
        is_notable.then_some(Severity::critical_if(is_critical))
    }

    /// A finding of the rule that looks at it, with the threshold that was passed.
    pub(super) fn finding(
        self,
        explanation: Explanation,
        figures: &Figures,
        severity: Severity,
    ) -> Finding {
        let (affected, of) = self.share(figures);
        let passed = |warning, critical| match severity {
            Severity::Critical => critical,
            _ => warning,
        };
        let (rule, measured) = match self {
            Self::Failed => {
                let ratio = units::ratio(affected, of);
                let percent = passed(FAILURE_WARNING_PERCENT, FAILURE_CRITICAL_PERCENT);
                (Rule::FailureRate, Measured::percent(ratio, percent))
            }
            Self::Slow => {
                let p99_ns = figures.latency.as_ref().map_or(0, |it| it.p99_ns);
                // Three decimals are more than the histogram has.
                let p99_ns = p99_ns.saturating_add(500) / 1_000 * 1_000;
                let threshold_ns = passed(LATENCY_WARNING_NS, LATENCY_CRITICAL_NS);
                (Rule::HighLatency, Measured::ms(p99_ns, threshold_ns))
            }
        };
        Finding {
            queries: affected,
            lost_ns: figures.lookups.lost_ns,
            ..explanation.finding(rule, severity, measured)
        }
    }

    /// How many of a scope's attempts have it, and how many could have had it.
    pub(super) fn share(self, figures: &Figures) -> (u64, u64) {
        match self {
            Self::Failed => (figures.outcomes.failed(), figures.queries()),
            Self::Slow => (
                figures.slower_than(LATENCY_WARNING_NS),
                figures.outcomes.answered,
            ),
        }
    }

    /// `90 of 400 queries failed (23 %)`
    pub(super) fn told(self, share: (u64, u64)) -> String {
        self.told_of(share, None)
    }

    /// `90 of 400 queries of curl (pid 4242) failed (23 %)`
    pub(super) fn told_of(self, (affected, of): (u64, u64), whom: Option<&str>) -> String {
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
        let (_, size) = self.share(figures);
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
