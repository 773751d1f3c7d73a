//! Rule `dns_in_flight_limit`: a server takes so many queries at once, and ignores the rest.

use super::Cause;
use super::contrasts;
use super::group::Group;
use super::place::Place;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::InFlightLimit;
use crate::incidents::Incident;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::units;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

/// Where nothing that the queries have themselves tells as well.
fn limit<'a>(incident: &Incident, evidence: &'a Evidence) -> Option<&'a InFlightLimit> {
    let found = evidence.in_flight.of_silent(incident)?;
    let other = evidence.separated.any_of(&incident.attempt);
    let is_sharpest = other.is_none_or(|other| found.contrast.chance < other.chance);
    (contrasts::is_silent(incident) && is_sharpest).then_some(found)
}

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    limit(incident, evidence).map(|_| Place::at(incident.server()))
}

/// Which queries meet the limit, and which do not.
pub(super) fn sent_while(others: u64) -> String {
    format!(
        "queries sent while {} or more others waited for their answers there",
        units::count(others)
    )
}

pub(super) const SENT_WHILE_FEWER: &str = "those sent while fewer did";

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let found = group
        .incidents()
        .find_map(|incident| limit(incident, group.evidence))?;
    let InFlightLimit {
        others,
        contrast,
        median_ns,
    } = found;
    let many = units::queries(*others);
    let which = sent_while(*others);
    Explanation::of(
        format!("{server} takes about {many} at once, and ignores the rest"),
        "Those that it answers take long, so that many are under way together; what comes beyond its \
         limit, or finds no room in a queue before it, goes unanswered without a word. Docker's \
         resolver for containers has such a limit, and so have others (unbound \
         `num-queries-per-thread`).",
        group.impact(),
    )
    .line(contrast.with.against(
        &contrast.others,
        (&which, SENT_WHILE_FEWER),
        contrasts::UNANSWERED,
    ))
    .line(format!(
        "Half of those that were answered took {} or more; answers within {} are left out of this.",
        units::duration(*median_ns),
        units::duration(LATENCY_WARNING_NS)
    ))
    .lines(group.asked_by_and_for())
    .say(
        "Find out why its answers take long: most of all, the servers that it asks itself. With \
         faster answers fewer are under way. Docker's resolver gets other servers with `docker run \
         --dns`, or `dns` in daemon.json.",
    )
    .say("Ask less at once: a cache in the program or in its container, fewer lookups side by side.")
    .say(
        "Or let it take more at once: unbound `num-queries-per-thread`, dnsmasq `dns-forward-max`, \
         BIND `recursive-clients`; a newer Docker takes 1,024 instead of 100.",
    )
    .into()
}
