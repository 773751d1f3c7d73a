//! Rule `dns_nobody_listening`: the server's port is closed, or a firewall says so.

use super::Cause;
use super::group::Group;
use super::packet::NETFILTER;
use super::packet::NO_SOCKET;
use super::place::Place;
use super::place::Variant;
use super::severity;
use crate::doctor::commands;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause::new(matches, severity::exact, describe);

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let refused = is_refused(incident) || rejected_silently(incident, evidence);
    let place = Place::at(incident.server());
    refused.then(|| match incident.drop() {
        Some(drop) if &*drop.reason == NETFILTER => {
            place.in_netns(drop.netns).variant(Variant::Rejected)
        }
        Some(drop) => place.in_netns(drop.netns).variant(Variant::ClosedPort),
        None => place,
    })
}

fn is_refused(incident: &Incident) -> bool {
    incident.errno() == Some(libc::ECONNREFUSED)
}

/// Discarded by the rule that rejects others, without a word.
fn rejected_silently(incident: &Incident, evidence: &Evidence) -> bool {
    let discarded = incident.query_dropped();
    discarded.is_some_and(|(_, reason)| reason == NETFILTER) && evidence.is_rejected(incident)
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let netns = group.drop_netns();
    let here = group.netns_told(netns.unwrap_or_default());
    let nobody = format!("Nobody listens at {server}");
    let explanation = match group.place.variant {
        Variant::Rejected => opening(
            group,
            format!("A firewall rule rejects DNS queries to {server}"),
        )
        .cause(format!(
            "A rule of netfilter in {here}, on this host, answers the queries with \"port \
                 unreachable\". kube-proxy has such a rule for a Service without ready endpoints: \
                 then no DNS pod is ready."
        ))
        .line(format!(
            "The packets were discarded with {NETFILTER} in {here}, and an ICMP error came \
                 back: a REJECT rule."
        ))
        .run(
            LOOK,
            group.within(netns, Command::new("nft list ruleset | grep -n reject")),
        ),
        Variant::ClosedPort => opening(group, nobody)
            .cause(format!(
                "The queries arrive in {here}, on this host, and no program has that port open. \
                 The DNS server there is not running, listens on another address, or has just been \
                 restarted."
            ))
            .line(format!(
                "They arrived in {here} and found no socket ({NO_SOCKET})."
            ))
            .run(
                LOOK,
                group.within(netns, commands::sockets("ss -lntup", group.place.port())),
            ),
        _ => opening(group, nobody)
            .cause(
                "The host at that address says that the port is closed. Its DNS server is not \
                 running, or a firewall on the way rejects the queries.",
            )
            .line(
                "The refusal came as ICMP port unreachable or as a TCP reset; kerno saw no drop on \
                 this host.",
            )
            .run(LOOK, group.dig_root()),
    };
    explanation
        .impact(
            "glibc notices at once if the kernel tells it, tries its other servers and then fails. \
             musl does not notice and waits 5 s.",
        )
        .lines(group.examples())
        .say(
            "Start the server, or take the address out of resolv.conf. In Kubernetes, see if the \
             pods are ready: `kubectl -n kube-system get endpointslices -l k8s-app=kube-dns`",
        )
        .into()
}

const LOOK: &str = "Look there:";

fn opening(group: &Group<'_>, title: String) -> Explanation {
    Explanation::of(title)
        .line(format!(
            "{} refused (ECONNREFUSED), of {}.",
            units::counted(group.count(is_refused), "query was", "queries were"),
            group.askers()
        ))
        .lines(silent_told(group))
}

fn silent_told(group: &Group<'_>) -> Option<String> {
    let silent = group.count(|incident| !is_refused(incident));
    (silent > 0).then(|| {
        format!(
            "{} discarded in the same way without an ICMP error: the kernel sends one a second to \
             an address (net.ipv4.icmp_ratelimit).",
            units::counted(silent, "more was", "more were")
        )
    })
}
