//! Rule `dns_bad_replica`: of several servers behind one address, one does not answer.

use super::Cause;
use super::contrasts;
use super::group::Group;
use super::place::Place;
use crate::doctor::commands;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::Replica;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

fn replica<'a>(incident: &Incident, evidence: &'a Evidence) -> Option<&'a Replica> {
    // A server of this host that had the query is better known.
    let is_lost = contrasts::is_silent(incident) && evidence.view_of(incident).is_none();
    let attempt = (is_lost && !incident.is_tcp()).then_some(&incident.attempt)?;
    evidence.replicas.of_attempt(attempt)
}

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    replica(incident, evidence).map(|_| Place::at(incident.server()))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let asked = group.server();
    let replica = group
        .incidents()
        .find_map(|incident| replica(incident, group.evidence))?;
    let bad = replica.address;
    let look = Command::new("conntrack -L -d").word(group.place.ip());
    Explanation::of(
        format!("{bad}, one of {} servers behind {asked}, does not answer", replica.of),
        "The address is translated: each source port is led to one of several servers (a Service of \
         Kubernetes, a balancer). Nothing comes back from one of them, the others answer: it is down \
         or cut off, and still on the list of those to lead to.",
        group.impact(),
    )
    .line(replica.contrast.told(
        &format!("entries of connection tracking for {asked} that lead to {bad}"),
        "have no answer",
    ))
    .line(format!(
        "{} for it were in the tables of this host's network namespaces at the end.",
        units::counted(
            replica.contrast.with.of + replica.contrast.others.of,
            "entry",
            "entries"
        )
    ))
    .line(format!("{} went unanswered whose source port is led there.", group.counted()))
    .lines(group.asked_by_and_for())
    .run(
        "Ask it itself, past the address:",
        commands::dig_root(bad, false),
    )
    .run("See where source ports are led to:", look)
    .say(
        "Take it off the list or restart it. On Kubernetes it is a pod of the DNS Service: see if it is \
         ready, and the network of its node.",
    )
    .into()
}
