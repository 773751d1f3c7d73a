//! One thing that is wrong in a fleet.

use std::collections::BTreeSet;

use super::place::Place;
use super::since::Began;
use super::table::Name;
use super::table::Severity;

/// A cause, with where it sits and what it costs.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// The doctor's rule: of another version of kerno, perhaps.
    pub(super) rule: String,
    pub(super) severity: Severity,
    pub(super) place: Place,
    /// Who has it.
    pub(super) nodes: BTreeSet<Name>,
    /// Some have it now.
    pub(super) is_open: bool,
    pub(super) since: Option<Began>,
    /// Whom the queries asked.
    pub(super) servers: BTreeSet<String>,
    /// Workloads with most of the failures, and how many each has.
    pub(super) workloads: Vec<(String, u64)>,
    pub(super) queries_failed: u64,
    /// Of the lookups that failed on these nodes, its share by queries.
    pub(super) lookups_failed: u64,
    pub(super) seconds_lost: f64,
    /// What it does elsewhere: rules with the nodes that have them because of it.
    pub(super) explains: Vec<Symptom>,
}

/// What other nodes have because of something.
#[derive(Clone, Debug)]
pub(super) struct Symptom {
    pub(super) rule: String,
    pub(super) nodes: BTreeSet<Name>,
    /// The server that both ends name; without one it is only likely.
    pub(super) server: Option<String>,
}
