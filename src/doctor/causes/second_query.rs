//! Rule `dns_second_query`: of one source port, or one TCP connection, only the first question
//! is answered.

use super::Cause;
use super::contrasts;
use super::group::Group;
use super::place::Place;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::Trait;
use crate::units;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

const OF_CONNECTION: usize = 1;

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let place = Place::at(incident.server());
    match contrasts::of_silent(incident, evidence)? {
        (Trait::AfterAnswer, _) => Some(place),
        (Trait::LaterOnConnection, _) => Some(place.fault(OF_CONNECTION)),
        _ => None,
    }
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let explanation = match group.place.fault {
        OF_CONNECTION => of_connection(group),
        _ => of_port(group),
    };
    explanation.into()
}

fn of_port(group: &Group<'_>) -> Explanation {
    let server = group.server();
    let ports = group.distinct(|incident| incident.attempt.local).len() as u64;
    let is_here = group.is_left_here();
    Explanation::of(
        format!("{server} answers only the first question of each source port"),
        match is_here {
            true => {
                "The server leaves unanswered what is asked from a source port that it has answered \
                 before: small proxies forget a client with their first answer. glibc asks for A and \
                 AAAA from one port, so one of the two is lost; programs with a new port for each \
                 question (dig, Go) are well."
            }
            false => {
                "A NAT or a firewall on the way forgets the source port with the first answer, and \
                 discards what is asked from it after that. glibc asks for A and AAAA from one port, \
                 so one of the two is lost; programs with a new port for each question (dig, Go) are \
                 well."
            }
        },
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
    .say(match is_here {
        true => "Mend or replace the server: it is to answer whatever comes from one port.",
        false => {
            "Mend the box on the way: look for a DNS helper or inspection that closes UDP sessions at \
             the first answer (Cisco \"DNS guard\", Juniper `dns alg`), and turn it off."
        }
    })
}

fn of_connection(group: &Group<'_>) -> Explanation {
    let server = group.server();
    Explanation::of(
        format!("{server} answers only the first question of each TCP connection"),
        "The server, or a proxy or balancer before it, takes one question from a connection, leaves the \
         connection open and ignores what else is asked on it. It should answer them all (RFC 7766 \
         section 6.2.1). glibc with `options use-vc` asks for A and AAAA on one connection, and \
         resolvers keep theirs.",
        group.impact(),
    )
    .lines(group.contrast_told(contrasts::LATER))
    .line("kerno saw none of these queries discarded on this host.")
    .lines(group.asked_by_and_for())
    .say("Update the server, or what stands before it.")
    .say(
        "Until then ask over UDP, or make a connection for each question (unbound \
         `tcp-upstream: no`, without `options use-vc` in resolv.conf).",
    )
}
