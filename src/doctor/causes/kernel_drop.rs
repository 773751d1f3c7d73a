//! Rule `dns_kernel_drop`: this host's kernel discarded it, for a reason that no
//! other rule speaks of.

use super::Cause;
use super::group::Group;
use super::packet;
use super::place::Place;
use crate::attempt::identity::WorkloadId;
use crate::doctor::explanation::Explanation;
use crate::doctor::who;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::shell::Command;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

/// A reason that is explained, by its name in include/net/dropreason-core.h.
struct Known {
    reason: &'static str,
    means: &'static str,
    look: &'static str,
    remedy: &'static str,
}

const KNOWN: [Known; 5] = [
    Known {
        reason: "IP_RPFILTER",
        means: "Strict reverse-path filtering: the packet came in by another interface than the \
                answer to its sender would leave by.",
        look: "sysctl -a 2>/dev/null | grep '\\.rp_filter = 1'",
        remedy: "Set rp_filter of that interface to 2 (loose), or route the sender's network \
                 through it.",
    },
    Known {
        reason: "UDP_CSUM",
        means: "The UDP checksum is wrong: a network card or a tunnel computes it badly, or the \
                packet is damaged.",
        look: "ethtool -k DEVICE | grep tx-checksum",
        remedy: "Have the sender compute it: `ethtool -K DEVICE tx-checksum-ip-generic off` on the \
                 tunnel or card.",
    },
    Known {
        reason: "QDISC_DROP",
        means: "The interface's queue or its rate limit has no room.",
        look: "tc -s qdisc show",
        remedy: "Raise the limit of the queue that has `dropped` (in Kubernetes the pod's \
                 bandwidth annotations), or let DNS pass ahead of it.",
    },
    Known {
        reason: "CPU_BACKLOG",
        means: "A CPU has more packets waiting than its backlog takes \
                (net.core.netdev_max_backlog).",
        look: "cat /proc/net/softnet_stat",
        remedy: "Raise net.core.netdev_max_backlog, and spread the packets over more CPUs (RPS).",
    },
    Known {
        reason: "NEIGH_CREATEFAIL",
        means: "The neighbour table is full (net.ipv4.neigh.default.gc_thresh3, for all namespaces \
                together).",
        look: "cat /proc/net/stat/arp_cache",
        remedy: "Raise net.ipv4.neigh.default.gc_thresh3 (and gc_thresh2) on the host.",
    },
];

/// The server closed its socket. A known reason has its place in the table behind that.
const SERVER_ENDED: usize = 1;

fn matches(incident: &Incident, _: &Evidence) -> Option<Place> {
    let (drop, reason) = incident.dropped()?;
    let place = Place::at(incident.server());
    if incident.was_left_unread() {
        return Some(place.fault(SERVER_ENDED));
    }
    let known = KNOWN.iter().position(|known| known.reason == reason);
    let fault = known.map_or(0, |known| SERVER_ENDED + 1 + known);
    Some(place.in_netns(drop.netns).fault(fault))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    if group.place.fault == SERVER_ENDED {
        return Some(server_ended(group));
    }
    let (drop, reason) = group.incidents().find_map(Incident::dropped)?;
    let known = group.place.fault.checked_sub(SERVER_ENDED + 1);
    let known = known.and_then(|known| KNOWN.get(known));
    let means = match known {
        Some(known) => known.means.to_owned(),
        None => format!(
            "The kernel calls the reason {reason}; the function is {}.",
            packet::function(drop)
        ),
    };
    let look = known.map_or("nstat -az", |known| known.look);
    let look = group.within(Some(drop.netns), Command::new(look));
    Explanation::of(
        format!("This host's kernel discards DNS packets ({reason})"),
        means,
        group.impact(),
    )
    .line(format!(
        "{} discarded: {}, in {}; last seen as {} → {}.",
        group.packets(),
        packet::told(drop),
        group.netns_told(drop.netns),
        drop.source,
        drop.destination
    ))
    .lines(group.asked_by_and_for())
    .run("Look there:", look)
    .with(|it| match known {
        Some(known) => it.say(known.remedy),
        None => it,
    })
    .say("See each one as it happens: `kerno watch --failed`")
    .into()
}

/// Of the server's unit, if it is one of the system.
fn journal(group: &Group<'_>) -> Command {
    let whose = group
        .views()
        .find_map(|view| WorkloadId::of(view.workload.as_deref()?));
    match whose {
        Some(WorkloadId::Unit(unit, None)) => Command::new("journalctl -u").word(unit),
        _ => Command::default(),
    }
}

fn server_ended(group: &Group<'_>) -> Explanation {
    let server = group.server();
    let pid = group.views().find_map(|view| view.owner.pid);
    Explanation::of(
        format!("The DNS server {server} ended with queries unread"),
        "The server closed its socket, because it ended or restarted. The queries that waited in \
         it were lost.",
        group.impact(),
    )
    .line(format!(
        "{} had reached the socket of {} and were discarded with it, unread.",
        group.counted(),
        who::with_pid("the server", pid)
    ))
    .lines(group.asked_by_and_for())
    .run("See why it ended:", journal(group))
    .with(|it| {
        group.on_a_node(
            it,
            "See how often its pod was restarted: `kubectl -n kube-system get pods`",
        )
    })
    .say(
        "Let it go on for a while after it has left its service: CoreDNS `health { lameduck 5s }`.",
    )
}
