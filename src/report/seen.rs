//! When what a finding tells of was seen.

use std::time::Duration;
use std::time::SystemTime;

use super::Report;
use crate::doctor::Finding;
use crate::units;

/// When the first query was sent that its rule explains, when the last one ended, and how long that
/// was over when the watching ended: `from 07:59:51 UTC to 07:59:56 UTC, 4.0 s before the end of this report`.
pub(super) fn told(report: &Report, finding: &Finding) -> Option<String> {
    let &(first, last) = report.timeline.rules.get(&finding.rule)?;
    let findings = report.findings.iter();
    let is_of_several = findings.filter(|it| it.rule == finding.rule).count() > 1;
    let time = |time: SystemTime| units::time_of_day(time);
    let mut text = match time(first) == time(last) {
        true => format!("at {}", time(first)),
        false => format!("from {} to {}", time(first), time(last)),
    };
    let since = report.time.duration_since(last).unwrap_or_default();
    if since >= Duration::from_secs(1) {
        let since = units::duration(since.as_nanos().try_into().unwrap_or(u64::MAX));
        text += &format!(", {since} before the end of this report");
    }
    if is_of_several {
        text += " (all findings of this rule)";
    }
    Some(text)
}
