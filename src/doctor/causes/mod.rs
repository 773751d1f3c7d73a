//! One cause for each query that went wrong.
//!
//! The rules are asked in the order of [`Rule`], the nearest evidence first: no packet
//! was sent, this host discarded it, the server on this host had it, nobody took it,
//! the pattern over servers, types and source ports, the answer itself. The first that
//! fits takes the incident, so the counts of all causes add up to the failures. Each rule
//! is a file with three functions: `matches` looks at one incident, `severity` at how many
//! there are, `describe` puts all of one place into words.

mod aaaa_broken;
mod answer_ignored;
mod answer_too_big;
mod askers;
mod at_server;
mod bad_replica;
mod case_dropped;
mod cause;
mod client_cut_off;
mod client_gave_up;
mod client_overflow;
mod clients_ignored;
mod commands;
mod conntrack_full;
mod conntrack_race;
mod conntrack_stale;
mod contrasts;
mod dead_server;
mod edns_dropped;
mod error_rcode;
mod error_reason;
mod forwarding_loop;
mod group;
mod hurt;
mod impact;
mod in_flight_limit;
mod kernel_drop;
mod kernel_reasons;
mod limits;
mod listed;
mod managers;
mod no_recursion;
mod no_route;
mod nobody_listening;
mod one_transport;
mod other_rcode;
mod outage;
mod packet;
mod place;
mod policy_drop;
mod private_reverse;
mod rate_limit;
mod refused_rcode;
mod rejected;
mod second_query;
mod send_denied;
mod served;
mod server_away;
mod server_oom_killed;
mod server_overflow;
mod server_saturated;
mod server_slow;
mod server_throttled;
mod servfail;
mod severity;
mod side_tries;
mod slow_way;
mod socket_filter;
mod socket_unread;
mod storm;
mod stub_address;
mod tcp_blocked;
mod tcp_lossy;
#[cfg(test)]
pub(crate) mod tests;
mod turned_away;
mod type_dropped;
mod unknown;
mod upstream_slow;
mod wrong_source;
mod zone_unanswered;

use std::collections::BTreeMap;

use super::explanation::Measured;
use super::finding::Diagnosis;
use super::finding::Explained;
use super::finding::Failures;
use super::finding::Finding;
use super::finding::Severity;
use super::losses::Losses;
use super::party::Parties;
use super::rule::Rule;
use crate::collect::Snapshot;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::thresholds::LATENCY_WARNING_NS;
use cause::Cause;
pub(super) use group::Group;
use hurt::Hurt;
pub(super) use place::Place;
pub(super) use served::check as served;
pub(super) use turned_away::check as turned_away;

