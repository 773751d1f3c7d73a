//! Rule `dns_tcp_blocked`: a truncated answer, and then TCP fails.

use super::Cause;
use super::group::Group;
use super::packet;
use super::place::Place;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::units;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let tally = evidence
        .tallies
        .asked(incident.attempt.owner.netns, incident.server());
    let blocked = incident.is_tcp()
        && incident.has_failed()
        && incident.attempt.failed_call.is_none()
        && tally.truncated > 0
        && tally.tcp.answered == 0;
    blocked.then(|| Place::at(incident.server()))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let tally = group.asked();
    Explanation::of(
        format!("The DNS server {server} cannot be asked over TCP, so large answers never come"),
        "An answer that does not fit into a UDP packet comes with the TC bit, and the client must \
         ask again over TCP (RFC 7766 section 5). UDP to port 53 gets through, TCP does not. Often \
         a network policy or a security group allows UDP only.",
        "It hits names with large answers only (many addresses, TXT, SRV, DNSSEC).",
    )
    .line(format!(
        "{} from {server} over UDP had the TC bit, and none of {} over TCP was answered.",
        units::counted(tally.truncated, "answer", "answers"),
        units::counted(tally.tcp.ended(), "attempt", "attempts"),
    ))
    .lines(how_tcp_ended(group))
    .lines(sent_again(group))
    .lines(group.examples())
    .say("Allow TCP to port 53 wherever UDP is allowed: NetworkPolicy, security group, firewall.")
    .run("Ask over TCP yourself:", group.dig_root())
    .say("Until then, set the EDNS buffer size of the servers to 1232, so that more answers fit.")
    .into()
}

/// What TCP did about the silence.
fn sent_again(group: &Group<'_>) -> Option<String> {
    let server = group.place.server?;
    let namespaces = group.distinct(|incident| incident.attempt.owner.netns);
    let resends = &group.evidence.resends;
    let all = namespaces.into_iter();
    let (segments, openings) = all
        .map(|netns| resends.segments(netns, server))
        .fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    (segments > 0).then(|| {
        format!(
            "This host sent {} to it again, {} of them to open a connection.",
            units::counted(segments, "segment", "segments"),
            units::count(openings)
        )
    })
}

fn how_tcp_ended(group: &Group<'_>) -> Vec<String> {
    let reset = group.count(|incident| incident.errno() == Some(libc::ECONNREFUSED));
    let dropped = group.count(|incident| incident.dropped().is_some());
    let silent = group.queries().saturating_sub(reset + dropped);
    let mut lines = Vec::new();
    if let Some((drop, _)) = group.incidents().find_map(Incident::dropped) {
        lines.push(format!(
            "{} discarded by this host's kernel: {}, in {}.",
            units::counted(dropped, "was", "were"),
            packet::told(drop),
            group.netns_told(drop.netns)
        ));
    }
    if silent > 0 {
        lines.push(format!(
            "{} came to nothing otherwise, and kerno saw no drop of these on this host.",
            units::count(silent)
        ));
    }
    if reset > 0 {
        lines.push(format!(
            "{} got a reset (ECONNREFUSED): the server does not listen on TCP, or a firewall \
             rejects it.",
            units::count(reset)
        ));
    }
    lines
}
