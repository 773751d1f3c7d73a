//! What a cause is made of.

use super::group::Group;
use super::place::Place;
use super::severity::Share;
use crate::doctor::explanation::Explanation;
use crate::doctor::finding::Severity;
use crate::evidence::Case;
use crate::evidence::Evidence;

/// What makes a rule one that explains queries.
pub(super) struct Cause {
    /// Whether the case is its own, and where that happens.
    pub(super) matches: fn(&Case, &Evidence) -> Option<Place>,
    /// How bad it is if this is the share of it; `None` if it is too little to
    /// speak of.
    pub(super) severity: fn(&Share) -> Option<Severity>,
    /// What is said of all cases of one place.
    pub(super) describe: fn(&Group<'_>) -> Option<Explanation>,
}

impl Cause {
    pub(super) const fn new(
        matches: fn(&Case, &Evidence) -> Option<Place>,
        severity: fn(&Share) -> Option<Severity>,
        describe: fn(&Group<'_>) -> Option<Explanation>,
    ) -> Self {
        Self {
            matches,
            severity,
            describe,
        }
    }
}
