//! Rule `dns_aaaa_broken`: AAAA fails where A of the same name works.

use domain::base::iana::Rtype;

use super::Cause;
use super::contrasts;
use super::group::Group;
use super::place::Place;
use crate::doctor::c_libraries;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::FailureKind;
use crate::incidents::Incident;
use crate::incidents::Trait;
use crate::incidents::useless;
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
    let is_error = incident.kind == FailureKind::ErrorAnswer;
    let of_type = is_error && evidence.tallies.errs_by_type(&incident.attempt).is_some();
    let of_family = evidence.separated.has_broken_family(&incident.attempt);
    let separates = contrasts::of_silent(incident, evidence)
        .or_else(|| {
            evidence
                .separated
                .answered_with_error(&incident.attempt)
                .filter(|_| is_error)
        })
        .is_some_and(|(it, _)| it == Trait::Type(Rtype::AAAA));
    (of_family || of_type || separates).then(|| Place::at(incident.server()))
}

/// Against those of type A by the same clients; where only others have asked for that, against all
/// that the server was asked.
fn against_a(group: &Group<'_>) -> Vec<String> {
    let both = group.asked().families;
    let (aaaa, a) = (useless(&both.aaaa), useless(&both.a));
    if a.of == 0 {
        return group.contrast_told("queries of type AAAA");
    }
    let which = format!("queries of type AAAA to {}", group.server());
    let told = aaaa.against(&a, (&which, "those of type A"), "were not answered NOERROR");
    std::iter::once(told).chain(group.alike_told()).collect()
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let silent = group.count(Incident::has_failed);
    let owners = group.incidents().map(|it| it.attempt.owner);
    let askers = owners.map(|owner| (owner.pid, owner.comm));
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
    .lines(against_a(group))
    .line("kerno saw none of these queries discarded on this host.")
    .lines(group.asked_by_and_for())
    .lines(c_libraries::told(group.evidence, askers))
    .say(
        "Let the server answer AAAA with NOERROR and no records: CoreDNS `template IN AAAA { rcode \
         NOERROR }`, or repair the zone's servers.",
    )
    .say(
        "Until then, ask for A only: `options no-aaaa` in resolv.conf (glibc 2.36 or newer), \
         IPv4-only lookups in the program.",
    )
    .run("Ask yourself:", group.ask_name(group.dig()).and("AAAA"))
    .into()
}
