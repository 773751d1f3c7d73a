//! Rule `dns_nobody_listening`: the server's port is closed, or a firewall says so.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::policy_drop::NETFILTER;
use super::severity;
use super::words::Words;
use super::wrong_source::NO_SOCKET;
use crate::attempt::PacketDrop;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_nobody_listening",
    takes,
    judge: severity::exact,
    tell,
};

fn takes(case: &Case, evidence: &Evidence) -> Option<Place> {
    let refused = is_refused(case) || rejected_silently(case, evidence);
    let place = Place::at(case.server());
    refused.then(|| match case.drop() {
        Some(drop) => place.in_netns(drop.netns).in_form(form(drop)),
        None => place,
    })
}

fn is_refused(case: &Case) -> bool {
    case.errno() == Some(libc::ECONNREFUSED)
}

/// Discarded by the rule that rejects others, without a word.
fn rejected_silently(case: &Case, evidence: &Evidence) -> bool {
    let discarded = case.query_dropped();
    discarded.is_some_and(|(_, reason)| reason == NETFILTER) && evidence.is_rejected(case)
}

const CLOSED: &str = "closed port";
const REJECTED: &str = "firewall";

fn form(drop: &PacketDrop) -> &'static str {
    match &*drop.reason {
        NETFILTER => REJECTED,
        _ => CLOSED,
    }
}

fn tell(group: &Group<'_>) -> Words {
    let server = group.server();
    let port = group.place.server.map_or(53, |server| server.port());
    let drop = group.cases().find_map(Case::drop);
    let netns = drop.map(|drop| group.netns_told(drop.netns));
    let mut evidence = vec![format!(
        "{} refused (ECONNREFUSED), of {}.",
        units::counted(group.count(is_refused), "query was", "queries were"),
        group.askers()
    )];
    let silent = group.count(|case| !is_refused(case));
    if silent > 0 {
        evidence.push(format!(
            "{} discarded in the same way, and nobody was told: the kernel sends such an error \
             once a second to one address (net.ipv4.icmp_ratelimit).",
            units::counted(silent, "more was", "more were")
        ));
    }
    let here = |netns: &str| format!("in {netns}, on this host");
    let (title, cause, look) = match (group.place.form, &netns) {
        (REJECTED, Some(netns)) => {
            evidence.push(format!(
                "The packets were discarded with NETFILTER_DROP {}, and an ICMP error was sent \
                 back: a REJECT rule.",
                here(netns)
            ));
            (
                format!("A firewall rule rejects DNS queries to {server}"),
                format!(
                    "The queries never reach a server: a rule of netfilter {} answers them with \
                     \"port unreachable\". kube-proxy has such a rule for a Service without ready \
                     endpoints: then no DNS pod is ready.",
                    here(netns)
                ),
                group.within(
                    drop.map(|drop| drop.netns),
                    Command::new("nft list ruleset | grep -n reject"),
                ),
            )
        }
        (CLOSED, Some(netns)) => {
            evidence.push(format!(
                "They arrived {} and found no socket ({NO_SOCKET}).",
                here(netns)
            ));
            (
                format!("Nobody listens at {server}"),
                format!(
                    "The queries arrive {}, and no program has that port open: the DNS server \
                     there is not running, listens on another address, or has just been restarted.",
                    here(netns)
                ),
                group.within(
                    drop.map(|drop| drop.netns),
                    Command::new("ss -lntup").word(format!("sport = :{port}")),
                ),
            )
        }
        _ => {
            evidence.push(
                "The refusal came from another host (ICMP port unreachable, or a TCP reset)."
                    .to_owned(),
            );
            (
                format!("Nobody listens at {server}"),
                "The host at that address can be reached and says that the port is closed: its DNS \
                 server is not running, or a firewall on the way rejects the queries."
                    .to_owned(),
                group.dig_root(),
            )
        }
    };
    evidence.extend(group.examples());
    Words {
        title,
        cause,
        impact:
            "glibc notices at once, if the kernel tells it, tries its other servers and fails; \
             musl does not notice and waits 5 s."
                .to_owned(),
        evidence,
        fix: Fix::default().run("Look there:", look).say(
            "Start the server, or take the address out of resolv.conf; in Kubernetes: `kubectl -n \
             kube-system get endpointslices -l k8s-app=kube-dns`",
        ),
    }
}
