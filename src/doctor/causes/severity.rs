//! How bad a cause is, by its number and its share.

use super::group::Group;
use crate::doctor::finding::Severity;
use crate::doctor::thresholds::DROPS_CRITICAL;
use crate::doctor::thresholds::FAILURE_CRITICAL_PERCENT;
use crate::doctor::thresholds::FAILURES_MIN;
use crate::doctor::thresholds::SAMPLE_MIN;
use crate::doctor::thresholds::UNKNOWN_PERMILLE;

/// The kernel itself has told what happened: once is enough to say it.
pub(super) fn exact(group: &Group<'_>) -> Option<Severity> {
    if group.queries() == 0 {
        None
    } else if group.queries() >= DROPS_CRITICAL || hurts(group) {
        Some(Severity::Critical)
    } else {
        Some(Severity::Warning)
    }
}

/// A conclusion from figures: it takes a few.
pub(super) fn pattern(group: &Group<'_>) -> Option<Severity> {
    if group.queries() < FAILURES_MIN {
        None
    } else if hurts(group) {
        Some(Severity::Critical)
    } else {
        Some(Severity::Warning)
    }
}

/// What nothing explains: single losses are the network's daily life.
pub(super) fn residue(group: &Group<'_>) -> Option<Severity> {
    let share = group.queries() * 1000 > group.of() * UNKNOWN_PERMILLE;
    pattern(group).filter(|_| share)
}

/// More than so many percent of the answers, and at least `least`.
pub(super) fn answers(
    group: &Group<'_>,
    least: u64,
    warning_permille: u64,
    critical_permille: u64,
) -> Option<Severity> {
    let exceeds = |permille| group.queries() * 1000 > group.of() * permille;
    if group.queries() < least || !exceeds(warning_permille) {
        None
    } else if exceeds(critical_permille) && group.of() >= SAMPLE_MIN {
        Some(Severity::Critical)
    } else {
        Some(Severity::Warning)
    }
}

/// As the base rules have it, or everything that somebody asks goes wrong.
fn hurts(group: &Group<'_>) -> bool {
    let share = group.queries() * 100 > group.of() * FAILURE_CRITICAL_PERCENT;
    (share && group.of() >= SAMPLE_MIN) || group.takes_all_of_a_namespace()
}
