//! Rule `dns_second_query`: of one source port only the first question is answered.

use super::Cause;
use super::contrasts;
use super::group::Group;
use crate::doctor::explanation::Explanation;
use crate::incidents::Trait;
use crate::units;

pub(super) const CAUSE: Cause = Cause::pattern(
    |incident, evidence| contrasts::place(incident, evidence, |it| it == Trait::AfterAnswer),
    describe,
);

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let ports = group.distinct(|incident| incident.attempt.local).len() as u64;
    Explanation::of(
        format!("{server} answers only the first question of each source port"),
        "A NAT or a firewall on the way forgets the source port with the first answer, and discards \
         what is asked from it after that. glibc asks for A and AAAA from one port, so one of the \
         two is lost; programs with a new port for each question (dig, Go) are well.",
        "glibc waits for the second answer, and asks again.",
    )
    .lines(group.contrast_told("source ports that had an answer before"))
    .line(format!(
        "{} went unanswered, from {}.",
        group.counted(),
        units::counted(ports, "source port", "source ports")
    ))
    .line("kerno saw none of these queries discarded on this host.")
    .lines(group.asked_by_and_for())
    .say("Ask each question from a port of its own: `options single-request-reopen` in resolv.conf.")
    .say(
        "Mend the box on the way: look for a DNS helper or inspection that closes UDP sessions at \
         the first answer (Cisco \"DNS guard\", Juniper `dns alg`), and turn it off.",
    )
    .into()
}
