//! What must hold of a scenario and the doctor's findings.

use kerno::chaos::scenario::NOTHING;
use kerno::chaos::scenario::Scenario;
use serde_json::Value;

use crate::run::Finding;

/// The rules that say how bad it is; all others say why.
const BASE_RULES: [&str; 2] = ["dns_high_latency", "dns_failure_rate"];

/// Whether a finding names a cause.
pub(crate) fn is_cause(finding: &&Finding) -> bool {
    !BASE_RULES.contains(&finding.rule.as_str())
}

/// What does not hold, a sentence each.
pub(crate) fn complaints(scenario: &Scenario, chaos: &Value, findings: &[Finding]) -> Vec<String> {
    let mut complaints = lab_complaints(chaos);
    if scenario.rule == NOTHING {
        let bad = findings.iter().filter(|finding| finding.severity != "info");
        complaints.extend(bad.map(|it| format!("{} ({}) of nothing", it.rule, it.severity)));
        return complaints;
    }
    let causes: Vec<&Finding> = findings.iter().filter(is_cause).collect();
    match causes.first() {
        None => complaints.push(format!("no cause was found, {} should be", scenario.rule)),
        Some(first) if first.rule != scenario.rule => complaints.push(format!(
            "the first cause is {}, not {}",
            first.rule, scenario.rule
        )),
        Some(first) => complaints.extend(incomplete(first, chaos)),
    }
    let others = causes
        .iter()
        .filter(|finding| finding.rule != scenario.rule && finding.severity != "info");
    complaints.extend(others.map(|other| format!("{} ({}) as well", other.rule, other.severity)));
    complaints
}

/// The lab itself must be well, or the doctor is blamed for it.
fn lab_complaints(chaos: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    if chaos["healthy_failed"].as_u64() != Some(0) {
        complaints.push(format!(
            "{} attempts of healthy clients failed",
            chaos["healthy_failed"]
        ));
    }
    for left in chaos["left"].as_array().into_iter().flatten() {
        complaints.push(format!("not undone: {left}"));
    }
    complaints
}

/// The finding explains what chaos broke, within one per cent.
fn incomplete(finding: &Finding, chaos: &Value) -> Option<String> {
    let explained = finding.queries.unwrap_or(0);
    let broken = chaos["broken"].as_u64().unwrap_or(0);
    let complete = explained.abs_diff(broken) * 100 <= broken;
    let said = || {
        let rule = &finding.rule;
        format!("{rule} explains {explained} queries, and {broken} were broken")
    };
    (!complete || broken == 0).then(said)
}
