//! Rule `dns_forwarding_loop`: resolvers on this host ask each other for the same name.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::upstream_slow;
use crate::doctor::explanation::Explanation;
use crate::doctor::who;
use crate::incidents::Evidence;
use crate::incidents::Hop;
use crate::incidents::Incident;
use crate::units;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    // A packet that this host discarded on this leg has a cause of its own.
    let sent = incident.query_dropped().is_none() && incident.attempt.failed_call.is_none();
    let key = || {
        let own = incident.in_loop;
        own.or_else(|| turned_down_by(incident, evidence))
    };
    let key = sent.then(key)??;
    Some(Place::default().of(Some(key)))
}

/// The loop that keeps the resolver from asking for this client as well.
fn turned_down_by(incident: &Incident, evidence: &Evidence) -> Option<u32> {
    let view = evidence.view_of(incident)?;
    let resolver = view.owner.pid?;
    let upstream = evidence.upstream_in_trouble(resolver)?;
    let key = evidence.loops.through(resolver, upstream)?;
    upstream_slow::is_turned_down(incident, view, evidence).then_some(key)
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let hops = group.evidence.loops.get(group.place.pid?)?;
    let name = |hop: &Hop| who::process(hop.owner.pid, hop.owner.comm);
    let first = name(hops.first()?);
    let (title, cause) = match hops {
        [_] | [] => (
            format!("Forwarding loop: {first} asks itself"),
            format!("{first} forwards queries to an address at which it listens itself."),
        ),
        [_, others @ ..] => {
            let others: Vec<_> = others.iter().map(name).collect();
            let asks = format!("{first} asks {}", others.join(", which asks "));
            (
                format!("Forwarding loop: {asks}, which asks {first} for the same name"),
                format!(
                    "{first} waits for {}, which waits for {first}: what none of them knows goes round \
                     until all have given up.",
                    others.join(", which waits for ")
                ),
            )
        }
    };
    Explanation::of(
        title,
        cause,
        "Names that none of them knows by itself time out or fail, and each takes many queries. What \
         they know themselves, or have in their cache, does not go round.",
    )
    .lines(hops.iter().map(|hop| hop_told(group, hop)))
    .lines(clients_told(group))
    .lines(upstream_slow::refused_told(group))
    .lines(group.examples())
    .say(format!(
        "Let one of them ask a resolver outside of this host: {} in its configuration (dnsmasq \
         `server=`, unbound `forward-addr:`, CoreDNS `forward`, systemd-resolved `DNS=`).",
        match hops {
            [hop] => format!("replace {}", hop.asks),
            _ => {
                let asks: Vec<_> = hops.iter().map(|hop| hop.asks.to_string()).collect();
                format!("replace {}", asks.join(" or "))
            }
        }
    ))
    .say("Have loops found at the start: dnsmasq `dns-loop-detect`, CoreDNS `loop`.")
    .into()
}

/// Of all that it asked there, whether the report is about that or not.
fn hop_told(group: &Group<'_>, hop: &Hop) -> String {
    let own = group.evidence.incidents.iter().filter(|incident| {
        incident.in_loop == group.place.pid
            && incident.is_upstream
            && incident.attempt.owner.pid == hop.owner.pid
            && incident.server() == hop.asks
    });
    format!(
        "{} asked {}, and {} came to nothing in time.",
        who::process(hop.owner.pid, hop.owner.comm),
        hop.asks,
        units::queries(own.map(|incident| incident.weight).sum())
    )
}

fn clients_told(group: &Group<'_>) -> Option<String> {
    let clients = group.count(|it| it.in_loop.is_some() && !it.is_upstream);
    (clients > 0).then(|| format!("{} of their clients began it.", units::queries(clients)))
}
