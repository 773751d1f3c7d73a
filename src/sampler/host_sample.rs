//! What is told in the end, and how two windows that follow each other are one: growth is
//! added, what was at first sight is kept of the first, what was at the end of the second.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::CLibrary;
use super::ConntrackCounters;
use super::Descriptors;
use super::Flow;
use super::OomKill;
use super::Ports;
use super::Quota;
use super::ResolvConf;
use super::Shared;
use super::Span;
use super::flows::MAX as FLOWS_MAX;
use super::history::SPANS_MAX;
use crate::counters::CpuWaits;
use crate::counters::Resent;
use crate::counters::TcpClient;
use crate::host::Tools;
use crate::host::proc::snmp::Unreachable;

/// Processes, namespaces and the like, of several windows together.
const EACH_MAX: usize = 1_024;

/// What was found around the attempts of a watch.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq)]
pub struct HostSample {
    /// Inode number of the network namespace that kerno itself is in.
    pub own_netns: Option<u32>,
    /// By inode number of the network namespace. One that was gone at the end
    /// is absent.
    pub conntrack: BTreeMap<u32, ConntrackCounters>,
    /// By inode number of the network namespace: datagrams that the receive buffers of
    /// UDP sockets had no room for (`RcvbufErrors`, IPv4 and IPv6), since the start or
    /// when it was first met. One that was gone at the end is absent.
    pub udp: BTreeMap<u32, u64>,
    /// The same of datagrams whose checksum was wrong (`InCsumErrors`).
    pub checksums: BTreeMap<u32, u64>,
    /// The same of ICMP errors "destination unreachable".
    pub unreachable: BTreeMap<u32, Unreachable>,
    /// By pid: processes that answered queries, 64 at most.
    pub servers: BTreeMap<u32, Process>,
    /// By network namespace and address: the process of a UDP socket that got
    /// queries and did not answer, 64 at most; it is among `servers`.
    pub listeners: BTreeMap<(u32, SocketAddr), u32>,
    /// By network namespace and address, for addresses that queries were discarded on their
    /// way to: a UDP socket is bound there, and whose it is if that is known.
    pub bound: BTreeMap<(u32, SocketAddr), Option<u32>>,
    /// By pid: processes that asked, 512 at most, of which half are kept for
    /// those with failed attempts.
    pub clients: BTreeMap<u32, Process>,
    /// By pid of those who read answers late, 64 at most: the share of the time that
    /// the answers lay in which the process wanted to run and others had the CPU,
    /// 0 to 1.
    pub readers: BTreeMap<u32, f64>,
    /// Connection tracking entries with a DNS port as their destination, 4096 at most:
    /// those of failed attempts, then others.
    pub flows: Vec<Flow>,
    /// By inode number of the network namespace and peer, for attempts that
    /// failed before a packet was sent or with "unreachable": whether the
    /// namespace's routing tables have a route to it (without routing rules,
    /// which procfs does not show).
    pub routes: BTreeMap<(u32, IpAddr), bool>,
    /// By network namespace in which a call failed for want of a port, 16 at most.
    pub ports: BTreeMap<u32, Ports>,
    /// Who has used up the file descriptors.
    pub descriptors: Descriptors,
    /// By when it ended and its pid: processes that the kernel killed because there was no
    /// memory, 256 at most.
    pub oom_kills: BTreeMap<(u64, u32), OomKill>,
    /// Segments to port 53 that TCP sent again, 4096 clients at most.
    pub resent: BTreeMap<TcpClient, Resent>,
    /// By pid of servers and clients: how long their threads waited for a CPU, while that
    /// was looked at.
    pub cpu_waits: BTreeMap<u32, CpuWaits>,
    /// How long it was.
    #[borsh(
        serialize_with = "crate::codec::duration::write",
        deserialize_with = "crate::codec::duration::read"
    )]
    pub waits_looked_at: Duration,
    /// Attempts whose process was not looked at, because there were too many
    /// processes in all or at that moment.
    pub not_looked_at: u64,
    /// Tables and queues that all network namespaces share.
    pub shared: Shared,
    /// What manages this host.
    pub tools: Tools,
    /// What could not be read and what it would have told, in plain sentences.
    pub missing: Vec<String>,
}

/// A process that was looked at.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq)]
pub struct Process {
    /// It had ended when the watch did.
    pub ended: bool,
    /// Inode number of its own network namespace; its sockets may be in another.
    pub netns: Option<u32>,
    /// The CPU quota that it lives under; of several, the one that ran out most
    /// often, else the tightest. `None` if there is none, or nobody can tell.
    pub quota: Option<Quota>,
    /// Whether it is: without, no `quota` does not mean that there was none. A control group may
    /// have been gone before anything grew.
    pub is_quota_known: bool,
    /// How busy a server was, second by second: the last ten minutes.
    pub spans: Vec<Span>,
    /// Of a client; `None` if it has none, or had ended before it could be read.
    pub resolv_conf: Option<ResolvConf>,
    /// Of a client: its C library, if it is one that is known by name.
    pub c_library: Option<CLibrary>,
}

impl HostSample {
    /// What it takes, in octets, about.
    pub fn octets(&self) -> usize {
        /// A process with its quota, its resolv.conf and what was looked at each second.
        const PROCESS: usize = 2 * 1024;
        let namespaces = self.conntrack.len() + self.udp.len() + self.unreachable.len();
        (self.servers.len() + self.clients.len()) * PROCESS
            + namespaces * size_of::<ConntrackCounters>()
            + self.flows.capacity() * size_of::<Flow>()
            + self.oom_kills.len() * size_of::<OomKill>()
    }

