//! Rule `dns_upstream_slow`: the resolver on this host waits for its own upstream.

use domain::base::iana::OptRcode;

use super::Cause;
use super::group::Group;
use super::place::Place;
use crate::attempt::Outcome;
use crate::doctor::commands;
use crate::doctor::explanation::Explanation;
use crate::doctor::who;
use crate::incidents::Evidence;
use crate::incidents::FailureKind;
use crate::incidents::Incident;
use crate::incidents::ServerView;
use crate::shell::Command;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::units;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

/// The client's query to the resolver, and the resolver's own query upstream:
/// one trouble, told by the upstream that is asked.
fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    // A packet that this host discarded on this leg has a cause of its own.
    if incident.query_dropped().is_some() || incident.attempt.failed_call.is_some() {
        return None;
    }
    if let Some(upstream) = incident
        .upstream
        .and_then(|index| evidence.incidents.get(index))
    {
        return waits(upstream).then(|| Place::at(upstream.server()));
    }
    if incident.is_upstream {
        return (incident.errno().is_none() && waits(incident))
            .then(|| Place::at(incident.server()));
    }
    let view = evidence.view_of(incident)?;
    let upstream = evidence.upstream_in_trouble(view.owner.pid?)?;
    let is_hit = incident.has_failed() || is_turned_down(incident, view, evidence);
    is_hit.then(|| Place::at(upstream))
}

/// Whether a resolver with an upstream in trouble says so to this client: it is full, or has
/// found its upstreams dead and answers SERVFAIL for a while, without asking.
pub(super) fn is_turned_down(incident: &Incident, view: &ServerView, evidence: &Evidence) -> bool {
    incident.rcode() == Some(OptRcode::SERVFAIL) || is_full(incident, view, evidence)
}

/// Whether the resolver had to wait: an error that comes at once has a cause of its own.
fn waits(upstream: &Incident) -> bool {
    let is_error = matches!(
        upstream.kind,
        FailureKind::ErrorAnswer | FailureKind::Referral
    );
    !is_error || upstream.took_ns() > LATENCY_WARNING_NS
}

/// How long a forwarder keeps a place for a query that is not answered. Source: dnsmasq's
/// `TIMEOUT` (src/config.h).
const PLACE_KEPT_NS: u64 = 10_000_000_000;
/// So many places taken are worth the word full: dnsmasq has 150, CoreDNS as many as it is told.
const FULL_MIN: usize = 20;

/// How many queries of its own the server waited for in vain around the time when this
/// one came: those from before the window are not known.
fn waited_for(view: &ServerView, evidence: &Evidence) -> Option<usize> {
    let from_ns = view.arrived_ns.saturating_sub(PLACE_KEPT_NS);
    let to_ns = view.arrived_ns.saturating_add(PLACE_KEPT_NS);
    Some(evidence.waiting.sent(view.owner.pid?, (from_ns, to_ns)))
}

/// A forwarder without a place for one more query refuses it without asking anybody, though it
/// takes others of the same client.
fn is_full(incident: &Incident, view: &ServerView, evidence: &Evidence) -> bool {
    let asked = evidence
        .tallies
        .asked(incident.attempt.owner.netns, incident.server())
        .all;
    incident.rcode() == Some(OptRcode::REFUSED)
        && incident.upstream.is_none()
        && asked.failed + asked.noerror > 0
        && waited_for(view, evidence).is_some_and(|waited| waited >= FULL_MIN)
}

/// What the resolver itself asked that upstream.
fn is_own(group: &Group<'_>, incident: &Incident) -> bool {
    incident.is_upstream && group.is_about(incident.server())
}

/// The answer came, but to a socket that was closed, or after the attempt's end.
fn came_too_late(incident: &Incident) -> bool {
    incident.answer_dropped().is_some() || incident.attempt.outcome == Outcome::Late
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let upstream = group.places_told();
    let upstream = upstream.unwrap_or_else(|| "its upstream".to_owned());
    let own = group.incidents().find(|incident| is_own(group, incident));
    let owner = own.map(|incident| incident.attempt.owner);
    let resolver = owner.map_or_else(
        || "the resolver".to_owned(),
        |owner| who::process(owner.pid, owner.comm),
    );
    let dig = |server| commands::dig_root(server, false);
    let dig = group.place.server.map_or(Command::default(), dig);
    let dig = group.within(owner.map(|owner| owner.netns), dig);
    Explanation::of(
        format!("The resolver on this host waits for its upstream {upstream}"),
        format!(
            "{resolver} waits for {upstream}: what it asks there is {}.",
            how(group)
        ),
        "It hits names that must be asked upstream. What the resolver has in its cache, or answers \
         itself, does not wait.",
    )
    .lines(upstream_told(group, &resolver, &upstream))
    .lines(clients_told(group))
    .line("kerno saw none of these queries discarded on this host.")
    .lines(group.examples())
    .run("Ask the upstream as the resolver does:", dig)
    .say("Replace that upstream, or give the resolver a second one.")
    .say(
        "Answer from the cache meanwhile: unbound `serve-expired: yes`, CoreDNS `cache { \
         serve_stale }`.",
    )
    .into()
}

