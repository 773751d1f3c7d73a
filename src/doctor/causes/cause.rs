//! What a cause is made of.

use super::group::Group;
use super::place::Place;
use super::severity::Share;
use crate::doctor::explanation::Explanation;
use crate::doctor::finding::Severity;
use crate::incidents::Evidence;
use crate::incidents::Incident;

/// What makes a rule one that explains queries.
pub(super) struct Cause {
    /// Whether the incident is its own, and where that happens.
    pub(super) matches: fn(&Incident, &Evidence) -> Option<Place>,
    /// How bad it is if this is the share of it; `None` if it is too little to
    /// speak of.
    pub(super) severity: fn(&Share) -> Option<Severity>,
    /// What is said of all incidents of one place.
    pub(super) describe: fn(&Group<'_>) -> Option<Explanation>,
}

impl Cause {
    pub(super) const fn new(
        matches: fn(&Incident, &Evidence) -> Option<Place>,
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