    /// Adds what was found in the window after.
    pub fn follow(&mut self, next: Self) {
        let Self {
            conntrack,
            udp,
            checksums,
            unreachable,
            servers,
            listeners,
            bound,
            clients,
            readers,
            flows,
            routes,
            ports,
            descriptors,
            oom_kills,
            resent,
            cpu_waits,
            waits_looked_at,
            not_looked_at,
            shared,
            tools,
            missing,
            own_netns,
        } = next;
        let worst = |own: &mut f64, share: f64| *own = own.max(share);
        let mut left_out = each(&mut self.conntrack, conntrack, ConntrackCounters::follow)
            + each(&mut self.udp, udp, |own, next| *own += next)
            + each(&mut self.checksums, checksums, |own, next| *own += next)
            + each(&mut self.unreachable, unreachable, Unreachable::absorb)
            + each(&mut self.servers, servers, Process::follow)
            + each(&mut self.clients, clients, Process::follow)
            + each(&mut self.readers, readers, worst)
            + each(&mut self.listeners, listeners, |own, pid| *own = pid)
            + each(&mut self.bound, bound, |own, pid| *own = pid)
            + each(&mut self.routes, routes, |own, is_there| *own = is_there)
            + each(&mut self.ports, ports, |own, next| *own = next)
            + each(&mut self.oom_kills, oom_kills, |own, next| *own = next)
            + each(&mut self.resent, resent, Resent::absorb)
            + each(&mut self.cpu_waits, cpu_waits, CpuWaits::absorb);
        self.waits_looked_at += waits_looked_at;
        // Those of the end come first: they are in the table.
        for flow in std::mem::replace(&mut self.flows, flows) {
            match self.flows.len() < FLOWS_MAX {
                _ if self.flows.contains(&flow) => {}
                true => self.flows.push(flow),
                false => left_out += 1,
            }
        }
        self.not_looked_at += not_looked_at + left_out;
        for sentence in missing {
            if !self.missing.contains(&sentence) {
                self.missing.push(sentence);
            }
        }
        self.descriptors.follow(descriptors);
        self.shared = self.shared.follow(shared);
        self.tools = self.tools.or(tools);
        self.own_netns = own_netns.or(self.own_netns);
    }
}

/// Returns how many found no room.
fn each<K: Ord, V>(
    own: &mut BTreeMap<K, V>,
    next: BTreeMap<K, V>,
    follow: impl Fn(&mut V, V),
) -> u64 {
    let mut left_out = 0;
    for (key, value) in next {
        if let Some(own) = own.get_mut(&key) {
            follow(own, value);
        } else if own.len() < EACH_MAX {
            own.insert(key, value);
        } else {
            left_out += 1;
        }
    }
    left_out
}

impl Process {
    fn follow(&mut self, next: Self) {
        self.ended = next.ended;
        self.netns = next.netns.or(self.netns);
        self.quota = match (self.quota.take(), next.quota) {
            (Some(first), Some(next)) if first.cgroup == next.cgroup => Some(first.and(next)),
            (first, next) => next.or(first),
        };
        self.is_quota_known = next.is_quota_known;
        self.spans.extend(next.spans);
        let old = self.spans.len().saturating_sub(SPANS_MAX);
        self.spans.drain(..old);
        self.resolv_conf = next.resolv_conf.or(self.resolv_conf.take());
        self.c_library = next.c_library.or(self.c_library);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_added_and_the_end_is_the_later_one() {
        let counters = |drop, entries, baseline_late| ConntrackCounters {
            drop,
            entries,
            baseline_late,
            ..ConntrackCounters::default()
        };
        let mut first = HostSample::default();
        first.conntrack.insert(1, counters(3, 10, true));
        first.udp.insert(1, 2);
        let told = |sent, received| Unreachable { sent, received };
        first.unreachable.insert(1, told(1, 2));
        let mut next = HostSample::default();
        next.conntrack.insert(1, counters(4, 7, false));
        next.conntrack.insert(2, counters(1, 1, true));
        next.udp.insert(1, 5);
        next.unreachable.insert(1, told(3, 4));
        let client = TcpClient {
            netns: 1,
            server: [10, 0, 0, 53].into(),
            port: 40_000,
        };
        let resent = |segments, first_ns, last_ns| Resent {
            segments,
            openings: 1,
            first_ns,
            last_ns,
        };
        first.resent.insert(client, resent(2, 10, 20));
        next.resent.insert(client, resent(3, 30, 40));
        let waits = |slots: &[u64], ns| CpuWaits::of(slots, Duration::from_nanos(ns));
        first.cpu_waits.insert(7, waits(&[1, 2], 5));
        next.cpu_waits.insert(7, waits(&[0, 1], 3));
        next.waits_looked_at = Duration::from_secs(9);
        first.follow(next);
        assert_eq!(first.cpu_waits[&7], waits(&[1, 3], 8));
        assert_eq!(first.waits_looked_at, Duration::from_secs(9));
        let both = Resent {
            openings: 2,
            ..resent(5, 10, 40)
        };
        assert_eq!(first.resent[&client], both);
        assert_eq!(first.conntrack[&1], counters(7, 7, true));
        assert_eq!(first.conntrack[&2], counters(1, 1, true));
        assert_eq!(first.udp[&1], 7);
        assert_eq!(first.unreachable[&1], told(4, 6));
    }

    #[test]
    fn a_sentence_about_what_is_missing_is_said_once() {
        let missing = |sentence: &str| HostSample {
            missing: vec![sentence.to_owned()],
            ..HostSample::default()
        };
        let mut first = missing("a");
        first.follow(missing("a"));
        first.follow(missing("b"));
        assert_eq!(first.missing, ["a", "b"]);
    }
}
