//! The names that had trouble.

use std::collections::HashMap;

use crate::attempt::RawQuestion;
use crate::incidents::Evidence;
use crate::incidents::FailureKind;

/// Names that are told.
const NAMES: usize = 50;

/// A question that was asked, with what went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TroubledName {
    /// The name, in presentation form.
    pub name: String,
    /// The type that was asked for.
    pub rtype: String,
    /// Queries that failed.
    pub failed: u64,
    /// Those that were answered with an error or a referral.
    pub errors: u64,
    /// Those that were answered slowly.
    pub slow: u64,
}

/// Those that had most of it, first.
pub(super) fn of(evidence: &Evidence) -> Vec<TroubledName> {
    let mut all = HashMap::new();
    for it in evidence.incidents.iter().filter(|it| it.reported) {
        let Some(fingerprint) = it.attempt.question.fingerprint() else {
            continue;
        };
        let entry = all.entry(fingerprint);
        let (_, sums) = entry.or_insert((&it.attempt.question, [0u64; 3]));
        let kind = match it.kind {
            FailureKind::Failed => 0,
            FailureKind::ErrorAnswer | FailureKind::Referral => 1,
            FailureKind::Slow => 2,
        };
        sums[kind] += it.weight;
    }
    let mut all: Vec<(&RawQuestion, [u64; 3])> = all.into_values().collect();
    // By their octets where the figures are the same, so that the order is always one.
    all.sort_by(|a, b| {
        b.1.cmp(&a.1)
            .then_with(|| a.0.as_bytes().cmp(b.0.as_bytes()))
    });
    let named = all
        .into_iter()
        .filter_map(|(question, [failed, errors, slow])| {
            let question = question.parse()?;
            Some(TroubledName {
                name: question.name,
                rtype: question.rtype.to_string(),
                failed,
                errors,
                slow,
            })
        });
    named.take(NAMES).collect()
}
