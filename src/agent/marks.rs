//! What was told of findings, for the history of the minute in which it was told.

use std::collections::VecDeque;

use crate::doctor::Finding;
use crate::doctor::Severity;
use crate::doctor::Verdict;

/// Marks that are kept; the oldest make room.
const MARKS_MAX: usize = 4_096;

/// A finding that was opened, or became critical: what the log and the alerts have told must
/// be found in the history, too, though whole minutes may not show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) verdict: Verdict,
    pub(super) rule: &'static str,
    pub(super) workload: Option<String>,
}

impl Mark {
    /// Of a finding, with the worst that it was.
    pub(super) fn of(finding: &Finding, worst: Severity) -> Self {
        Self {
            verdict: match worst {
                Severity::Critical => Verdict::Critical,
                _ => Verdict::Warning,
            },
            rule: finding.rule.name(),
            workload: finding.scope.workload.as_ref().map(ToString::to_string),
        }
    }
}

/// The latest, each with the number of the window at whose end it was told.
#[derive(Debug, Default)]
pub(super) struct Marks(VecDeque<(u64, Mark)>);

impl Marks {
    /// One more; those before this window are gone.
    pub(super) fn add(&mut self, oldest: u64, number: u64, mark: Mark) {
        self.0.retain(|(of, _)| *of >= oldest);
        if self.0.len() == MARKS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((number, mark));
    }

    /// Those of these windows.
    pub(super) fn of(&self, first: u64, last: u64) -> Vec<Mark> {
        let in_it = |number: u64| (first..=last).contains(&number);
        let marks = self.0.iter().filter(|(number, _)| in_it(*number));
        marks.map(|(_, mark)| mark.clone()).collect()
    }
}
