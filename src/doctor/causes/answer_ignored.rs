//! Rule `dns_answer_ignored`: answers come, but none that a resolver may take.

use super::Cause;
use super::group::Group;
use super::place::Place;
use crate::attempt::Outcome;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::units;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

const OTHER_QUESTION: usize = 1;
const OTHER_SOURCE: usize = 2;

/// By what most of its answers were: RFC 5452 section 9.1 has both.
fn matches(incident: &Incident, _: &Evidence) -> Option<Place> {
    let ignored = incident.attempt.ignored;
    if incident.attempt.outcome != Outcome::Unanswered || ignored.count() == 0 {
        return None;
    }
    let fault = match ignored.other_question >= ignored.other_source {
        true => OTHER_QUESTION,
        false => OTHER_SOURCE,
    };
    Some(Place::at(incident.server()).fault(fault))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    // What it answered itself, as it left its socket.
    let own = group.views().filter(|view| view.is_answered()).count() as u64;
    let is_own = own * 2 > group.queries();
    let (title, cause) = match group.place.fault {
        OTHER_SOURCE => (
            format!("What answers for {server} is not {server}"),
            "The answers come from an address that was not asked, so the program must not take \
             them (RFC 5452). The server answers from another of its addresses, or somebody forges \
             answers.",
        ),
        _ if is_own => (
            format!("Answers from {server} are to another question"),
            "The answers have the query's id, but not its question, so the program must not take \
             them (RFC 5452). The server on this host sends them so itself: it changes the name or \
             the type, by a rewrite rule or a filter, and does not change it back.",
        ),
        _ => (
            format!("Answers from {server} are to another question"),
            "The answers have the query's id, but not its question, so the program must not take \
             them (RFC 5452). Something on the way changes the name or the type (a relay, a VPN, a \
             filter), or somebody forges answers.",
        ),
    };
    let ignored = |incident: &Incident| incident.attempt.ignored.count() * incident.weight;
    let answers: u64 = group.incidents().map(ignored).sum();
    Explanation::of(title, cause, group.impact())
        .line(format!(
            "{} sent to {server} had {} with the right id that did not belong to them, and no \
             other.",
            group.counted(),
            units::counted(answers, "answer", "answers")
        ))
        .lines(is_own.then(|| {
            format!(
                "The server is on this host, and {} of these were answered by itself.",
                units::count(own)
            )
        }))
        .lines(group.asked_by_and_for())
        .run(
            "Compare the question in the answer with yours:",
            group.ask_example(group.dig()),
        )
        .say(match is_own && group.place.fault != OTHER_SOURCE {
            true => {
                "Look for rules in the server that change names, and let them change the answer back \
                 (CoreDNS `rewrite … answer`)."
            }
            false => {
                "Find what stands between the client and the server (`tcpdump -ni any port 53` on \
                 both), and take it away or mend it. If nobody should stand there, the answers are \
                 forged: use DNS over TLS to the server."
            }
        })
        .into()
}
