//! Rule `dns_no_recursion`: the server does not ask further, and its clients cannot.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::severity;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::FailureKind;
use crate::incidents::Incident;
use crate::thresholds::REFUSED_MIN;
use crate::thresholds::REFUSED_PERMILLE;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    matches,
    severity: |share| severity::answers(share, REFUSED_MIN, REFUSED_PERMILLE),
    describe,
};

fn matches(incident: &Incident, _: &Evidence) -> Option<Place> {
    (incident.kind == FailureKind::Referral).then(|| Place::at(incident.server()))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let tally = group.asked().all;
    Explanation::of(
        format!("{server} does not look names up for its clients"),
        "The server has some zones itself (an authoritative server) and does not ask others: it \
         answers NOERROR without a record and without the RA bit. Its clients are programs, which \
         cannot go on by themselves. It is on their list by mistake, or its recursion is off for \
         them.",
        "A lookup of a name that is not the server's own gets an answer that looks well: programs say \
         \"no address associated with hostname\" or \"temporary failure in name resolution\".",
    )
    .line(format!(
        "{} from {server} had no record, neither RA (recursion available) nor AA (its own zone), \
         though recursion was asked for; it gave {} in all.",
        units::counted(group.queries(), "answer", "answers"),
        units::counted(tally.answered, "answer", "answers"),
    ))
    .lines(group.asked_by_and_for())
    .run("See who has it on the list:", group.grep_nameservers())
    .run(
        "Ask it yourself, and look for `ra` in the flags:",
        group.ask_example(group.dig()),
    )
    .say(
        "Put a resolver on the list instead. If this one is to be it, allow recursion for these \
         clients: BIND `recursion yes; allow-recursion`, Knot and NSD have none.",
    )
    .into()
}
