//! How bad a cause is, by its number and its share.

use crate::doctor::finding::Severity;
use crate::thresholds;
use crate::units;

/// How many attempts have the cause, and of how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) queries: u64,
    pub(super) of: u64,
    /// Of one by itself, not of the whole host.
    pub(super) is_own: bool,
    pub(super) is_all_of_a_namespace: bool,
}

impl Share {
    /// `48 of 9,108 queries (0.5 %)`
    pub(super) fn told(&self) -> String {
        format!(
            "{} of {} ({})",
            units::count(self.queries),
            units::queries(self.of),
            units::percent(self.queries, self.of)
        )
    }

    /// Whether it is more than this, in tenths of a percent.
    pub(super) fn exceeds(&self, permille: u64) -> bool {
        self.queries * 1000 > self.of * permille
    }
}

/// The kernel itself has told what happened: once is enough to say it, and a few of
/// many are a note.
pub(super) fn exact(share: &Share) -> Option<Severity> {
    let is_critical = share.queries >= thresholds::DROPS_CRITICAL || hurts(share);
    let is_single = share.queries < thresholds::FAILURES_MIN && share.queries * 2 <= share.of;
    match share.queries {
        0 => None,
        _ if is_single => Some(Severity::Info),
        _ => Some(Severity::critical_if(is_critical)),
    }
}

/// A conclusion from figures: it takes a few.
pub(super) fn pattern(share: &Share) -> Option<Severity> {
    (share.queries >= thresholds::FAILURES_MIN).then_some(Severity::critical_if(hurts(share)))
}

/// What nothing explains: single losses are the network's daily life. Of many
/// workloads one has more of them than its share by chance, so one by itself has to
/// fail as the base rule has it.
pub(super) fn residue(share: &Share) -> Option<Severity> {
    let permille = match share.is_own {
        true => thresholds::FAILURE_WARNING_PERCENT * 10,
        false => thresholds::UNKNOWN_PERMILLE,
    };
    pattern(share).filter(|_| share.exceeds(permille))
}

/// Answers that are slow: as many as move the P99 of the base rule.
pub(super) fn slow(share: &Share) -> Option<Severity> {
    pattern(share).filter(|_| share.exceeds(thresholds::SLOW_PERMILLE))
}

/// More than so many percent of the answers, and at least `least`.
pub(super) fn answers(
    share: &Share,
    least: u64,
    (warning_permille, critical_permille): (u64, u64),
) -> Option<Severity> {
    let is_critical = share.exceeds(critical_permille) && share.of >= thresholds::SAMPLE_MIN;
    let is_notable = share.queries >= least && share.exceeds(warning_permille);
    is_notable.then_some(Severity::critical_if(is_critical))
}

/// As the base rules have it, or everything that somebody asks goes wrong.
fn hurts(share: &Share) -> bool {
    let exceeds = share.exceeds(thresholds::FAILURE_CRITICAL_PERCENT * 10);
    (exceeds && share.of >= thresholds::SAMPLE_MIN) || share.is_all_of_a_namespace
}
