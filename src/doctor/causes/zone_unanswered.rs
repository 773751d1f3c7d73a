//! Rule `dns_zone_unanswered`: names of one zone get no answer, all others do.

use super::Cause;
use super::contrasts;
use super::error_rcode;
use super::group::Group;
use super::place::Place;
use crate::attempt::Outcome;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::ServerView;
use crate::incidents::Trait;
use crate::thresholds::QUEUED_BYTES;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

/// Each zone is a finding: by its hash. Of a server on this host more is known: what it asked
/// itself, what lay before a query that it may not have read, and whom it answers.
fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let is_explained = |view: &ServerView| {
        (view.queued_bytes >= QUEUED_BYTES && !evidence.reading.is_past(view))
            || evidence.separated.at_server(view).is_some()
    };
    if incident.attempt.outcome != Outcome::Unanswered
        || incident.upstream.is_some()
        || evidence.view_of(incident).is_some_and(is_explained)
    {
        return None;
    }
    match contrasts::of_silent(incident, evidence)? {
        (Trait::Zone(zone) | Trait::Parent(zone), _) => {
            Some(Place::at(incident.server()).fault(zone as usize))
        }
        _ => None,
    }
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let first = group.first()?;
    let zone = match contrasts::of_silent(first, group.evidence)? {
        (Trait::Parent(_), _) => error_rcode::parent_of(&first.attempt)?,
        _ => error_rcode::zone_of(&first.attempt)?,
    };
    let is_here = group.is_left_here();
    Explanation::of(
        format!("{server} does not answer names of {zone}, but all others"),
        match is_here {
            true => {
                "The server is well otherwise. It gets no answer about this zone itself, has nowhere to \
                 ask for it, or leaves it out by its configuration; right would be SERVFAIL, REFUSED or \
                 NXDOMAIN."
            }
            false => {
                "The server and the way to it are well, for all else is answered. It gets no answer \
                 about this zone itself, has nowhere to ask for it, or leaves it out on purpose; or a \
                 filter on the way discards these names. From this host kerno cannot tell which."
            }
        },
        group.impact(),
    )
    .lines(group.contrast_told(&format!("names of {zone}")))
    .lines(group.own_told().filter(|_| is_here))
    .lines(group.asked_by_and_for())
    .run("Ask it yourself:", group.ask_example(group.dig()))
    .say(match is_here {
        true => {
            "See in its configuration and its log where it asks for this zone, and if anybody answers \
             there."
        }
        false => "Ask whoever runs the server, or the zone, where its own servers are, and if they answer.",
    })
    .say(
        "Or send the zone to a server that knows it: dnsmasq `server=/ZONE/ADDRESS`, unbound \
         `forward-zone:`, a block of its own in CoreDNS, `Domains=~ZONE` with its `DNS=` in \
         systemd-resolved.",
    )
    .into()
}
