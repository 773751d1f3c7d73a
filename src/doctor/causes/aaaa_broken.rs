//! Rule `dns_aaaa_broken`: AAAA fails where A of the same name works.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use crate::attempt::names;
use crate::doctor::fix::Fix;
use crate::evidence::BothFamilies;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::thresholds::DEAD_PERCENT;
use crate::thresholds::FAILURES_MIN;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_aaaa_broken",
    takes,
    judge: severity::pattern,
    tell,
};

/// The same name on every try, and nothing that this host discarded: that tells
/// it from a race, where the next try works and the names vary.
fn takes(case: &Case, evidence: &Evidence) -> Option<Place> {
    let is_aaaa = case
        .attempt
        .question
        .parse()
        .is_some_and(|question| names::rtype(question.rtype) == "AAAA");
    if !is_aaaa || case.drop().is_some() || case.errno().is_some() {
        return None;
    }
    let of_name = evidence.both_families(case).is_some_and(is_broken);
    let asked = evidence
        .tallies
        .asked(case.attempt.owner.netns, case.server());
    let of_server = is_broken(asked.families);
    (of_name || of_server).then(|| Place::at(case.server()))
}

fn is_broken(both: BothFamilies) -> bool {
    let helped = |part: u64, of: u64| part * 100 >= of * DEAD_PERCENT;
    let aaaa_useless = both.aaaa.ended() - both.aaaa.noerror;
    both.aaaa.ended() >= FAILURES_MIN
        && both.a.ended() >= FAILURES_MIN
        && helped(aaaa_useless, both.aaaa.ended())
        && helped(both.a.noerror, both.a.ended())
}

fn tell(group: &Group<'_>) -> Words {
    let server = group.server();
    let silent = group.count(Case::has_failed);
    let errors = group.queries() - silent;
    let mut evidence = vec![format!(
        "{} of type AAAA went wrong at {server}: {} without an answer, {} with an error.",
        group.counted(),
        units::count(silent),
        units::count(errors)
    )];
    let both = group.asked().families;
    evidence.push(format!(
        "In the same time {} of {} of type A were answered there.",
        units::count(both.a.answered),
        units::count(both.a.ended())
    ));
    evidence.push("This host's kernel discarded none of them.".to_owned());
    evidence.push(format!("Asked by {}.", group.askers()));
    evidence.extend(group.examples());
    Words {
        title: format!("{server} fails on AAAA (IPv6) questions, and answers A for the same names"),
        cause:
            "The server, or a box in front of it, does not handle type AAAA: it stays silent or \
             answers with an error, where \"no such data\" (NOERROR without an answer) would be \
             right. dig asks for A only, so \"dig works\"."
                .to_owned(),
        impact: "Programs ask for both types and wait for both: glibc takes 5 to 15 s and then \
                 succeeds, musl waits 5 s and fails."
            .to_owned(),
        evidence,
        fix: Fix::default()
            .say(
                "Let the server answer AAAA with NOERROR and no records: CoreDNS `template IN AAAA \
                 { rcode NOERROR }`, or mend the zone's servers.",
            )
            .say(
                "Until then, ask for A only: `options no-aaaa` in resolv.conf (glibc 2.36 or \
                 newer), IPv4-only lookups in the program.",
            )
            .run("Ask yourself:", group.ask_example(group.dig()).and("AAAA")),
    }
}
