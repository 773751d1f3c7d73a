//! Rule `dns_aaaa_broken`: AAAA fails where A of the same name works.

use domain::base::iana::Rtype;

use super::Cause;
use super::group::Group;
use super::place::Place;
use crate::doctor::explanation::Explanation;
use crate::incidents::BothFamilies;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::thresholds::DEAD_PERCENT;
use crate::thresholds::FAILURES_MIN;
use crate::units;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

/// The same name on every try, and nothing that this host discarded: that tells
/// it from a race, where the next try works and the names vary.
fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let is_aaaa = incident
        .attempt
        .question
        .parse()
        .is_some_and(|question| question.rtype == Rtype::AAAA);
    if !is_aaaa || incident.drop().is_some() || incident.errno().is_some() {
        return None;
    }
    let of_name = evidence.both_families(incident).is_some_and(is_broken);
    let asked = evidence
        .tallies
        .asked(incident.attempt.owner.netns, incident.server());
    let of_server = is_broken(asked.families);
    (of_name || of_server).then(|| Place::at(incident.server()))
}

fn is_broken(both: BothFamilies) -> bool {
    let helped = |part: u64, of: u64| part * 100 >= of * DEAD_PERCENT;
    let aaaa_useless = both.aaaa.ended() - both.aaaa.noerror;
    both.aaaa.ended() >= FAILURES_MIN
        && both.a.ended() >= FAILURES_MIN
        && helped(aaaa_useless, both.aaaa.ended())
        && helped(both.a.noerror, both.a.ended())
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let silent = group.count(Incident::has_failed);
    let both = group.asked().families;
    Explanation::of(
        format!("{server} fails on AAAA (IPv6) questions, but answers A"),
        "The server, or a box in front of it, does not handle type AAAA. It stays silent or \
         answers with an error; right would be NOERROR without an answer. dig asks for A, so dig \
         works.",
        "Programs ask for both types and wait for both. glibc is content with A in the end; musl \
         fails where AAAA has no answer.",
    )
    .line(format!(
        "{} of type AAAA went wrong at {server}: {} without an answer, {} with an error.",
        group.counted(),
        units::count(silent),
        units::count(group.queries() - silent)
    ))
    .line(format!(
        "In the same time {} of {} of type A were answered there.",
        units::count(both.a.answered),
        units::count(both.a.ended())
    ))
    .line("kerno saw none of these queries discarded on this host.")
    .lines(group.asked_by_and_for())
    .say(
        "Let the server answer AAAA with NOERROR and no records: CoreDNS `template IN AAAA { rcode \
         NOERROR }`, or repair the zone's servers.",
    )
    .say(
        "Until then, ask for A only: `options no-aaaa` in resolv.conf (glibc 2.36 or newer), \
         IPv4-only lookups in the program.",
    )
    .run("Ask yourself:", group.ask_example(group.dig()).and("AAAA"))
    .into()
}
