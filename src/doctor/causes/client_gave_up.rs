//! Rule `dns_client_gave_up`: the answer came when nobody waited any more.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use super::wrong_source::NO_SOCKET;
use crate::attempt::Outcome;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_client_gave_up",
    takes,
    judge: severity::pattern,
    tell,
};

/// Late, or to a socket that is closed; from the right address.
fn takes(case: &Case, _: &Evidence) -> Option<Place> {
    let closed = case
        .answer_dropped()
        .is_some_and(|(_, reason)| reason == NO_SOCKET);
    (closed || case.attempt.outcome == Outcome::Late).then(|| Place::at(case.server()))
}

fn tell(group: &Group<'_>) -> Words {
    let server = group.server();
    let closed = group.count(|case| case.answer_dropped().is_some());
    let late = group.queries() - closed;
    let mut took: Vec<u64> = group
        .cases()
        .map(|case| match case.drop() {
            Some(drop) => drop.at_ns.saturating_sub(case.attempt.sent_ns),
            None => case.attempt.end_ns.saturating_sub(case.attempt.sent_ns),
        })
        .collect();
    took.sort_unstable();
    let mut evidence = Vec::new();
    if closed > 0 {
        evidence.push(format!(
            "{} came to a socket that was closed by then (NO_SOCKET).",
            units::counted(closed, "answer", "answers")
        ));
    }
    if late > 0 {
        evidence.push(format!(
            "{} came after the query had been sent again or given up on.",
            units::counted(late, "answer", "answers")
        ));
    }
    if let (Some(shortest), Some(median), Some(longest)) =
        (took.first(), took.get(took.len() / 2), took.last())
    {
        evidence.push(format!(
            "The answers took {} to {}, half of them {} or more.",
            units::duration(*shortest),
            units::duration(*longest),
            units::duration(*median)
        ));
    }
    let at_server: Vec<u64> = group
        .views()
        .filter(|view| view.is_answered())
        .map(|view| view.took_ns())
        .collect();
    if let Some(longest) = at_server.iter().max() {
        evidence.push(format!(
            "The server is on this host and took up to {} of it.",
            units::duration(*longest)
        ));
    }
    evidence.push(format!("Asked by {}.", group.askers()));
    evidence.extend(group.examples());
    Words {
        title: format!("Answers from {server} come after the client has given up"),
        cause: format!(
            "The server does answer, {}, but the client's patience is shorter: it had closed its \
             socket or asked again by then.",
            took.get(took.len() / 2)
                .map_or("late".to_owned(), |median| format!(
                    "after {} or so",
                    units::duration(*median)
                ))
        ),
        impact:
            "The lookup fails, although the server did all the work; each repetition is more work."
                .to_owned(),
        evidence,
        fix: Fix::default()
            .run("See how long the server takes:", group.dig_root())
            .say(
                "Make the server faster (a cache, another upstream), or give the client more time: \
                 `options timeout:` in resolv.conf, or the program's own DNS timeout.",
            ),
    }
}
