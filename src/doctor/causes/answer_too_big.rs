//! Rule `dns_answer_too_big`: large answers are lost on the way.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::evidence::ServerView;
use crate::shell::Command;
use crate::thresholds::BIG_ANSWER_BYTES;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_answer_too_big",
    takes,
    judge: severity::exact,
    tell,
};

const TOO_BIG: &str = "PKT_TOO_BIG";

/// A router on this host could not pass the answer on; or the server on this
/// host sent a large one that never arrived, while the query did.
fn takes(case: &Case, evidence: &Evidence) -> Option<Place> {
    let told = case
        .answer_dropped()
        .is_some_and(|(_, reason)| reason == TOO_BIG);
    let lost = case.has_failed()
        && case.drop().is_none()
        && case.errno().is_none()
        && !case.is_tcp()
        && case.attempt.answer.is_none()
        && evidence.view_of(case).is_some_and(is_big);
    (told || lost).then(|| Place::at(case.server()))
}

fn is_big(view: &ServerView) -> bool {
    view.is_answered() && view.answer_bytes > BIG_ANSWER_BYTES
}

fn tell(group: &Group<'_>) -> Words {
    let server = group.server();
    let told = group.count(|case| case.answer_dropped().is_some());
    let mut evidence = Vec::new();
    if let Some((drop, _)) = group.cases().find_map(Case::answer_dropped) {
        evidence.push(format!(
            "{} discarded: PKT_TOO_BIG at {}, in {}; the sender was told by ICMP.",
            units::counted(told, "answer was", "answers were"),
            drop.location
                .as_deref()
                .unwrap_or("a function that the kernel hides"),
            group.netns_told(drop.netns),
        ));
    }
    let sizes: Vec<u16> = group
        .views()
        .filter(|view| is_big(view))
        .map(|view| view.answer_bytes)
        .collect();
    if let (Some(least), Some(most)) = (sizes.iter().min(), sizes.iter().max()) {
        evidence.push(format!(
            "The server on this host had sent them: DNS messages of {least} to {most} bytes, more \
             than the {BIG_ANSWER_BYTES} that pass everywhere."
        ));
    }
    evidence.push(format!("Asked by {}.", group.askers()));
    evidence.extend(group.examples());
    let client = group
        .first()
        .map(|case| case.attempt.local.ip().to_string())
        .unwrap_or_default();
    Words {
        title: format!("Large answers from {server} are lost on the way"),
        cause:
            "The answer does not fit into one packet of some link (VPN, overlay), or travels in \
             fragments that a firewall discards. Small answers pass, so only some names fail."
                .to_owned(),
        impact: "These names fail every time: each lookup waits 5 s (glibc) or 2.5 s (musl) and \
                 asks again for the same large answer."
            .to_owned(),
        evidence,
        fix: Fix::default()
            .say(
                "Let the servers send no more than 1,232 bytes over UDP: unbound \
                 `edns-buffer-size: 1232` and `max-udp-size: 1232`, CoreDNS `bufsize 1232`, BIND \
                 `max-udp-size 1232`; larger ones then come over TCP.",
            )
            .run(
                "See the smallest MTU on the way:",
                group.within(
                    group
                        .cases()
                        .find_map(Case::drop)
                        .map(|drop| drop.netns)
                        .or(group.first().map(|case| case.attempt.owner.netns)),
                    Command::new("ip route get").word(client),
                ),
            )
            .say("Let ICMP \"fragmentation needed\" and fragments through the firewalls between."),
    }
}
