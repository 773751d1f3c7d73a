//! Rule `dns_client_gave_up`: the answer came when nobody waited any more.

use super::Cause;
use super::group::Group;
use super::packet::NO_SOCKET;
use super::place::Place;
use crate::attempt::Outcome;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::units;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

/// Late, or to a socket that is closed; from the right address.
fn matches(incident: &Incident, _: &Evidence) -> Option<Place> {
    let closed = incident
        .answer_dropped()
        .is_some_and(|(_, reason)| reason == NO_SOCKET);
    (closed || incident.attempt.outcome == Outcome::Late).then(|| Place::at(incident.server()))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let took = took(group);
    let median = units::duration(*took.get(took.len() / 2)?);
    let closed = group.count(|incident| incident.answer_dropped().is_some());
    let ends = [
        (
            closed,
            "came to a socket that was closed by then (NO_SOCKET)",
        ),
        (
            group.queries() - closed,
            "came after the query had been sent again or given up on",
        ),
    ];
    let ends = ends.into_iter().filter(|(answers, _)| *answers > 0);
    let at_server = group.views().filter(|view| view.is_answered());
    let at_server = at_server.map(|view| view.took_ns()).max();
    Explanation::of(
format!(
        "Answers from {server} come after the client has given up"
    ),
format!(
        "The server answers after about {median}. The client waits less: it had closed its socket \
         or asked again by then."
    ),
"The server did all the work for nothing; each further try is more work.",
)
    .lines(
        ends.map(|(answers, what)| {
            format!("{} {what}.", units::counted(answers, "answer", "answers"))
        }),
    )
    .line(format!(
        "The answers took {} to {}, half of them {median} or more.",
        units::duration(*took.first()?),
        units::duration(*took.last()?),
    ))
    .lines(at_server.map(|longest| {
        format!(
            "The server is on this host and took up to {} of it.",
            units::duration(longest)
        )
    }))
    .lines(group.asked_by_and_for())
    .run("See how long the server takes:", group.dig_root())
    .say(
        "Make the server faster (a cache, another upstream), or give the client more time: \
         `options timeout:` in resolv.conf, or the program's own DNS timeout.",
    )
    .into()
}

fn took(group: &Group<'_>) -> Vec<u64> {
    let took = group.incidents().map(|incident| {
        let came_ns = incident
            .drop()
            .map_or(incident.attempt.end_ns, |drop| drop.at_ns);
        came_ns.saturating_sub(incident.attempt.sent_ns)
    });
    let mut took: Vec<_> = took.collect();
    took.sort_unstable();
    took
}
