//! Rule `dns_rate_limit`: a server answers so many queries a second, whatever is asked.

use super::Cause;
use super::contrasts;
use super::group::Group;
use super::place::Place;
use crate::doctor::explanation::Explanation;
use crate::doctor::explanation::WAITS_AND_FAILS;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::RateLimit;
use crate::units;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

fn limit(incident: &Incident, evidence: &Evidence) -> Option<RateLimit> {
    let way = (incident.attempt.owner.netns, incident.server());
    evidence.rate_limits.get(&way).copied()
}

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let is_over = contrasts::is_silent(incident) && limit(incident, evidence).is_some();
    is_over.then(|| Place::at(incident.server()))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
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
        WAITS_AND_FAILS,
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
