//! Rule `dns_kernel_drop`: this host's kernel discarded it, for a reason that no
//! other rule speaks of.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_kernel_drop",
    takes,
    judge: severity::exact,
    tell,
};

/// What the common ones mean, where to look, and what helps; the names are the kernel's
/// (include/net/dropreason-core.h).
const KNOWN: &[(&str, &str, &str, &str)] = &[
    (
        "IP_RPFILTER",
        "Strict reverse-path filtering: the packet came in by another interface than the answer to \
         its sender would leave by.",
        "sysctl -a 2>/dev/null | grep '\\.rp_filter = 1'",
        "Set rp_filter of that interface to 2 (loose), or route the sender's network through it.",
    ),
    (
        "UDP_CSUM",
        "The UDP checksum is wrong: a network card or a tunnel that computes it badly, or a \
         damaged packet.",
        "ethtool -k DEVICE | grep tx-checksum",
        "Have the sender compute it: `ethtool -K DEVICE tx-checksum-ip-generic off` on the tunnel \
         or card.",
    ),
    (
        "QDISC_DROP",
        "The interface's queue or its rate limit has no room.",
        "tc -s qdisc show",
        "Raise the limit of the queue that has `dropped` (in Kubernetes the pod's bandwidth \
         annotations), or let DNS pass ahead of it.",
    ),
    (
        "CPU_BACKLOG",
        "A CPU has more packets waiting than its backlog takes (net.core.netdev_max_backlog).",
        "cat /proc/net/softnet_stat",
        "Raise net.core.netdev_max_backlog, and spread the packets over more CPUs (RPS).",
    ),
    (
        "NEIGH_CREATEFAIL",
        "The neighbour table is full (net.ipv4.neigh.default.gc_thresh3, for all namespaces \
         together).",
        "cat /proc/net/stat/arp_cache",
        "Raise net.ipv4.neigh.default.gc_thresh3 (and gc_thresh2) on the host.",
    ),
];

/// The form of those that lay in a server's socket when it was closed.
const CLOSED: &str = "closed";

fn takes(case: &Case, _: &Evidence) -> Option<Place> {
    let (drop, reason) = case.dropped()?;
    if case.was_left_unread() {
        return Some(Place::at(case.server()).in_form(CLOSED));
    }
    let known = KNOWN
        .iter()
        .map(|(name, ..)| *name)
        .find(|name| *name == reason);
    Some(
        Place::at(case.server())
            .in_netns(drop.netns)
            .in_form(known.unwrap_or_default()),
    )
}

/// A server that went away.
fn closed(group: &Group<'_>) -> Words {
    let server = group.server();
    let counted = units::counted(group.queries(), "query", "queries");
    let pid = group.views().find_map(|view| view.owner.pid);
    let whose = pid.map_or_else(String::new, |pid| format!(" of pid {pid}"));
    let mut evidence = vec![
        format!(
            "{counted} had reached the server's socket{whose} and were discarded with it, unread."
        ),
        format!("Asked by {}.", group.askers()),
    ];
    evidence.extend(group.examples());
    Words {
        title: format!("The DNS server {server} ended with queries unread"),
        cause: "The server closed its socket, because it ended or was started anew, and what lay \
                in it was lost."
            .to_owned(),
        impact: "Those lookups wait 5 s (glibc) or 2.5 s (musl) and ask again.".to_owned(),
        evidence,
        fix: Fix::default()
            .say(
                "See why it ended: its log, `journalctl -u`, `kubectl -n kube-system get pods` \
                 (restarts).",
            )
            .say(
                "Let it serve on for a while after it has left its service: CoreDNS `health { \
                 lameduck 5s }`.",
            ),
    }
}

fn tell(group: &Group<'_>) -> Words {
    if group.place.form == CLOSED {
        return closed(group);
    }
    let Some((drop, reason)) = group.cases().find_map(Case::dropped) else {
        return Words::default();
    };
    let netns = group.netns_told(drop.netns);
    let known = KNOWN.iter().find(|(name, ..)| *name == reason);
    let location = drop
        .location
        .as_deref()
        .unwrap_or("a function that the kernel hides");
    let mut evidence = vec![
        format!(
            "{} discarded: {reason} at {location}, in {netns}; last seen as {} → {}.",
            units::counted(group.queries(), "packet was", "packets were"),
            drop.source,
            drop.destination
        ),
        format!("Asked by {}.", group.askers()),
    ];
    evidence.extend(group.examples());
    let look = known.map_or("nstat -az", |(_, _, look, _)| *look);
    let look = group.within(Some(drop.netns), Command::new(look));
    let mut fix = Fix::default().run("Look there:", look);
    if let Some((.., remedy)) = known {
        fix = fix.say(*remedy);
    }
    Words {
        title: format!("This host's kernel discards DNS packets ({reason})"),
        cause: known.map_or_else(
            || {
                format!(
                    "The kernel's own name of the reason is {reason}; it is in the function \
                     {location}."
                )
            },
            |(_, what, ..)| (*what).to_owned(),
        ),
        impact: "The lookup waits 5 s (glibc) or 2.5 s (musl) and asks again.".to_owned(),
        evidence,
        fix: fix.say("See each one as it happens: `kerno watch --failed`"),
    }
}
