//! Whether the causes of what a summary counts stand above it.

use super::Report;
use crate::attempt::identity::WorkloadId;
use crate::doctor::Finding;
use crate::doctor::Rule;
use crate::doctor::Severity;
use crate::doctor::Subject;

/// Of ten failed queries so many must have a cause that is told.
const MOST: u64 = 9;

/// Then it says how much went wrong, and no more.
pub(super) fn is_brief(report: &Report, finding: &Finding) -> bool {
    let mut causes = report.findings.iter().filter(|it| is_cause(it));
    let is_told = causes.any(|cause| cause.scope.may_include(&finding.scope));
    finding.rule.is_summary() && (is_told || are_taken(report, finding))
}

fn is_cause(finding: &Finding) -> bool {
    !finding.rule.is_summary() && finding.severity > Severity::Info
}

/// A resolver's own queries are part of findings that name its clients, who are hit harder.
fn are_taken(report: &Report, finding: &Finding) -> bool {
    if finding.rule != Rule::FailureRate {
        return false;
    }
    let told = |rule| {
        let mut causes = report.findings.iter().filter(|it| is_cause(it));
        rule != Rule::Unknown && causes.any(|it| it.rule == rule)
    };
    let (mut all, mut taken) = (0, 0);
    for (failures, number) in &report.failures {
        if is_whose(failures.workload.as_ref(), &finding.scope) {
            all += number;
            taken += if told(failures.rule) { *number } else { 0 };
        }
    }
    all > 0 && taken * 10 >= all * MOST
}

fn is_whose(workload: Option<&WorkloadId>, scope: &Subject) -> bool {
    match (workload, &scope.workload) {
        (Some(workload), Some(whom)) => workload == whom,
        (Some(WorkloadId::Process(pid, _)), None) => pid.is_some() && *pid == scope.pid,
        _ => false,
    }
}