/// The rules that explain failed queries, in the order in which they are asked.
const CAUSES: &[(Rule, &Cause)] = &[
    (Rule::SendDenied, &send_denied::CAUSE),
    (Rule::TcpBlocked, &tcp_blocked::CAUSE),
    (Rule::ConntrackFull, &conntrack_full::CAUSE),
    (Rule::ConntrackRace, &conntrack_race::CAUSE),
    (Rule::ConntrackStale, &conntrack_stale::CAUSE),
    (Rule::NoRoute, &no_route::CAUSE),
    (Rule::AnswerTooBig, &answer_too_big::CAUSE),
    (Rule::PolicyDrop, &policy_drop::CAUSE),
    (Rule::ServerOomKilled, &server_oom_killed::CAUSE),
    (Rule::ClientOverflow, &client_overflow::CAUSE),
    (Rule::TcpLossy, &tcp_lossy::CAUSE),
    (Rule::ForwardingLoop, &forwarding_loop::CAUSE),
    (Rule::EdnsDropped, &edns_dropped::CAUSE),
    (Rule::CaseDropped, &case_dropped::CAUSE),
    (Rule::PrivateReverse, &private_reverse::CAUSE),
    (Rule::TypeDropped, &type_dropped::CAUSE),
    (Rule::OneTransport, &one_transport::CAUSE),
    (Rule::SecondQuery, &second_query::CAUSE),
    (Rule::ZoneUnanswered, &zone_unanswered::CAUSE),
    (Rule::UpstreamSlow, &upstream_slow::CAUSE),
    (Rule::ServerThrottled, &server_throttled::CAUSE),
    (Rule::Storm, &storm::CAUSE),
    (Rule::ServerSaturated, &server_saturated::CAUSE),
    (Rule::ServerOverflow, &server_overflow::CAUSE),
    (Rule::ServerSlow, &server_slow::CAUSE),
    (Rule::SlowWay, &slow_way::CAUSE),
    (Rule::WrongSource, &wrong_source::CAUSE),
    (Rule::AnswerIgnored, &answer_ignored::CAUSE),
    (Rule::ClientGaveUp, &client_gave_up::CAUSE),
    (Rule::NobodyListening, &nobody_listening::CAUSE),
    (Rule::KernelDrop, &kernel_drop::CAUSE),
    (Rule::AaaaBroken, &aaaa_broken::CAUSE),
    (Rule::ClientsIgnored, &clients_ignored::CAUSE),
    (Rule::SocketUnread, &socket_unread::CAUSE),
    (Rule::BadReplica, &bad_replica::CAUSE),
    (Rule::InFlightLimit, &in_flight_limit::CAUSE),
    (Rule::RateLimit, &rate_limit::CAUSE),
    (Rule::ClientCutOff, &client_cut_off::CAUSE),
    (Rule::ServerAway, &server_away::CAUSE),
    (Rule::DeadServer, &dead_server::CAUSE),
    (Rule::Servfail, &servfail::CAUSE),
    (Rule::RefusedRcode, &refused_rcode::CAUSE),
    (Rule::OtherRcode, &other_rcode::CAUSE),
    (Rule::NoRecursion, &no_recursion::CAUSE),
    (Rule::Unknown, &unknown::CAUSE),
];

/// From here on it is told from what is common to many, and what the resolver itself could
/// not ask is nearer.
const BY_PATTERN: Rule = Rule::EdnsDropped;
/// A stub asks a forwarder, and that one a resolver: deeper than that nobody nests.
const DEPTH_MAX: usize = 4;
/// Places of one rule that are told one by one; the rest comes together.
const PLACES_MAX: usize = 6;

