//! Rule `dns_rate_limit`: a server answers so many queries a second, whatever is asked.

use super::Cause;
use super::contrasts;
use super::group::Group;
use super::place::Place;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::RateLimit;
use crate::units;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

/// Told by answers that are cut short, not by a rate.
const SLIPS: usize = 1;

fn limit(incident: &Incident, evidence: &Evidence) -> Option<RateLimit> {
    let way = (incident.attempt.owner.netns, incident.server());
    evidence.rate_limits.get(&way).copied()
}

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    if !contrasts::is_silent(incident) {
        return None;
    }
    let place = Place::at(incident.server());
    match limit(incident, evidence) {
        Some(_) => Some(place),
        None => slips(incident, evidence).map(|_| place.fault(SLIPS)),
    }
}

/// Answers that were cut short though there was room; those that have none come over UDP.
fn slips(incident: &Incident, evidence: &Evidence) -> Option<u64> {
    let attempt = (!incident.is_tcp()).then_some(&incident.attempt)?;
    evidence.oversized.slips(attempt)
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    match group.place.fault {
        SLIPS => cut_short(group),
        _ => flat(group),
    }
}

/// Response rate limiting, as authoritative servers have it.
fn cut_short(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let slips = group
        .incidents()
        .find_map(|incident| slips(incident, group.evidence))?;
    Explanation::of(
        format!("{server} limits how many answers it sends (RRL)"),
        "The server leaves queries unanswered and answers others with the TC bit and no record, \
         although it gives the same answers whole to other queries. So servers do whose answers to \
         one network are limited in their rate (response rate limiting: BIND `rate-limit`, Knot \
         `mod-rrl`, NSD `rrl-ratelimit`): they drop some, and cut others short (`slip`), so that \
         clients ask again over TCP.",
        group.impact(),
    )
    .line(format!(
        "{} from there had the TC bit and no record, to questions whose whole answer would have \
         had room.",
        units::counted(slips, "answer over UDP", "answers over UDP")
    ))
    .line(format!("{} went unanswered.", group.counted()))
    .lines(group.asked_by_and_for())
    .say(
        "Ask less: a cache on this host (systemd-resolved, unbound, dnsmasq, NodeLocal DNSCache), and \
         look who asks most in the table below.",
    )
    .say(
        "Or raise the limit for this network, or exempt it: BIND `rate-limit` (`responses-per-second`, \
         `exempt-clients`), Knot `mod-rrl`, NSD `rrl-whitelist-ratelimit`.",
    )
    .into()
}

fn flat(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let found = group
        .incidents()
        .find_map(|incident| limit(incident, group.evidence))?;
    let RateLimit {
        per_second,
        asked: (least, most),
        seconds,
    } = found;
    Explanation::of(
        format!("{server} answers about {per_second} queries a second, and ignores the rest"),
        "The answers do not follow the questions: the server, or something before it, limits their \
         rate. AdGuard Home allows 20 a second to a network by default, cloud resolvers 1,024 to an \
         interface, authoritative servers limit equal answers (RRL).",
        group.impact(),
    )
    .line(format!(
        "In {} with unanswered queries, {} to {} were asked in a second, and about {} of them \
         answered.",
        units::counted(seconds, "second", "seconds"),
        units::count(least),
        units::count(most),
        units::count(per_second)
    ))
    .lines(group.asked_by_and_for())
    .say(
        "Ask less: a cache on this host (systemd-resolved, unbound, dnsmasq, NodeLocal DNSCache), and \
         look who asks most in the table below.",
    )
    .say(
        "Or raise the limit for this host: AdGuard Home `ratelimit` and `ratelimit_whitelist`, BIND \
         `rate-limit`, nftables `limit rate`.",
    )
    .into()
}
