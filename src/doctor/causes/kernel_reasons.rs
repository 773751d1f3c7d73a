//! The kernel's reasons to discard a packet that are explained here, by their names in
//! include/net/dropreason-core.h.

use std::net::IpAddr;

use super::group::Group;

use crate::shell::Command;
use crate::units;

/// What stands behind one reason or several.
pub(super) struct Known {
    reasons: &'static [&'static str],
    /// A sentence without a full stop, to begin with.
    pub(super) title: &'static str,
    pub(super) means: &'static str,
    look: &'static str,
    remedy: &'static str,
    /// All network namespaces share what has no room.
    is_shared: bool,
    /// For IPv6, where these are others.
    v6: Option<(&'static str, &'static str)>,
}

impl Known {
    /// Where to look, for packets of this address that were discarded in this namespace.
    pub(super) fn look(&self, group: &Group<'_>, netns: u32, ip: IpAddr) -> Command {
        let look = Command::new(self.of_family(ip).0);
        match self.is_shared {
            true => look,
            false => group.within(Some(netns), look),
        }
    }

    /// What to do about it.
    pub(super) fn remedy(&self, ip: IpAddr) -> &'static str {
        self.of_family(ip).1
    }

    fn of_family(&self, ip: IpAddr) -> (&'static str, &'static str) {
        let v4 = (self.look, self.remedy);
        match ip.to_canonical() {
            IpAddr::V4(_) => v4,
            IpAddr::V6(_) => self.v6.unwrap_or(v4),
        }
    }
}

/// Where this reason is in the table.
pub(super) fn position(reason: &str) -> Option<usize> {
    KNOWN
        .iter()
        .position(|known| known.reasons.contains(&reason))
}

/// The row there.
pub(super) fn at(position: usize) -> Option<&'static Known> {
    KNOWN.get(position)
}

/// What the host's own counters say beside it.
pub(super) fn counted(group: &Group<'_>, reason: &str, netns: u32, ip: IpAddr) -> Option<String> {
    let host = &group.evidence.host;
    let (arp, what) = match ip.to_canonical() {
        IpAddr::V4(_) => (host.shared.arp, "neighbour table (IPv4)"),
        IpAddr::V6(_) => (host.shared.ndisc, "neighbour table (IPv6)"),
    };
    match reason {
        "CPU_BACKLOG" => {
            let backlog = host.shared.backlog?;
            let limit = backlog.max.map(|max| {
                format!(
                    " It takes {} (net.core.netdev_max_backlog).",
                    units::count(max)
                )
            });
            Some(format!(
                "The backlog of this host's CPUs had no room for {}, of any kind, in this time.{}",
                units::counted(backlog.full, "packet", "packets"),
                limit.unwrap_or_default()
            ))
        }
        "NEIGH_CREATEFAIL" => {
            let table = arp?;
            let of = table.max.map(|max| format!(" of {}", units::count(max)));
            Some(format!(
                "The {what} had no room {} in this time; at the end {}{} were in it.",
                units::counted(table.full, "time", "times"),
                units::counted(table.entries?, "entry", "entries"),
                of.unwrap_or_default()
            ))
        }
        "UDP_CSUM" | "SKB_CSUM" => {
            let damaged = *host.checksums.get(&netns)?;
            Some(format!(
                "UDP in {} counted {} with a wrong checksum in this time.",
                group.netns_told(netns),
                units::counted(damaged, "packet", "packets")
            ))
        }
        _ => None,
    }
}

