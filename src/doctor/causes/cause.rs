//! What a cause is made of.

use super::group::Group;
use super::place::Place;
use super::severity;
use super::severity::Share;
use crate::doctor::explanation::Explanation;
use crate::doctor::finding::Severity;
use crate::incidents::Evidence;
use crate::incidents::Incident;

/// What makes a rule one that explains queries.
pub(super) struct Cause {
    /// Whether the incident is its own, and where that happens.
    pub(super) matches: Matches,
    /// How bad it is if this is the share of it; `None` if it is too little to
    /// speak of.
    pub(super) severity: fn(&Share) -> Option<Severity>,
    /// What is said of all incidents of one place.
    pub(super) describe: Describe,
}

type Matches = fn(&Incident, &Evidence) -> Option<Place>;
type Describe = fn(&Group<'_>) -> Option<Explanation>;

impl Cause {
    /// The kernel itself has told of it: see [`severity::exact`].
    pub(super) const fn exact(matches: Matches, describe: Describe) -> Self {
        Self {
            matches,
            severity: severity::exact,
            describe,
        }
    }

    /// A conclusion: see [`severity::pattern`].
    pub(super) const fn pattern(matches: Matches, describe: Describe) -> Self {
        Self {
            severity: severity::pattern,
            ..Self::exact(matches, describe)
        }
    }
}
