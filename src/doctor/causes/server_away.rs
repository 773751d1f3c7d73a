//! Rule `dns_server_away`: a server elsewhere was silent for a time, and answered before or
//! after it.

use super::Cause;
use super::group::Group;
use super::place::Place;
use crate::doctor::explanation::Explanation;
use crate::doctor::finding::Severity;
use crate::incidents::Away;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::thresholds::FAILURE_WARNING_PERCENT;
use crate::units;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

fn away<'a>(incident: &Incident, evidence: &'a Evidence) -> Option<&'a Away> {
    let away = evidence.away.of_incident(incident)?;
    // What else sets them apart, if that fits at least as well.
    let other = evidence.separated.any_of(&incident.attempt);
    other
        .is_none_or(|other| away.contrast.chance < other.chance)
        .then_some(away)
}

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    away(incident, evidence)?;
    let netns = incident.attempt.owner.netns;
    Some(Place::at(incident.server()).in_netns(netns))
}

/// Who is told that it is over need not be woken; one of a hundred is a note.
pub(super) fn limit(group: &Group<'_>) -> Option<Severity> {
    let away = away(group.first()?, group.evidence)?;
    let is_little = group.queries() * 100 <= group.asked().all.ended() * FAILURE_WARNING_PERCENT;
    match (away.is_over, is_little) {
        (false, _) => None,
        (true, true) => Some(Severity::Info),
        (true, false) => Some(Severity::Warning),
    }
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let away = away(group.first()?, group.evidence)?;
    let at = |ns| {
        let clock = group.evidence.clock?;
        Some(units::time_of_day(clock.wall(ns)))
    };
    let lasted = units::duration(away.last_ns - away.first_ns);
    let (title, when) = match (away.is_over, at(away.first_ns), at(away.last_ns)) {
        (true, Some(first), Some(last)) if away.has_begun => (
            format!("{server} did not answer for {lasted}, and does again"),
            format!("queries sent from {first} to {last}"),
        ),
        (true, _, Some(last)) if !away.has_begun => (
            format!("{server} did not answer until {last}, and has since"),
            format!("queries sent until {last}"),
        ),
        (false, Some(first), _) => (
            format!("{server} has not answered since {first}"),
            format!("queries sent since {first}"),
        ),
        (true, ..) => (
            format!("{server} did not answer for {lasted}, and does again"),
            format!("queries sent within {lasted}"),
        ),
        (false, ..) => (
            format!("{server} does not answer any more"),
            format!("queries sent in the last {lasted} in which it was asked"),
        ),
    };
    Explanation::of(
        title,
        "Nothing that kerno compares sets these queries apart from those that were answered as well as \
         when they were sent. The \
         server was down or restarted, or the way to it was interrupted (a link, a route, a firewall \
         that was loaded again). kerno saw none of them discarded on this host.",
        group.impact(),
    )
    .line(away.contrast.told(&when, "went unanswered"))
    .line(format!(
        "{} went unanswered then; the last of them was sent {lasted} after the first.",
        group.counted()
    ))
    .lines(group.asked_by_and_for())
    .with(|it| match away.is_over {
        true => it.say(
            "It is over. Look what happened at that time: the log of the server's host, changes of routes \
             and firewalls, `journalctl` here.",
        ),
        false => it
            .run("See if it is back:", group.dig_root())
            .say("Look what happened at that time: at the server, on the way, and in the log of this host."),
    })
    .say("A second nameserver on the list, or a cache on this host, bridges such times.")
    .into()
}
