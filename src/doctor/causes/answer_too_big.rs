//! Rule `dns_answer_too_big`: large answers are lost on the way.

use super::Cause;
use super::group::Group;
use super::packet;
use super::place::Place;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::ServerView;
use crate::shell::Command;
use crate::thresholds::BIG_ANSWER_BYTES;
use crate::units;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

/// A router on this host could not pass the answer on; or the server on this
/// host sent a large one that never arrived, while the query did.
fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let told = incident
        .answer_dropped()
        .is_some_and(|(_, reason)| reason == packet::TOO_BIG);
    let lost = incident.has_failed()
        && incident.drop().is_none()
        && incident.errno().is_none()
        && !incident.is_tcp()
        && incident.attempt.answer.is_none()
        && evidence.view_of(incident).is_some_and(is_big);
    (told || lost).then(|| Place::at(incident.server()))
}

fn is_big(view: &ServerView) -> bool {
    view.is_answered() && view.answer_bytes > BIG_ANSWER_BYTES
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let incident = group.first()?;
    let netns = group.drop_netns();
    let route = Command::new("ip route get").word(incident.attempt.local.ip().to_string());
    Explanation::of(
        format!("Large answers from {} are lost on the way", group.server()),
        "The answer does not fit into one packet of some link (VPN, overlay), or it travels in \
         fragments that a firewall discards. Small answers get through, so only some names fail.",
        "These names fail every time: each lookup waits 5 s (glibc) or 2.5 s (musl) and asks again \
         for the same large answer.",
    )
    .lines(discarded(group))
    .lines(sizes(group))
    .lines(group.asked_by_and_for())
    .say(
        "Let the servers send no more than 1,232 bytes over UDP: unbound `edns-buffer-size: 1232` \
         and `max-udp-size: 1232`, CoreDNS `bufsize 1232`, BIND `max-udp-size 1232`. Larger \
         answers then come over TCP.",
    )
    .run(
        "See the smallest MTU on the way:",
        group.within(netns.or(Some(incident.attempt.owner.netns)), route),
    )
    .say("Let ICMP \"fragmentation needed\" and fragments through the firewalls between.")
    .into()
}

fn discarded(group: &Group<'_>) -> Option<String> {
    let (drop, _) = group.incidents().find_map(Incident::answer_dropped)?;
    let answers = group.count(|incident| incident.answer_dropped().is_some());
    Some(format!(
        "{} discarded: {}, in {}.",
        units::counted(answers, "answer was", "answers were"),
        packet::told(drop),
        group.netns_told(drop.netns),
    ))
}

fn sizes(group: &Group<'_>) -> Option<String> {
    let big = group.views().filter(|view| is_big(view));
    let sizes: Vec<u16> = big.map(|view| view.answer_bytes).collect();
    let (least, most) = (sizes.iter().min()?, sizes.iter().max()?);
    Some(format!(
        "The server on this host sent DNS messages of {least} to {most} bytes; up to \
         {BIG_ANSWER_BYTES} get through everywhere."
    ))
}