/// What the upstream does, by what the resolver saw of it.
fn how(group: &Group<'_>) -> &'static str {
    let own = || group.incidents().filter(|it| is_own(group, it));
    let is_silent = |it: &&Incident| it.has_failed() && !came_too_late(it);
    let silent = own().any(|it| is_silent(&it));
    let slow = own().any(|it| !is_silent(&it));
    match (silent, slow) {
        (true, false) => "not answered",
        (false, true) => "answered slowly",
        (true, true) => "answered slowly or not at all",
        // Its queries were of the time before.
        (false, false) => "not answered any more, or was answered slowly before",
    }
}

fn upstream_told(group: &Group<'_>, resolver: &str, upstream: &str) -> Option<String> {
    let count =
        |of: fn(&Incident) -> bool| group.count(|incident| is_own(group, incident) && of(incident));
    let own = count(|_| true);
    let too_late = count(came_too_late);
    let lost = count(Incident::has_failed) - too_late;
    let errors = count(|incident| incident.kind == FailureKind::ErrorAnswer);
    let parts = [
        (lost, "went unanswered"),
        (
            too_late,
            "were answered when it had given up or asked again",
        ),
        (errors, "were answered with an error"),
        (own - too_late - lost - errors, "were answered slowly"),
    ];
    let parts = parts.into_iter().filter(|(number, _)| *number > 0);
    let told: Vec<_> = parts
        .map(|(number, what)| format!("{} {what}", units::count(number)))
        .collect();
    // Of one that asks from several namespaces, or too many, not all are counted.
    let asked = group.asked_where(|incident| is_own(group, incident)).all;
    (own > 0).then(|| {
        format!(
            "{resolver} asked {upstream} {}; of these, {}.",
            units::counted(asked.ended().max(own), "time", "times"),
            told.join(", "),
        )
    })
}

/// How many of its clients a full resolver refused.
fn refused(group: &Group<'_>) -> u64 {
    group.count(|incident| {
        let view = group.evidence.view_of(incident);
        !incident.is_upstream && view.is_some_and(|view| is_full(incident, view, group.evidence))
    })
}

pub(super) fn refused_told(group: &Group<'_>) -> Option<String> {
    let refused = refused(group);
    let most = group
        .views()
        .filter_map(|view| waited_for(view, group.evidence))
        .max();
    (refused > 0).then(|| {
        format!(
            "{} of clients were answered REFUSED and not passed on, while up to {} of the resolver's \
             own had no answer: it has no place for more (dnsmasq `dns-forward-max`, CoreDNS \
             `max_concurrent`).",
            units::queries(refused),
            units::count(most.unwrap_or_default() as u64)
        )
    })
}

fn clients_told(group: &Group<'_>) -> Vec<String> {
    let clients = || {
        group
            .incidents()
            .filter(|incident| !is_own(group, incident))
    };
    let count = |of: &dyn Fn(&Incident) -> bool| -> u64 {
        let counted = clients().filter(|incident| of(incident));
        counted.map(|incident| incident.weight).sum()
    };
    let views = || clients().filter_map(|incident| group.evidence.view_of(incident));
    let longest = views().map(|view| view.took_ns()).max();
    let servfail = count(&|incident| incident.rcode() == Some(OptRcode::SERVFAIL));
    let mut lines = Vec::new();
    let waited = count(&|_| true) - refused(group);
    if waited > 0 {
        lines.push(format!(
            "{} of its clients waited for that, for up to {}.",
            units::queries(waited),
            units::duration(longest.unwrap_or_default())
        ));
    }
    if servfail > 0 {
        lines.push(format!(
            "{} answered SERVFAIL.",
            units::counted(servfail, "of these was", "of these were")
        ));
    }
    lines.extend(refused_told(group));
    lines
}
