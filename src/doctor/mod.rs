//! From figures to findings: plain data in, plain data out.

mod error_answers;
mod failures;
mod finding;
mod latency;
mod patient;
mod suspect;
pub mod thresholds;
mod trouble;

pub use error_answers::error_answers;
pub use finding::Finding;
pub use finding::Severity;
pub use finding::Subject;
pub use finding::SubjectServer;
pub use finding::Verdict;

use crate::collect::Snapshot;

/// Applies every rule; the worst finding comes first.
pub fn diagnose(snapshot: &Snapshot) -> Vec<Finding> {
    let rules = [failures::check, latency::check];
    let mut findings: Vec<_> = rules.iter().filter_map(|check| check(snapshot)).collect();
    finding::rank(&mut findings);
    findings
}

#[cfg(test)]
mod tests;
