//! What must hold of a scenario and the doctor's findings.

use std::iter;

use kerno_chaos::scenario::Fault;
use kerno_chaos::scenario::NOTHING;
use kerno_chaos::scenario::Scenario;
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
    complaints.extend(unsaid(scenario, findings));
    if scenario.rule == NOTHING {
        let bad = findings.iter().filter(|finding| finding.severity != "info");
        complaints.extend(bad.map(|it| format!("{} ({}) of nothing", it.rule, it.severity)));
        return complaints;
    }
    let expected = expected(scenario, chaos);
    let is_uncounted = matches!(&scenario.fault, Fault::Lab(it) if it.is_uncounted());
    let causes: Vec<&Finding> = findings.iter().filter(is_cause).collect();
    // Which of two faults comes first is not said.
    let first = &causes[..causes.len().min(expected.len())];
    for &(rule, broken) in &expected {
        match first.iter().find(|finding| finding.rule == rule) {
            Some(_) if is_uncounted => {}
            Some(finding) => complaints.extend(incomplete(finding, broken)),
            None if first.is_empty() => {
                complaints.push(format!("no cause was found, {rule} should be"));
            }
            None => {
                let first: Vec<&str> = first.iter().map(|finding| &*finding.rule).collect();
                complaints.push(format!("first comes {}, not {rule}", first.join(", ")));
            }
        }
    }
    for (rule, _) in &expected {
        let findings = causes.iter().filter(|finding| finding.rule == *rule);
        if findings.count() > 1 {
            complaints.push(format!("{rule} more than once"));
        }
    }
    let is_other = |finding: &&&Finding| {
        let is_expected = expected.iter().any(|(rule, _)| *rule == finding.rule);
        !is_expected && finding.severity != "info"
    };
    let others = causes.iter().filter(is_other);
    complaints.extend(others.map(|other| format!("{} ({}) as well", other.rule, other.severity)));
    complaints
}

/// The rules that must report it, and what each must explain.
fn expected<'a>(scenario: &'a Scenario, chaos: &'a Value) -> Vec<(&'a str, u64)> {
    let also = chaos["also"].as_object().into_iter().flatten();
    let also = also.map(|(rule, broken)| (rule.as_str(), broken));
    let all = iter::once((scenario.rule, &chaos["broken"])).chain(also);
    all.map(|(rule, broken)| (rule, broken.as_u64().unwrap_or(0)))
        .collect()
}

/// Words that are in no finding of the scenario's rule, or in none at all where it must
/// trip nothing.
fn unsaid(scenario: &Scenario, findings: &[Finding]) -> Vec<String> {
    let Fault::Lab(recipe) = &scenario.fault else {
        return Vec::new();
    };
    let is_its_own = |it: &&Finding| scenario.rule == NOTHING || it.rule == scenario.rule;
    let own = || findings.iter().filter(is_its_own);
    let missing = recipe.says().iter().filter(|words| {
        let says = |it: &Finding| it.text.contains(**words);
        !own().any(says)
    });
    missing
        .map(|words| format!("nothing says {words:?}"))
        .collect()
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
fn incomplete(finding: &Finding, broken: u64) -> Option<String> {
    let explained = finding.queries.unwrap_or(0);
    let complete = explained.abs_diff(broken) * 100 <= broken;
    let said = || {
        let rule = &finding.rule;
        format!("{rule} explains {explained} queries, and {broken} were broken")
    };
    (!complete || broken == 0).then(said)
}
