//! When something was wrong: windows one after the other with the same trouble.

use std::collections::BTreeSet;
use std::time::SystemTime;

use serde::Deserialize;
use serde::Serialize;

use super::kept::Timed;
use crate::doctor::Severity;
use crate::doctor::Verdict;
use crate::host::Facts;
use crate::report::Report;

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

/// Of windows in their order.
pub(super) fn of(windows: &[Timed]) -> Vec<Trouble> {
    let mut troubles: Vec<(SystemTime, Trouble)> = Vec::new();
    for timed in windows {
        let report = Report::new(timed.to, Facts::default(), &timed.window);
        if !matches!(report.verdict, Verdict::Warning | Verdict::Critical) {
            continue;
        }
        let told = |time| humantime::format_rfc3339_millis(time).to_string();
        let findings = report.findings.iter();
        let findings = findings.filter(|finding| finding.severity > Severity::Info);
        let rules = findings.clone().map(|it| it.rule.name().to_owned());
        let whom = |workload: &crate::attempt::identity::WorkloadId| workload.to_string();
        let workloads = findings.filter_map(|it| it.scope.workload.as_ref().map(whom));
        let (rules, workloads): (BTreeSet<_>, BTreeSet<_>) = (rules.collect(), workloads.collect());
        match troubles.last_mut() {
            Some((end, last)) if *end == timed.from && !last.rules.is_disjoint(&rules) => {
                *end = timed.to;
                last.to = told(timed.to);
                if report.verdict.exit_code() > last.verdict.exit_code() {
                    last.verdict = report.verdict;
                }
                last.rules.extend(rules);
                last.workloads.extend(workloads);
            }
            _ => troubles.push((
                timed.to,
                Trouble {
                    from: told(timed.from),
                    to: told(timed.to),
                    verdict: report.verdict,
                    rules,
                    workloads,
                },
            )),
        }
    }
    troubles.into_iter().map(|(_, trouble)| trouble).collect()
}
