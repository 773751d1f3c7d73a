//! When something was wrong: windows one after the other with the same trouble.

use std::collections::BTreeSet;
use std::time::SystemTime;

use serde::Deserialize;
use serde::Serialize;

use super::marks::Mark;
use super::timed::Timed;
use crate::doctor::Severity;
use crate::doctor::Verdict;
use crate::host::Facts;
use crate::report::Report;

/// Workloads that one window names.
const WORKLOADS_MAX: usize = 64;

/// A time in which something was wrong.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// When it began and ended, to the length of a window: RFC 3339.
    pub from: String,
    /// See `from`.
    pub to: String,
    /// The worst of its windows: `warning` or `critical`.
    pub verdict: Verdict,
    /// The rules that found something, causes and summaries.
    pub rules: BTreeSet<String>,
    /// Whom it hurt, as far as findings name them.
    pub workloads: BTreeSet<String>,
}

/// What one window says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) from: SystemTime,
    pub(super) to: SystemTime,
    pub(super) queries: u64,
    pub(super) verdict: Verdict,
    pub(super) rules: BTreeSet<String>,
    pub(super) workloads: BTreeSet<String>,
}

impl Line {
    /// Of this window; the doctor is asked.
    pub(super) fn of(timed: Timed) -> Self {
        let queries = timed.window.queries();
        let report = Report::new(timed.to, Facts::default(), timed.window);
        let findings = report.findings.iter();
        let findings = findings.filter(|finding| finding.severity > Severity::Info);
        let rules = findings.clone().map(|it| it.rule.name().to_owned());
        let whom = |workload: &crate::attempt::identity::WorkloadId| workload.to_string();
        let workloads = findings.filter_map(|it| it.scope.workload.as_ref().map(whom));
        Self {
            from: timed.from,
            to: timed.to,
            queries,
            verdict: report.verdict,
            rules: rules.collect(),
            workloads: workloads.take(WORKLOADS_MAX).collect(),
        }
    }

    /// What was told in its time belongs to it.
    pub(super) fn learn(mut self, marks: &[Mark]) -> Self {
        for mark in marks {
            if mark.verdict.exit_code() > self.verdict.exit_code()
                || !matches!(self.verdict, Verdict::Warning | Verdict::Critical)
            {
                self.verdict = mark.verdict;
            }
            self.rules.insert(mark.rule.to_owned());
            if self.workloads.len() < WORKLOADS_MAX {
                self.workloads.extend(mark.workload.clone());
            }
        }
        self
    }
}

/// Of windows in their order.
pub(super) fn of(lines: Vec<Line>) -> Vec<Trouble> {
    let mut troubles: Vec<(SystemTime, Trouble)> = Vec::new();
    for line in lines {
        if !matches!(line.verdict, Verdict::Warning | Verdict::Critical) {
            continue;
        }
        let told = |time| humantime::format_rfc3339_millis(time).to_string();
        match troubles.last_mut() {
            Some((end, last)) if *end == line.from && !last.rules.is_disjoint(&line.rules) => {
                *end = line.to;
                last.to = told(line.to);
                if line.verdict.exit_code() > last.verdict.exit_code() {
                    last.verdict = line.verdict;
                }
                last.rules.extend(line.rules);
                last.workloads.extend(line.workloads);
            }
            _ => troubles.push((
                line.to,
                Trouble {
                    from: told(line.from),
                    to: told(line.to),
                    verdict: line.verdict,
                    rules: line.rules,
                    workloads: line.workloads,
                },
            )),
        }
    }
    troubles.into_iter().map(|(_, trouble)| trouble).collect()
}
