//! Rule `dns_case_dropped`: names with capital letters get no answer, others do.

use super::Cause;
use super::contrasts;
use super::group::Group;
use crate::doctor::explanation::Explanation;
use crate::incidents::Trait;

pub(super) const CAUSE: Cause = Cause::pattern(
    |incident, evidence| contrasts::place(incident, evidence, |it| it == Trait::Capitals),
    describe,
);

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    Explanation::of(
        format!("{server} does not answer names with capital letters, but all others"),
        match group.is_left_here() {
            true => {
                "Names are the same in capitals and small letters (RFC 4343). The server does not know \
                 that, and stays silent."
            }
            false => {
                "Names are the same in capitals and small letters (RFC 4343). The server, or a box in \
                 front of it, does not know that, and stays silent."
            }
        },
        group.impact(),
    )
    .causes([
        "Some resolvers mix capitals in at random, so that an answer is harder to forge (0x20: unbound \
         with `use-caps-for-id`, Knot Resolver). dig and the C library send names as they are written, \
         so these work.",
    ])
    .lines(group.contrast_told(contrasts::CAPITALS))
    .lines(group.asked_by_and_for())
    .run("See it fail:", group.ask_example(group.dig()))
    .say("Mend or update that server, or what stands in front of it.")
    .say(
        "Until then send it names as they are: unbound `use-caps-for-id: no`, or `caps-exempt` for \
         these zones; Knot Resolver `NO_0X20`.",
    )
    .into()
}
