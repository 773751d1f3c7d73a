//! Rule `dns_conntrack_stale`: an old flow is pinned to a server that is gone.

use std::net::IpAddr;
use std::net::SocketAddr;

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use crate::attempt::Conntrack;
use crate::doctor::thresholds::FAILURES_MIN;
use crate::doctor::thresholds::FRESH_PERCENT;
use crate::doctor::thresholds::STALE_NS;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::evidence::Tally;
use crate::evidence::surroundings::Flow;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_conntrack_stale",
    takes,
    judge: severity::pattern,
    tell,
};

/// What a stale entry does to the packet: nothing at all, or what happens when
/// nobody owns the old address any more.
const ENDS: [&str; 4] = [
    "NEIGH_FAILED",
    "NEIGH_QUEUEFULL",
    "IP_INNOROUTES",
    "NOT_SPECIFIED",
];

/// One source port fails every time, all others to the same server are answered,
/// and the entry leads to another address than was asked.
fn takes(case: &Case, evidence: &Evidence) -> Option<Place> {
    let quiet = match case.dropped() {
        None => case.has_failed() && case.errno().is_none(),
        Some((_, reason)) => ENDS.contains(&reason),
    };
    if !quiet || case.is_tcp() {
        return None;
    }
    let flow = evidence.tallies.flow(&case.attempt)?;
    if flow.failed < FAILURES_MIN || flow.last_ns.saturating_sub(flow.first_ns) < STALE_NS {
        return None;
    }
    let server = fresh(case.attempt.owner.netns, case.server(), evidence);
    let others_failed = server.failed.saturating_sub(flow.failed);
    let others = server.answered + others_failed;
    let fresh_work =
        server.answered >= FAILURES_MIN && server.answered * 100 >= others * FRESH_PERCENT;
    let translated = pinned_to(case, evidence).is_some() || entry(case, evidence).is_some();
    (fresh_work && translated).then(|| Place::at(case.server()))
}

/// How the server fares: as the same namespace sees it, or, if that has no other
/// source port, as all see it who ask that address.
fn fresh(netns: u32, server: SocketAddr, evidence: &Evidence) -> Tally {
    let tallies = &evidence.tallies;
    let own = tallies.asked(netns, server).all;
    match own.answered {
        0 => tallies.asked_by_all(server).all,
        _ => own,
    }
}

/// Where the packet's entry leads, if that is not where it was sent.
fn pinned_to(case: &Case, _: &Evidence) -> Option<IpAddr> {
    match case.drop()?.conntrack? {
        Conntrack::Confirmed { reply_source } if reply_source != case.server().ip() => {
            Some(reply_source)
        }
        _ => None,
    }
}

/// The entry of its source port at the end of the window, if it translates.
fn entry<'a>(case: &Case, evidence: &'a Evidence) -> Option<&'a Flow> {
    evidence.surroundings.flows.kept.iter().find(|flow| {
        flow.source.port() == case.attempt.local.port()
            && flow.destination == case.server()
            && flow.reply_source.ip() != flow.destination.ip()
    })
}

fn tell(group: &Group<'_>) -> Words {
    let server = group.server();
    let first = group.first();
    let entry = first.and_then(|case| entry(case, group.evidence));
    let dead = group
        .cases()
        .find_map(|case| pinned_to(case, group.evidence))
        .or_else(|| entry.map(|flow| flow.reply_source.ip()));
    let dead_text = dead.map_or("an address that is gone".to_owned(), |dead| {
        dead.to_string()
    });
    let tally = first
        .map(|case| fresh(case.attempt.owner.netns, case.server(), group.evidence))
        .unwrap_or_default();
    let mut ports: Vec<_> = group
        .cases()
        .map(|case| case.attempt.local.port())
        .collect();
    ports.sort_unstable();
    ports.dedup();
    let shown: Vec<_> = ports.iter().take(3).map(ToString::to_string).collect();
    let mut evidence = vec![
        format!(
            "All {} that failed came from {} ({}), of {}.",
            group.counted(),
            units::counted(ports.len() as u64, "source port", "source ports"),
            shown.join(", "),
            group.askers()
        ),
        format!(
            "From other source ports {} to the same server were answered.",
            units::counted(tally.answered, "query", "queries")
        ),
    ];
    if dead.is_some() {
        evidence.push(format!(
            "The conntrack entry of that flow translates {server} to {dead_text}, which answers nobody."
        ));
    }
    let netns = entry
        .map(|flow| flow.netns)
        .or(group.cases().find_map(Case::drop).map(|d| d.netns));
    let delete = format!(
        "conntrack -D -p udp --orig-dst {}{} --dport {}",
        group
            .place
            .server
            .map(|s| s.ip().to_string())
            .unwrap_or_default(),
        dead.map(|dead| format!(" --reply-src {dead}"))
            .unwrap_or_default(),
        group.place.server.map_or(53, |server| server.port()),
    );
    Words {
        title: format!("An old conntrack entry sends queries for {server} to {dead_text}, which is gone"),
        cause: "Address translation chose a server once for this source port, and each packet that \
                follows keeps that choice alive: the entry never expires while the program goes on \
                asking. The server is gone, but whoever removed it (kube-proxy, as a rule) did not \
                remove the entry. New sockets get a living server."
            .to_owned(),
        impact: "Programs that reuse one socket for DNS (Envoy, nginx, some Java clients) fail for \
                 minutes or for good, until they are restarted; all others are fine."
            .to_owned(),
        evidence,
        fix: vec![
            format!("Delete the entry: `{}`", group.within(netns, &delete)),
            "Then look why it was left: an old kube-proxy, or IPVS mode with its five-minute timeout."
                .to_owned(),
            "Give DNS pods time to say goodbye: CoreDNS `health { lameduck 30s }`.".to_owned(),
        ],
    }
}
