//! One cause for each query that went wrong.
//!
//! The rules stand in the order in which they are asked, the nearest evidence
//! first: no packet was sent, this host discarded it, the server on this host
//! had it, the pattern over servers, types and source ports, the answer itself.
//! The first that fits takes the case, so the counts of all causes add up to the
//! failures. Each rule is a file with two functions: `takes` looks at one case,
//! `tell` puts all cases of one place into words.

mod aaaa_broken;
mod answer_too_big;
mod at_server;
mod client_gave_up;
mod commands;
mod conntrack_full;
mod conntrack_race;
mod conntrack_stale;
mod dead_server;
mod group;
mod hurt;
mod kernel_drop;
mod no_route;
mod nobody_listening;
mod place;
mod policy_drop;
mod rcodes;
mod send_denied;
mod server_overflow;
mod server_saturated;
mod server_throttled;
mod severity;
mod storm;
mod tcp_blocked;
#[cfg(test)]
mod tests;
mod unknown;
mod upstream_slow;
mod words;
mod wrong_source;

use std::collections::BTreeMap;

use super::finding::Finding;
use super::finding::Severity;
use super::party::Parties;
use crate::collect::Snapshot;
use crate::evidence::Case;
use crate::evidence::Evidence;
pub(super) use group::Group;
use hurt::Hurt;
pub(super) use place::Place;
use severity::Share;
use words::Words;

/// A rule.
struct Cause {
    /// Its name in the contract.
    rule: &'static str,
    /// Whether the case is its own, and where that happens.
    takes: fn(&Case, &Evidence) -> Option<Place>,
    /// How bad it is if this is the share of it; `None` if it is too little to
    /// speak of.
    judge: fn(&Share) -> Option<Severity>,
    /// What is said of all cases of one place.
    tell: fn(&Group<'_>) -> Words,
}

/// All rules, in the order in which they are asked.
const CAUSES: &[Cause] = &[
    send_denied::CAUSE,
    tcp_blocked::CAUSE,
    conntrack_full::CAUSE,
    conntrack_race::CAUSE,
    conntrack_stale::CAUSE,
    no_route::CAUSE,
    answer_too_big::CAUSE,
    policy_drop::CAUSE,
    UPSTREAM,
    server_throttled::CAUSE,
    storm::CAUSE,
    server_saturated::CAUSE,
    server_overflow::CAUSE,
    wrong_source::CAUSE,
    client_gave_up::CAUSE,
    nobody_listening::CAUSE,
    kernel_drop::CAUSE,
    aaaa_broken::CAUSE,
    dead_server::CAUSE,
    rcodes::SERVFAIL,
    rcodes::REFUSED,
    unknown::CAUSE,
];
const UPSTREAM: Cause = upstream_slow::CAUSE;

/// A stub asks a forwarder, and that one a resolver: deeper than that nobody nests.
const DEPTH_MAX: usize = 4;
/// Places of one rule that are told one by one; the rest comes together.
const PLACES_MAX: usize = 6;

/// What the causes say about everything that went wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Explanation {
    /// One finding for each cause and place.
    pub(super) findings: Vec<Finding>,
    /// Failed attempts by the rule that took them; the sum is all of them.
    pub(super) failures_by_cause: BTreeMap<&'static str, u64>,
}

/// Where a case belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Belongs {
    cause: usize,
    place: Place,
    /// Its own leg of the way is fine: what the server waited for had the trouble.
    symptom: bool,
}

/// Assigns each case to one cause, and tells of them.
pub(super) fn explain(
    evidence: &Evidence,
    snapshot: &Snapshot,
    parties: &Parties<'_>,
) -> Explanation {
    let mut failures_by_cause = BTreeMap::new();
    let mut places: Vec<BTreeMap<Place, Group<'_>>> = vec![BTreeMap::new(); CAUSES.len()];
    for (index, case) in evidence.cases.iter().enumerate() {
        if !case.reported {
            continue;
        }
        let Some(belongs) = assign(evidence, index, 0) else {
            continue;
        };
        if case.has_failed() {
            *failures_by_cause
                .entry(CAUSES[belongs.cause].rule)
                .or_default() += case.weight;
        }
        places[belongs.cause]
            .entry(belongs.place.clone())
            .or_insert_with(|| Group::new(belongs.place, evidence, parties))
            .add(case, belongs.symptom);
    }
    if evidence.uncased > 0 {
        *failures_by_cause.entry(unknown::CAUSE.rule).or_default() += evidence.uncased;
    }
    let mut findings = Vec::new();
    for (cause, places) in CAUSES.iter().zip(places) {
        let mut places: Vec<Group<'_>> = places.into_values().collect();
        places.sort_by_key(|group| std::cmp::Reverse(group.queries()));
        if places.len() > PLACES_MAX {
            let rest = places.split_off(PLACES_MAX - 1);
            places.extend(Group::merge(rest));
        }
        findings.extend(places.iter().filter_map(|group| finding(cause, group)));
    }
    if findings
        .iter()
        .all(|finding| finding.rule != storm::CAUSE.rule)
    {
        findings.extend(storm::note(evidence, snapshot));
    }
    Explanation {
        findings,
        failures_by_cause,
    }
}

/// The first rule that takes the case. One that a server on this host could not
/// serve, because what it asked itself went wrong, has the cause of that.
fn assign(evidence: &Evidence, index: usize, depth: usize) -> Option<Belongs> {
    let case = evidence.cases.get(index)?;
    for (number, cause) in CAUSES.iter().enumerate() {
        if cause.rule == UPSTREAM.rule
            && let Some(upstream) = case.upstream.filter(|_| depth < DEPTH_MAX)
            && let Some(belongs) = assign(evidence, upstream, depth + 1)
            && is_sharper(&CAUSES[belongs.cause])
        {
            return Some(Belongs {
                symptom: true,
                ..belongs
            });
        }
        if let Some(place) = (cause.takes)(case, evidence) {
            return Some(Belongs {
                cause: number,
                place,
                symptom: false,
            });
        }
    }
    None
}

/// Whether the cause of the resolver's own failure says more than that the
/// resolver waited.
fn is_sharper(cause: &Cause) -> bool {
    ![
        UPSTREAM.rule,
        unknown::CAUSE.rule,
        rcodes::SERVFAIL.rule,
        rcodes::REFUSED.rule,
        dead_server::CAUSE.rule,
        client_gave_up::CAUSE.rule,
    ]
    .contains(&cause.rule)
}

fn finding(cause: &Cause, group: &Group<'_>) -> Option<Finding> {
    let whole = (cause.judge)(&group.share());
    let hurt = Hurt::by(group, |share| {
        (cause.judge)(share).filter(|own| Some(*own) > whole)
    });
    let severity = hurt.as_ref().map(|hurt| hurt.severity).or(whole)?;
    let words = (cause.tell)(group);
    let mut evidence = words.evidence;
    evidence.extend(hurt.as_ref().map(|hurt| hurt.told(group)));
    evidence.extend(group.symptoms_told());
    let hardest = hurt.as_ref().map(Hurt::hardest);
    Some(Finding {
        rule: cause.rule,
        severity,
        title: words.title,
        cause: words.cause,
        impact: words.impact,
        hit_hardest: hardest.or_else(|| group.hit_hardest()),
        evidence,
        fix: words.fix.into_steps(),
        value: group.queries() as f64,
        threshold: 1.0,
        unit: "queries",
        scope: hurt.map_or_else(|| group.subject(), |hurt| hurt.subject(group)),
        queries: group.queries(),
    })
}
