//! Rule `dns_conntrack_stale`: an old flow is pinned to a server that is gone.

use std::net::IpAddr;

use super::Cause;
use super::group::Group;
use super::packet::NEIGH_QUEUEFULL;
use super::packet::NOT_SPECIFIED;
use super::place::Place;
use crate::doctor::explanation::Explanation;
use crate::doctor::ranking;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::Tally;
use crate::sampler::Flow;
use crate::shell::Command;
use crate::thresholds::FAILURES_MIN;
use crate::thresholds::FRESH_PERCENT;
use crate::thresholds::STALE_NS;
use crate::units;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

const PORTS_SHOWN: usize = 3;

/// One source port fails every time, all others to the same server are answered,
/// and the entry leads to another address than was asked.
fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let quiet = match incident.dropped() {
        None => incident.has_failed() && incident.errno().is_none(),
        // What happens when nobody owns the old address any more.
        Some((drop, reason)) => {
            drop.dead_end().is_some() || [NEIGH_QUEUEFULL, NOT_SPECIFIED].contains(&reason)
        }
    };
    if !quiet || incident.is_tcp() {
        return None;
    }
    let flow = evidence.tallies.flow(&incident.attempt)?;
    let pinned = flow.leads_to.is_some();
    // A packet's own entry is proof, an entry found afterwards is not.
    let lasts = pinned || flow.last_ns.saturating_sub(flow.first_ns) >= STALE_NS;
    if flow.failed < FAILURES_MIN || !lasts {
        return None;
    }
    let fresh = fresh(incident, evidence)?;
    let fresh_work =
        fresh.answered >= FAILURES_MIN && fresh.answered * 100 >= fresh.ended() * FRESH_PERCENT;
    let translated = pinned || entry(incident, evidence).is_some();
    (fresh_work && translated).then(|| Place::at(incident.server()))
}

/// How other source ports fare with the server: of the same namespace, since this
/// one fails, or, if none of those is answered, of the namespace that fares best with
/// that address: in another network it may be another server, or stale as well.
fn fresh(incident: &Incident, evidence: &Evidence) -> Option<Tally> {
    let tallies = &evidence.tallies;
    let flow = tallies.flow(&incident.attempt)?;
    let own = tallies
        .asked(incident.attempt.owner.netns, incident.server())
        .all;
    let answered = own.answered.saturating_sub(flow.before.answered);
    let failed = own.failed.saturating_sub(flow.before.failed);
    Some(match answered {
        0 => tallies.best_elsewhere(incident.attempt.owner.netns, incident.server()),
        _ => Tally {
            answered,
            // The first one of this port is not in it, the others are.
            failed: failed.saturating_sub(flow.failed.saturating_sub(1)),
            ..Tally::default()
        },
    })
}

/// The entry of its source port at the end of the window, if it translates.
fn entry<'a>(incident: &Incident, evidence: &'a Evidence) -> Option<&'a Flow> {
    evidence.host.flows.iter().find(|flow| {
        flow.source == incident.attempt.local
            && flow.destination == incident.server()
            && flow.reply_source.ip() != flow.destination.ip()
    })
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let first = group.first()?;
    let tallies = &group.evidence.tallies;
    let entry = group
        .incidents()
        .find_map(|incident| entry(incident, group.evidence));
    // One of both is known of each.
    let dead = group
        .incidents()
        .find_map(|incident| tallies.flow(&incident.attempt)?.leads_to)
        .or_else(|| entry.map(|flow| flow.reply_source.ip()))?;
    let answered = fresh(first, group.evidence).map_or(0, |fresh| fresh.answered);
    let netns = entry.map(|flow| flow.netns).or(group.drop_netns());
    Explanation::of(
        format!("An old conntrack entry sends queries for {server} to {dead}"),
        "Address translation chose a server once for this source port. Each further packet keeps \
         that choice alive, so the entry does not expire while the program goes on asking. That \
         server is gone, and whoever removed it (often kube-proxy) did not remove the entry. New \
         sockets get a living server.",
        "It hits programs that use one socket for all their DNS (Envoy, nginx, some Java clients), \
         until they are restarted.",
    )
    .line(ports_told(group))
    .line(format!(
        "From other source ports {} to the same server were answered.",
        units::queries(answered)
    ))
    .line(format!(
        "The conntrack entry of that source port translates {server} to {dead}."
    ))
    .run(
        "Delete the entry:",
        group.within(netns, delete(group, dead)),
    )
    .say(
        "Then find out why it was left: an old kube-proxy, or IPVS mode with its five-minute \
         timeout.",
    )
    .say("Let DNS pods go on for a while when they end: CoreDNS `health { lameduck 30s }`.")
    .into()
}

fn ports_told(group: &Group<'_>) -> String {
    let ports = group.distinct(|incident| incident.attempt.local.port());
    let shown = ranking::first_of(&ports, PORTS_SHOWN, ToString::to_string);
    format!(
        "All {} that failed came from {} ({}), of {}.",
        group.counted(),
        units::counted(ports.len() as u64, "source port", "source ports"),
        shown.unwrap_or_default(),
        group.askers()
    )
}

fn delete(group: &Group<'_>, dead: IpAddr) -> Command {
    Command::new("conntrack -D -p udp --orig-dst")
        .word(group.place.ip())
        .and("--reply-src")
        .word(dead.to_string())
        .and("--dport")
        .word(group.place.port().to_string())
}
