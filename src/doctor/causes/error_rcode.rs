//! Answers with an error: for the rules that take them by their response code.

use std::collections::HashSet;

use domain::base::iana::OptRcode;

use super::group::Group;
use super::group::NAME_MAX;
use super::place::Place;
use crate::attempt::Attempt;
use crate::attempt::ZONE_LABELS;
use crate::attempt::names;
use crate::doctor::explanation::Explanation;
use crate::doctor::ranking;
use crate::incidents::ByType;
use crate::incidents::FailureKind;
use crate::incidents::Incident;
use crate::units;

const ZONES_MAX: usize = 3;

/// An incident that was answered so.
pub(super) fn place(incident: &Incident, rcode: OptRcode) -> Option<Place> {
    let said = incident.kind == FailureKind::ErrorAnswer && incident.rcode() == Some(rcode);
    said.then(|| Place::at(incident.server()))
}

pub(super) fn explanation(
    group: &Group<'_>,
    rcode: OptRcode,
    cause: &str,
    impact: &str,
) -> Explanation {
    let server = group.server();
    let tally = group.asked().all;
    let zones = zones(group);
    let whose = zones
        .as_ref()
        .map_or(String::new(), |zones| format!(", for {zones}"));
    let rcode = names::rcode(rcode);
    let by_type = by_type(group).filter(|_| !are_no_queries(group));
    let which = match (are_no_queries(group), by_type) {
        (true, _) => " to messages that are no queries (UPDATE, NOTIFY)".to_owned(),
        (_, Some(it)) => format!(" to queries of type {}", it.rtype),
        _ => String::new(),
    };
    let title = format!("{server} answers {rcode}{which}{whose}");
    // What a C library does with it is of no matter then.
    let impact = match group.is_asked_by_resolvers() {
        true => "The resolver that asked has nothing of it to hand on.",
        false => impact,
    };
    Explanation::of(title, cause, impact)
        .causes(by_type.map(|_| {
            "It answers queries of other types without an error, so look at what it does with this one."
        }))
        .line(format!(
            "{} from {server} said {rcode}; {} of its {} to these clients were NOERROR.",
            units::counted(group.queries(), "answer", "answers"),
            units::count(tally.noerror),
            units::counted(tally.answered, "answer", "answers"),
        ))
        .lines(group.error_contrast_told().or_else(|| by_type.map(by_type_told)))
        .lines(extended_told(group))
        .lines(zones.map(|zones| format!("By zone: {zones}.")))
        .lines(server_told(group))
        .lines(group.asked_by_and_for())
}

/// Whether all of them have another operation code than a query: RFC 1996, RFC 2136.
pub(super) fn are_no_queries(group: &Group<'_>) -> bool {
    group.incidents().all(|it| {
        let answer = it.attempt.answer;
        answer.is_some_and(|it| it.bits.is_no_query)
    })
}

/// What lets them in.
pub(super) const NO_QUERIES_FIX: &str = "Allow the client to send them for that zone: BIND `allow-update`, `update-policy` and \
     `allow-notify`, Knot and NSD by `acl` and `allow-notify:`. With TSIG compare key, algorithm and \
     clock. dig sends queries only: `nsupdate -d` shows what is sent and answered.";

/// The one type that the server answers with errors, if it is that of all these.
fn by_type(group: &Group<'_>) -> Option<ByType> {
    let mut types = group.incidents().map(|incident| {
        let tallies = &group.evidence.tallies;
        tallies.errs_by_type(&incident.attempt)
    });
    let first = types.next()??;
    types
        .all(|it| it.is_some_and(|it| it.rtype == first.rtype))
        .then_some(first)
}

fn by_type_told(it: ByType) -> String {
    let which = format!("answers to queries of type {}", it.rtype);
    let sides = (which.as_str(), "those of all other types");
    it.own.against(&it.others, sides, "were an error")
}

/// `The server's own reason (Extended DNS Error): DNSSEC Bogus (6) 40 times, …`
fn extended_told(group: &Group<'_>) -> Option<String> {
    let codes = group.ranked(|incident| incident.attempt.answer?.extended_error);
    let shown = ranking::first_of(&codes, ZONES_MAX, |(code, n)| {
        format!(
            "{} {}",
            names::extended_error(*code),
            units::counted(*n, "time", "times")
        )
    })?;
    Some(format!(
        "The server's own reason (Extended DNS Error, RFC 8914): {shown}."
    ))
}

/// The last labels of its name, as far as they are known.
pub(super) fn zone_of(attempt: &Attempt) -> Option<String> {
    let name = attempt.question.parse()?.name;
    let labels: Vec<_> = name.rsplit('.').take(ZONE_LABELS).collect();
    let zone = labels.into_iter().rev().collect::<Vec<_>>().join(".");
    Some(units::shorten(&zone, NAME_MAX))
}

/// All labels but the first.
pub(super) fn parent_of(attempt: &Attempt) -> Option<String> {
    let name = attempt.question.parse()?.name;
    let (_, parent) = name.split_once('.')?;
    Some(units::shorten(parent, NAME_MAX))
}

/// `example.com (40), example.org (2) and 7 more`
fn zones(group: &Group<'_>) -> Option<String> {
    let zones = group.ranked(|incident| zone_of(&incident.attempt));
    ranking::first_of(&zones, ZONES_MAX, |(zone, n)| {
        format!("{zone} ({})", units::count(*n))
    })
}

fn server_told(group: &Group<'_>) -> Option<String> {
    let answered = || group.views().filter(|view| view.rcode.is_some());
    let longest = answered().map(|view| view.took_ns()).max()?;
    let servers: HashSet<u32> = answered().filter_map(|view| view.owner.pid).collect();
    let incidents = &group.evidence.incidents;
    let own = incidents.iter().filter(|incident| {
        let pid = incident.attempt.owner.pid;
        pid.is_some_and(|pid| servers.contains(&pid))
    });
    let own = match own.map(|incident| incident.weight).sum::<u64>() {
        0 => "kerno saw no slow or lost query of its own behind it.".to_owned(),
        own => format!(
            "{} of its own went wrong in the same time.",
            units::queries(own)
        ),
    };
    Some(format!(
        "The server is on this host and needed up to {} for it. {own}",
        units::duration(longest)
    ))
}
