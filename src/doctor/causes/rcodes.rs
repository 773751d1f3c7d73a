//! Rules `dns_servfail` and `dns_refused_rcode`: the server itself says no.

use std::collections::BTreeMap;

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::severity::Share;
use super::words::Words;
use crate::doctor::finding::Severity;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::evidence::Trouble;
use crate::thresholds::REFUSED_MIN;
use crate::thresholds::REFUSED_PERMILLE;
use crate::thresholds::SERVFAIL_MIN;
use crate::thresholds::SERVFAIL_PERMILLE;
use crate::units;

/// RFC 1035 section 4.1.1.
const RCODE_SERVFAIL: u16 = 2;
const RCODE_REFUSED: u16 = 5;
/// Zones that are given by name.
const ZONES_MAX: usize = 3;
/// Labels that are taken for the zone: `example.com`.
const ZONE_LABELS: usize = 2;

pub(super) const SERVFAIL: Cause = Cause {
    rule: "dns_servfail",
    takes: |case, _| takes(case, RCODE_SERVFAIL),
    judge: |share| judge(share, SERVFAIL_MIN, SERVFAIL_PERMILLE),
    tell: tell_servfail,
};

pub(super) const REFUSED: Cause = Cause {
    rule: "dns_refused_rcode",
    takes: |case, _: &Evidence| takes(case, RCODE_REFUSED),
    judge: |share| judge(share, REFUSED_MIN, REFUSED_PERMILLE),
    tell: tell_refused,
};

fn takes(case: &Case, rcode: u16) -> Option<Place> {
    let said = case.trouble == Trouble::ErrorAnswer && case.rcode() == Some(rcode);
    said.then(|| Place::at(case.server()))
}

fn judge(share: &Share, least: u64, permille: (u64, u64)) -> Option<Severity> {
    severity::answers(share, least, permille.0, permille.1)
}

/// `example.com (40), example.org (2) and 7 more zones`
fn zones(group: &Group<'_>) -> Option<String> {
    let mut zones: BTreeMap<String, u64> = BTreeMap::new();
    for case in group.cases() {
        if let Some(question) = case.attempt.question.parse() {
            let labels: Vec<_> = question.name.rsplit('.').take(ZONE_LABELS).collect();
            let zone = labels.into_iter().rev().collect::<Vec<_>>().join(".");
            *zones.entry(units::shorten(&zone, 60)).or_default() += case.weight;
        }
    }
    let mut ranked: Vec<_> = zones.into_iter().collect();
    ranked.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let shown: Vec<_> = ranked
        .iter()
        .take(ZONES_MAX)
        .map(|(zone, n)| format!("{zone} ({})", units::count(*n)))
        .collect();
    match ranked.len() {
        0 => None,
        n if n <= ZONES_MAX => Some(shown.join(", ")),
        n => Some(format!("{} and {} more", shown.join(", "), n - ZONES_MAX)),
    }
}

fn evidence(group: &Group<'_>, rcode: &str) -> Vec<String> {
    let server = group.server();
    let tally = group.asked().all;
    let mut lines = vec![format!(
        "{} from {server} said {rcode}; {} of its {} were NOERROR.",
        units::counted(group.queries(), "answer", "answers"),
        units::count(tally.noerror),
        units::counted(tally.answered, "answer", "answers"),
    )];
    lines.extend(zones(group).map(|zones| format!("By zone: {zones}.")));
    let elsewhere = group
        .views()
        .filter(|view| view.rcode.is_some())
        .map(|view| view.took_ns())
        .max();
    if let Some(longest) = elsewhere {
        lines.push(format!(
            "The server is on this host and needed up to {} for it; no slow or lost query of its \
             own explains it.",
            units::duration(longest)
        ));
    }
    lines.push(format!("Asked by {}.", group.askers()));
    lines.extend(group.examples());
    lines
}

fn tell_servfail(group: &Group<'_>) -> Words {
    let server = group.server();
    let zone = zones(group).map_or(String::new(), |zones| format!(", for {zones}"));
    Words {
        title: format!("{server} answers SERVFAIL{zone}"),
        cause: "The server tried and could not: the zone's own servers fail or contradict each \
                other, DNSSEC signatures do not verify (or this server's clock is wrong), or its \
                upstream is gone. One zone alone speaks for the zone, all names together for the \
                server."
            .to_owned(),
        impact: "glibc asks twice within a millisecond and fails; musl asks again and again for 5 \
                 s, which multiplies the load."
            .to_owned(),
        evidence: evidence(group, "SERVFAIL"),
        fix: Fix::default()
            .run(
                "Ask with DNSSEC checks off; if that works, the signatures are the trouble:",
                group.ask_example(group.dig().and("+cd")),
            )
            .say("Look into the server's log for that zone.")
            .say("See each one as it happens: `kerno watch --failed`"),
    }
}

fn tell_refused(group: &Group<'_>) -> Words {
    let server = group.server();
    let zone = zones(group).map_or(String::new(), |zones| format!(", for {zones}"));
    Words {
        title: format!("{server} answers REFUSED{zone}"),
        cause: "The server does not want to answer this client or this zone: an access list, \
                recursion that is off, a zone that it does not serve; or a forwarder with more \
                queries under way than it allows (dnsmasq --dns-forward-max, CoreDNS \
                max_concurrent)."
            .to_owned(),
        impact:
            "glibc tries its next server and fails when all refuse; musl waits and fails after 5 \
             s."
            .to_owned(),
        evidence: evidence(group, "REFUSED"),
        fix: Fix::default()
            .run(
                "Ask from where the client is:",
                group.ask_example(group.dig()),
            )
            .say(
                "Allow the client's addresses in the server: unbound `access-control:`, BIND \
                 `allow-recursion`; or ask another server for that zone.",
            ),
    }
}