/// Assigns each incident to one cause, and tells of them: one finding for each cause and
/// place.
pub(super) fn explain(
    evidence: &Evidence,
    snapshot: &Snapshot,
    parties: &Parties<'_>,
) -> Diagnosis {
    let mut failures: BTreeMap<Failures, u64> = BTreeMap::new();
    let mut slow_by_cause = BTreeMap::new();
    let mut losses = Losses::default();
    let mut explained = Vec::new();
    let mut groups: BTreeMap<Rule, BTreeMap<Place, Group<'_>>> = BTreeMap::new();
    let incidents = evidence.incidents.iter().enumerate();
    for (index, incident) in incidents.filter(|(_, incident)| incident.reported) {
        let assigned = assign(evidence, index, 0);
        if incident.is_slow() {
            let rule = assigned.as_ref().map_or(Rule::Unknown, |(rule, ..)| *rule);
            *slow_by_cause.entry(rule).or_default() += incident.weight;
        }
        losses.add(incident, assigned.as_ref().map(|(rule, _, _)| *rule));
        let Some((rule, place, symptom)) = assigned else {
            continue;
        };
        explained.push(Explained {
            sent_ns: incident.attempt.sent_ns,
            at_ns: incident.attempt.end_ns,
            rule,
            queries: incident.weight,
            has_failed: incident.has_failed(),
        });
        if incident.has_failed() {
            let place = Failures::of(rule, incident);
            *failures.entry(place).or_default() += incident.weight;
        }
        let places = groups.entry(rule).or_default();
        places
            .entry(place.clone())
            .or_insert_with(|| Group::new(place, evidence, parties))
            .add(incident, symptom);
    }
    if evidence.not_kept > 0 {
        let place = Failures::of_nobody(Rule::Unknown);
        *failures.entry(place).or_default() += evidence.not_kept;
    }
    let mut failures_by_cause = BTreeMap::new();
    for (Failures { rule, .. }, number) in &failures {
        *failures_by_cause.entry(*rule).or_default() += number;
    }
    // Those that were too many to keep.
    let slow: u64 = slow_by_cause.values().sum();
    let not_kept = snapshot
        .client
        .slower_than(LATENCY_WARNING_NS)
        .saturating_sub(slow);
    if not_kept > 0 {
        *slow_by_cause.entry(Rule::Unknown).or_default() += not_kept;
    }
    let mut findings = Vec::new();
    for &(rule, cause) in CAUSES {
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
    losses.add_rest(evidence);
    Diagnosis {
        findings,
        failures_by_cause,
        failures,
        slow_by_cause,
        losses,
        explained,
        ..Diagnosis::default()
    }
}

/// The rule that takes one incident.
pub(super) fn rule_of(evidence: &Evidence, index: usize) -> Option<Rule> {
    assign(evidence, index, 0).map(|(rule, _, _)| rule)
}

/// The first rule that takes the incident, where it happens, and whether it is only a
/// symptom: one that a server on this host could not serve, because what it asked itself
/// went wrong, has the cause of that.
fn assign(evidence: &Evidence, index: usize, depth: usize) -> Option<(Rule, Place, bool)> {
    let incident = evidence.incidents.get(index)?;
    // A send that only came to the error of the query before it.
    if let Some(earlier) = incident.error_of.filter(|_| depth < DEPTH_MAX) {
        return assign(evidence, earlier, depth + 1);
    }
    for &(rule, cause) in CAUSES {
        if rule == BY_PATTERN
            && let Some(upstream) = incident.upstream.filter(|_| depth < DEPTH_MAX)
            && let Some((rule, place, _)) = assign(evidence, upstream, depth + 1)
            && is_sharper(rule)
        {
            return Some((rule, place, true));
        }
        if let Some(place) = (cause.matches)(incident, evidence) {
            return Some((rule, place, false));
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
            | Rule::ServerSlow
            | Rule::SlowWay
            | Rule::Unknown
            | Rule::DeadServer
            | Rule::ClientGaveUp
    )
}

/// How bad it is at most, by whatever share; `None` if nothing speaks for less.
fn limit(rule: Rule, group: &Group<'_>) -> Option<Severity> {
    match rule {
        Rule::AnswerTooBig => answer_too_big::limit(group),
        Rule::NobodyListening => nobody_listening::limit(group),
        Rule::ServerAway => server_away::limit(group),
        Rule::RefusedRcode => refused_rcode::limit(group),
        Rule::ServerSlow | Rule::SlowWay => server_slow::limit(group),
        _ => None,
    }
}

fn finding(rule: Rule, cause: &Cause, group: &Group<'_>) -> Option<Finding> {
    let whole = (cause.severity)(&group.share());
    let hurt = Hurt::by(group, |share| {
        (cause.severity)(share).filter(|own| Some(*own) > whole)
    });
    let judged = hurt.as_ref().map(Hurt::severity).or(whole);
    // Where all of it was got round it is worth knowing, if it would be worth a word at all.
    let had_it_hurt = || (cause.severity)(&group.whole_share()).map(|_| Severity::Info);
    let severity = judged.or_else(had_it_hurt)?;
    let severity = limit(rule, group).map_or(severity, |most| severity.min(most));
    let own = group.without_symptoms();
    let explanation = match side_tries::used_again(group) {
        Some(words) if judged.is_none() => words,
        _ => (cause.describe)(&own)?,
    };
    let explanation = explanation
        .with(|it| own.look_at_list(it, rule))
        .lines(own.slow_contrast_told())
        .lines(side_tries::told(group))
        .with(|it| match judged {
            Some(_) => it.impacts(group.measured()),
            None => it.impact(side_tries::IMPACT),
        })
        .lines(hurt.as_ref().map(|hurt| hurt.told(group)))
        .lines(group.symptoms_told());
    let hardest = hurt.as_ref().map(Hurt::hardest);
    let measured = Measured::queries(group.queries());
    Some(Finding {
        hit_hardest: hardest.or_else(|| group.hit_hardest()),
        scope: hurt.map_or_else(|| group.subject(), |hurt| hurt.subject(group)),
        queries: group.queries(),
        lost_ns: group.incidents().map(Incident::lost_ns).sum(),
        ..explanation.finding(rule, severity, measured)
    })
}
