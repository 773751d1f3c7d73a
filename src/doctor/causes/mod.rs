//! One cause for each query that went wrong.
//!
//! The rules are asked in the order of [`Rule`], the nearest evidence first: no packet
//! was sent, this host discarded it, the server on this host had it, nobody took it,
//! the pattern over servers, types and source ports, the answer itself. The first that
//! fits takes the case, so the counts of all causes add up to the failures. Each rule
//! is a file with two functions: `matches` looks at one case, `describe` puts all
//! cases of one place into words.

pub(super) mod aaaa_broken;
pub(super) mod answer_too_big;
mod askers;
mod at_server;
pub(super) mod client_gave_up;
mod commands;
pub(super) mod conntrack_full;
pub(super) mod conntrack_race;
pub(super) mod conntrack_stale;
pub(super) mod dead_server;
mod error_rcode;
mod group;
mod hurt;
pub(super) mod kernel_drop;
pub(super) mod no_route;
pub(super) mod nobody_listening;
mod packet;
mod place;
pub(super) mod policy_drop;
pub(super) mod refused_rcode;
pub(super) mod send_denied;
pub(super) mod server_overflow;
pub(super) mod server_saturated;
pub(super) mod server_throttled;
pub(super) mod servfail;
mod severity;
pub(super) mod storm;
pub(super) mod tcp_blocked;
#[cfg(test)]
mod tests;
pub(super) mod unknown;
pub(super) mod upstream_slow;
pub(super) mod wrong_source;

use std::collections::BTreeMap;

use super::explanation::Explanation;
use super::explanation::Measured;
use super::finding::Finding;
use super::finding::Severity;
use super::party::Parties;
use super::rule::Rule;
use crate::collect::Snapshot;
use crate::evidence::Case;
use crate::evidence::Evidence;
pub(super) use group::Group;
use hurt::Hurt;
pub(super) use place::Place;
use severity::Share;

/// What makes a rule one that explains queries.
pub(super) struct Cause {
    /// Whether the case is its own, and where that happens.
    matches: fn(&Case, &Evidence) -> Option<Place>,
    /// How bad it is if this is the share of it; `None` if it is too little to
    /// speak of.
    severity: fn(&Share) -> Option<Severity>,
    /// What is said of all cases of one place.
    describe: fn(&Group<'_>) -> Option<Explanation>,
}

impl Cause {
    const fn new(
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

/// A stub asks a forwarder, and that one a resolver: deeper than that nobody nests.
const DEPTH_MAX: usize = 4;
/// Places of one rule that are told one by one; the rest comes together.
const PLACES_MAX: usize = 6;

/// What the causes say about everything that went wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Explained {
    /// One finding for each cause and place.
    pub(super) findings: Vec<Finding>,
    /// Failed attempts by the rule that took them; the sum is all of them.
    pub(super) failures_by_cause: BTreeMap<Rule, u64>,
}

/// Where a case belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Belongs {
    rule: Rule,
    place: Place,
    /// Its own leg of the way is fine: what the server waited for had the trouble.
    symptom: bool,
}

/// Assigns each case to one cause, and tells of them.
pub(super) fn explain(
    evidence: &Evidence,
    snapshot: &Snapshot,
    parties: &Parties<'_>,
) -> Explained {
    let mut failures_by_cause = BTreeMap::new();
    let mut groups: BTreeMap<Rule, BTreeMap<Place, Group<'_>>> = BTreeMap::new();
    for (index, case) in evidence.cases.iter().enumerate() {
        if !case.reported {
            continue;
        }
        let Some(Belongs {
            rule,
            place,
            symptom,
        }) = assign(evidence, index, 0)
        else {
            continue;
        };
        if case.has_failed() {
            *failures_by_cause.entry(rule).or_default() += case.weight;
        }
        let places = groups.entry(rule).or_default();
        places
            .entry(place.clone())
            .or_insert_with(|| Group::new(place, evidence, parties))
            .add(case, symptom);
    }
    if evidence.uncased > 0 {
        *failures_by_cause.entry(Rule::Unknown).or_default() += evidence.uncased;
    }
    let mut findings = Vec::new();
    for (rule, cause) in Rule::causes() {
        let places = groups.remove(&rule).unwrap_or_default();
        let mut places: Vec<Group<'_>> = places.into_values().collect();
        places.sort_by_key(|group| std::cmp::Reverse(group.queries()));
        if places.len() > PLACES_MAX {
            let rest = places.split_off(PLACES_MAX - 1);
            places.extend(Group::merge(rest));
        }
        findings.extend(
            places
                .iter()
                .filter_map(|group| finding(rule, cause, group)),
        );
    }
    if findings.iter().all(|finding| finding.rule != Rule::Storm) {
        findings.extend(storm::note(evidence, snapshot));
    }
    Explained {
        findings,
        failures_by_cause,
    }
}

/// The first rule that takes the case. One that a server on this host could not
/// serve, because what it asked itself went wrong, has the cause of that.
fn assign(evidence: &Evidence, index: usize, depth: usize) -> Option<Belongs> {
    let case = evidence.cases.get(index)?;
    for (rule, cause) in Rule::causes() {
        if rule == Rule::UpstreamSlow
            && let Some(upstream) = case.upstream.filter(|_| depth < DEPTH_MAX)
            && let Some(belongs) = assign(evidence, upstream, depth + 1)
            && is_sharper(belongs.rule)
        {
            return Some(Belongs {
                symptom: true,
                ..belongs
            });
        }
        if let Some(place) = (cause.matches)(case, evidence) {
            return Some(Belongs {
                rule,
                place,
                symptom: false,
            });
        }
    }
    None
}

/// Whether the cause of the resolver's own failure says more than that the
/// resolver waited.
fn is_sharper(rule: Rule) -> bool {
    !matches!(
        rule,
        Rule::UpstreamSlow
            | Rule::Unknown
            | Rule::Servfail
            | Rule::RefusedRcode
            | Rule::DeadServer
            | Rule::ClientGaveUp
    )
}

fn finding(rule: Rule, cause: &Cause, group: &Group<'_>) -> Option<Finding> {
    let whole = (cause.severity)(&group.share());
    let hurt = Hurt::by(group, |share| {
        (cause.severity)(share).filter(|own| Some(*own) > whole)
    });
    let severity = hurt.as_ref().map(|hurt| hurt.severity).or(whole)?;
    let explanation = (cause.describe)(group)?
        .lines(hurt.as_ref().map(|hurt| hurt.told(group)))
        .lines(group.symptoms_told());
    let hardest = hurt.as_ref().map(Hurt::hardest);
    let measured = Measured::queries(group.queries());
    Some(Finding {
        hit_hardest: hardest.or_else(|| group.hit_hardest()),
        scope: hurt.map_or_else(|| group.subject(), |hurt| hurt.subject(group)),
        queries: group.queries(),
        ..explanation.finding(rule, severity, measured)
    })
}
