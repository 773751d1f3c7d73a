//! Rule `dns_nobody_listening`: the server's port is closed, or a firewall says so.

use super::Cause;
use super::group::Group;
use super::packet::NETFILTER;
use super::packet::NO_SOCKET;
use super::place::Place;
use crate::doctor::commands;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

const CLOSED_PORT: usize = 1;
const REJECTED: usize = 2;

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let refused = is_refused(incident) || rejected_silently(incident, evidence);
    let place = Place::at(incident.server());
    refused.then(|| match incident.drop() {
        Some(drop) if &*drop.reason == NETFILTER => place.in_netns(drop.netns).fault(REJECTED),
        Some(drop) => place.in_netns(drop.netns).fault(CLOSED_PORT),
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
    let (cause, found, look) = match group.place.fault {
        REJECTED => (
            format!(
                "A rule of netfilter in {here}, on this host, answers the queries with \"port \
                 unreachable\". kube-proxy has such a rule for a Service without ready endpoints: \
                 then no DNS pod is ready."
            ),
            format!(
                "The packets were discarded with {NETFILTER} in {here}, and an ICMP error came \
                 back: a REJECT rule."
            ),
            group.within(netns, Command::new("nft list ruleset | grep -n reject")),
        ),
        CLOSED_PORT => (
            format!(
                "The queries arrive in {here}, on this host, and no program has that port open. \
                 The DNS server there is not running, listens on another address, or has just been \
                 restarted."
            ),
            format!("They arrived in {here} and found no socket ({NO_SOCKET})."),
            group.within(netns, commands::sockets("ss -lntup", group.place.port())),
        ),
        _ => (
            "The host at that address says that the port is closed. Its DNS server is not running, \
             or a firewall on the way rejects the queries."
                .to_owned(),
            "The refusal came as ICMP port unreachable or as a TCP reset; kerno saw no drop on \
             this host."
                .to_owned(),
            group.dig_root(),
        ),
    };
    Explanation::of(
        match group.place.fault {
            REJECTED => format!("A firewall rule rejects DNS queries to {server}"),
            _ => format!("Nobody listens at {server}"),
        },
        cause,
        "glibc notices at once if the kernel tells it, tries its other servers and then fails. \
         musl does not notice and waits 5 s.",
    )
    .lines(refused_told(group))
    .line(found)
    .lines(group.examples())
    .run("Look there:", look)
    .say(
        "Start the server, or take the address out of resolv.conf. In Kubernetes, see if the pods \
         are ready: `kubectl -n kube-system get endpointslices -l k8s-app=kube-dns`",
    )
    .into()
}

fn refused_told(group: &Group<'_>) -> Vec<String> {
    let refused = group.count(is_refused);
    let silent = group.queries() - refused;
    let mut lines = vec![format!(
        "{} refused (ECONNREFUSED), of {}.",
        units::counted(refused, "query was", "queries were"),
        group.askers()
    )];
    if silent > 0 {
        lines.push(format!(
            "{} discarded in the same way without an ICMP error: the kernel sends one a second to \
             an address (net.ipv4.icmp_ratelimit).",
            units::counted(silent, "more was", "more were")
        ));
    }
    lines
}
