//! Rule `dns_type_dropped`: queries of one type get no answer, all others do.

use domain::base::iana::Rtype;

use super::Cause;
use super::contrasts;
use super::group::Group;
use super::place::Place;
use super::private_reverse;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::Trait;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

/// AAAA has a rule of its own, `dns_aaaa_broken`.
fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    match contrasts::of_silent(incident, evidence)? {
        (Trait::Type(rtype), _) if rtype != Rtype::AAAA => {
            Some(Place::at(incident.server()).fault(usize::from(rtype.to_int())))
        }
        _ => None,
    }
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let rtype = Rtype::from_int(u16::try_from(group.place.fault).ok()?);
    let whose = match group.is_left_here() {
        true => "The server",
        false => "The server, or a box in front of it,",
    };
    let cause = match rtype {
        Rtype::PTR => format!(
            "{whose} stays silent where the name of an address is asked for: it does not handle type \
             PTR, or gets no answer from the servers of these reverse zones and does not say so \
             (SERVFAIL).",
        ),
        _ => format!(
            "{whose} does not handle type {rtype} and stays silent. Right would be NOERROR without \
             records. dig asks for A, so dig works.",
        ),
    };
    Explanation::of(
        format!("{server} does not answer questions of type {rtype}, but all others"),
        cause,
        match rtype {
            Rtype::PTR => private_reverse::WAITS.to_owned(),
            _ => group.impact(),
        },
    )
    .lines(group.contrast_told(&format!("queries of type {rtype}")))
    .lines(group.asked_by_and_for())
    .run("Ask it yourself:", group.ask_example(group.dig()))
    .say(
        "Update the server, or the filter in front of it, that it answers every type; until then \
         ask another server, or let the program not ask for that type.",
    )
    .into()
}