const KNOWN: [Known; 10] = [
    Known {
        reasons: &["IP_RPFILTER"],
        title: "Reverse-path filtering discards DNS packets",
        means: "Strict reverse-path filtering: the packet came in by another interface than the \
                answer to its sender would leave by.",
        look: "sysctl -a 2>/dev/null | grep '\\.rp_filter = 1'",
        remedy: "Set rp_filter of that interface to 2 (loose), or route the sender's network \
                 through it.",
        is_shared: false,
        v6: None,
    },
    Known {
        reasons: &["UDP_CSUM", "TCP_CSUM", "SKB_CSUM"],
        title: "DNS packets have a wrong checksum, and are discarded",
        means: "The checksum of the packet is wrong: a network card, a driver or a tunnel that was \
                to compute it did not or did it badly (checksum offload), or the packet is damaged.",
        look: "ethtool -k DEVICE | grep checksum",
        remedy: "Have the sender compute it: `ethtool -K DEVICE tx off` on the interface or tunnel \
                 where it is sent; if it is right there, `ethtool -K DEVICE rx off` where it \
                 arrives.",
        is_shared: false,
        v6: None,
    },
    Known {
        reasons: &["IP_CSUM"],
        title: "DNS packets have a wrong checksum in their IP header, and are discarded",
        means: "The checksum of the IPv4 header is wrong: something on the way, or a network card, \
                changes the header and does not compute it anew, or the packet is damaged.",
        look: "ip -s -s link",
        remedy: "Look at the interface that it arrives by for errors (cable, driver), and try \
                 `ethtool -K DEVICE rx off` there.",
        is_shared: false,
        v6: None,
    },
    Known {
        reasons: &[
            "QDISC_DROP",
            "QDISC_OVERLIMIT",
            "QDISC_CONGESTED",
            "CAKE_FLOOD",
            "FQ_BAND_LIMIT",
            "FQ_HORIZON_LIMIT",
            "FQ_FLOW_LIMIT",
            "DUALPI2_STEP_DROP",
        ],
        title: "An interface's queue has no room for DNS packets",
        means: "The interface's queue or its rate limit has no room.",
        look: "tc -s qdisc show",
        remedy: "Raise the limit of the queue that has `dropped` (in Kubernetes the pod's \
                 bandwidth annotations), or let DNS pass ahead of it.",
        is_shared: false,
        v6: None,
    },
    Known {
        reasons: &["CPU_BACKLOG"],
        title: "A CPU's backlog has no room for DNS packets",
        means: "A CPU has more packets waiting than its backlog takes \
                (net.core.netdev_max_backlog): what comes from virtual interfaces, as those of \
                containers, and what is spread over the CPUs waits there.",
        look: "cat /proc/net/softnet_stat",
        remedy: "Raise it, `sysctl -w net.core.netdev_max_backlog=10000`, and spread the packets \
                 over more CPUs (rps_cpus of the interface's queues).",
        is_shared: true,
        v6: None,
    },
    Known {
        reasons: &["NEIGH_CREATEFAIL"],
        title: "The neighbour table is full, and DNS packets are discarded",
        means: "There is no room for another link address: the table of neighbours is full \
                (net.ipv4.neigh.default.gc_thresh3, net.ipv6 for IPv6; all network namespaces \
                share it).",
        look: "cat /proc/net/stat/arp_cache",
        remedy: "Raise it on the host: `sysctl -w net.ipv4.neigh.default.gc_thresh2=8192 \
                 net.ipv4.neigh.default.gc_thresh3=16384`",
        is_shared: true,
        v6: Some((
            "cat /proc/net/stat/ndisc_cache",
            "Raise it on the host: `sysctl -w net.ipv6.neigh.default.gc_thresh2=8192 \
             net.ipv6.neigh.default.gc_thresh3=16384`",
        )),
    },
    Known {
        reasons: &["NEIGH_QUEUEFULL"],
        title: "Too many DNS packets wait for one link address",
        means: "While the link address of the next hop is being asked for (ARP, neighbour \
                discovery), so many packets wait for it as \
                net.ipv4.neigh.default.unres_qlen_bytes allows; the oldest is discarded.",
        look: "ip neigh show",
        remedy: "Find out why the next hop answers late for its address; or raise \
                 unres_qlen_bytes of the interface.",
        is_shared: false,
        v6: None,
    },
    Known {
        reasons: &["NEIGH_HH_FILLFAIL", "DEV_HDR"],
        title: "DNS packets get no link header, and are discarded",
        means: "The header of the link layer could not be put before the packet.",
        look: "ip -s -s link",
        remedy: "Look at the interface that it is sent by: its type and its driver.",
        is_shared: false,
        v6: None,
    },
    Known {
        reasons: &["FULL_RING", "DEV_READY"],
        title: "An interface does not take DNS packets",
        means: "The device is down, or the program behind it (a virtual machine, a VPN) does not \
                read its queue.",
        look: "ip -s -s link",
        remedy: "Bring it up, or see why the program behind it does not read: too slow, stopped, \
                 or a queue too short (`ip link set DEVICE txqueuelen 10000`).",
        is_shared: false,
        v6: None,
    },
    Known {
        reasons: &["NOMEM", "PFMEMALLOC", "PROTO_MEM", "SKB_UCOPY_FAULT"],
        title: "The kernel has no memory for DNS packets",
        means: "The kernel found no memory for the packet, or UDP has as much as it may \
                (net.ipv4.udp_mem).",
        look: "ss -uanm",
        remedy: "Free memory, have the sockets read whose queue is long, or raise net.ipv4.udp_mem.",
        is_shared: false,
        v6: None,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_one_row_and_the_commands_of_its_family() {
        let all: Vec<_> = KNOWN.iter().flat_map(|it| it.reasons).collect();
        for reason in &all {
            assert_eq!(all.iter().filter(|it| *it == reason).count(), 1, "{reason}");
            let row = position(reason).and_then(at).expect("a row");
            assert!(
                !row.title.ends_with('.') && row.means.ends_with('.'),
                "{reason}"
            );
            for ip in ["10.0.0.1", "fd00::1"] {
                let ip = ip.parse().unwrap();
                assert!(!row.of_family(ip).0.contains(';') && !row.remedy(ip).is_empty());
            }
        }
        let full = position("NEIGH_CREATEFAIL").and_then(at).unwrap();
        assert!(full.remedy("fd00::1".parse().unwrap()).contains("net.ipv6"));
        assert!(
            full.remedy("::ffff:10.0.0.1".parse().unwrap())
                .contains("net.ipv4")
        );
        assert_eq!(position("A_REASON_OF_TOMORROW"), None);
    }
}
