//! Rule `dns_answer_too_big`: large answers are lost on the way.

use super::Cause;
use super::contrasts;
use super::group::Group;
use super::packet;
use super::place::Place;
use super::severity;
use crate::doctor::explanation::Explanation;
use crate::doctor::finding::Severity;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::Oversized;
use crate::incidents::ServerView;
use crate::shell::Command;
use crate::thresholds::BIG_ANSWER_BYTES;
use crate::units;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

/// Nothing of this host has seen the answers.
const REMOTE: usize = 1;

/// A router on this host could not pass the answer on; or the server on this
/// host sent a large one that never arrived, while the query did; or the large answers of a
/// server elsewhere are those that do not come.
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
    let place = Place::at(incident.server());
    match told || lost {
        true => Some(place),
        false => remote(incident, evidence).map(|_| place.fault(REMOTE)),
    }
}

fn remote<'a>(incident: &Incident, evidence: &'a Evidence) -> Option<&'a Oversized> {
    let is_elsewhere = contrasts::is_silent(incident) && evidence.view_of(incident).is_none();
    let attempt = is_elsewhere.then_some(&incident.attempt)?;
    evidence.oversized.of_attempt(attempt)
}

/// What the kernel has not told is a conclusion.
pub(super) fn limit(group: &Group<'_>) -> Option<Severity> {
    match group.place.fault {
        REMOTE => severity::pattern(&group.share()),
        _ => None,
    }
}

fn is_big(view: &ServerView) -> bool {
    view.is_answered() && view.answer_bytes > BIG_ANSWER_BYTES
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    match group.place.fault {
        REMOTE => elsewhere(group),
        _ => here(group),
    }
}

fn elsewhere(group: &Group<'_>) -> Option<Explanation> {
    let found = group
        .incidents()
        .find_map(|it| remote(it, group.evidence))?;
    let (least, largest) = (bytes(found.least), bytes(found.largest));
    let room = |incident: &Incident| {
        let shape = incident.attempt.question.shape();
        shape.map(|it| it.room)
    };
    let rooms = group.distinct(room);
    let rooms: Vec<String> = rooms.into_iter().flatten().map(bytes).collect();
    let asks = group.ask_name(group.dig());
    let of_type = |dig: Command| match group.first()?.attempt.question.parse() {
        Some(question) => Some(dig.word(question.rtype.to_string())),
        None => Some(dig),
    };
    let is_fragment = found.least > BIG_ANSWER_BYTES;
    let why = match is_fragment {
        true => {
            "Larger answers than 1,232 bytes may travel in fragments, or not fit into a packet of some \
             link (VPN, overlay): a firewall that discards fragments, or a path MTU that nobody \
             tells the server."
        }
        false => {
            "Something on the way limits the size of DNS messages, as old firewalls do (512 bytes: \
             Cisco `inspect dns` with `message-length maximum`)."
        }
    };
    Explanation::of(
        format!("Large answers from {} never come, small ones do", group.server()),
        "Queries whose answer is large go unanswered where they offer room for all of it (EDNS), and \
         kerno saw none of their answers on this host: they get lost beyond it.",
        group.impact(),
    )
    .causes([why])
    .line(found.contrast.told(
        &format!("queries whose answer has {least} bytes or more, with room for that"),
        "went unanswered",
    ))
    .line(match found.largest {
        0 => "No answer came whole over UDP from there.".to_owned(),
        _ => format!("The largest answer that came whole over UDP from there had {largest} bytes."),
    })
    .line(format!("They had room for {} bytes.", rooms.join(" or ")))
    .lines((found.otherwise > 0).then(|| {
        format!(
            "The same questions were answered there over TCP, or cut short (TC), {}.",
            units::counted(found.otherwise, "time", "times")
        )
    }))
    .lines(group.asked_by_and_for())
    .run(
        "See it fail:",
        of_type(asks.clone())?.and("+bufsize=4096 +ignore +notcp"),
    )
    .run("… and work over TCP:", of_type(asks)?.and("+tcp"))
    .with(|it| match is_fragment {
        true => it.say(
            "Let the clients offer no more than 1,232 bytes: unbound `edns-buffer-size: 1232`, BIND \
             `edns-udp-size 1232`, dnsmasq `edns-packet-max=1232`. Larger answers then come over TCP.",
        ),
        false => it.say(
            "Let the firewall pass larger DNS messages, or let the clients offer 512 bytes: unbound \
             `edns-buffer-size: 512`, BIND `edns-udp-size 512`. Larger answers then come over TCP.",
        ),
    })
    .say("Let ICMP \"fragmentation needed\" and fragments through the firewalls between.")
    .into()
}

fn bytes(octets: u16) -> String {
    units::count(octets.into())
}

fn here(group: &Group<'_>) -> Option<Explanation> {
    let incident = group.first()?;
    let netns = group.drop_netns();
    let route = Command::new("ip route get").word(incident.attempt.local.ip().to_string());
    Explanation::of(
        format!("Large answers from {} are lost on the way", group.server()),
        "The answer does not fit into one packet of some link (VPN, overlay), or it travels in \
         fragments that a firewall discards. Small answers get through, so only some names fail.",
        "Whoever asks again for these names gets the same large answer. ".to_owned()
            + &group.impact(),
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
