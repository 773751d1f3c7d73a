//! What the host's own counters and files say: read when the doctor begins to
//! watch, or when a process or namespace is first met, and once more at the end.
//!
//! Plain data comes out. Everything is read from procfs and the control groups'
//! files; what they do not give is `None` or absent, and
//! [`missing`](HostSample::missing) says so. All of it was written by
//! strangers or about them: lengths and numbers are bounded everywhere.

mod baseline;
mod cgroups;
mod conntrack;
mod flows;
mod follow;
mod history;
mod host_path;
mod listener;
mod missing;
mod probe;
mod process_baseline;
mod quota;
mod readers;
mod thread;
mod threads;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::SocketAddr;

pub use conntrack::ConntrackCounters;
pub use conntrack::Fullness;
pub use flows::Flows;
pub use history::Span;
pub use host_path::HostPath;
pub use quota::Quota;
pub use thread::Sampler;

pub use crate::host::proc::cgroup::Version;
pub use crate::host::proc::conntrack_table::Flow;
pub use crate::host::proc::resolv_conf::ResolvConf;

/// What was found around the attempts of a watch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostSample {
    /// Inode number of the network namespace that kerno itself is in.
    pub own_netns: Option<u32>,
    /// By inode number of the network namespace. One that was gone at the end
    /// is absent.
    pub conntrack: BTreeMap<u32, ConntrackCounters>,
    /// The most entries that a connection tracking table may have; one limit
    /// for all namespaces, each against its own number of entries. `None` if
    /// connection tracking is not in use.
    pub conntrack_max: Option<u64>,
    /// By inode number of the network namespace: datagrams that the receive buffers of
    /// UDP sockets had no room for (`RcvbufErrors`, IPv4 and IPv6), since the start or
    /// when it was first met. One that was gone at the end is absent.
    pub udp: BTreeMap<u32, u64>,
    /// By pid: processes that answered queries, 64 at most.
    pub servers: BTreeMap<u32, ServerProcess>,
    /// By network namespace and address: the process of a UDP socket that got
    /// queries and did not answer, 64 at most; it is among `servers`.
    pub listeners: BTreeMap<(u32, SocketAddr), u32>,
    /// By pid: processes that asked, 512 at most, of which half are kept for
    /// those with failed attempts.
    pub clients: BTreeMap<u32, ClientProcess>,
    /// By pid of those who read answers late, 64 at most: the share of the time that
    /// the answers lay in which the process wanted to run and others had the CPU,
    /// 0 to 1.
    pub readers: BTreeMap<u32, f64>,
    /// Connection tracking entries with a DNS port as their destination.
    pub flows: Flows,
    /// By inode number of the network namespace and peer, for attempts that
    /// failed before a packet was sent or with "unreachable": whether the
    /// namespace's routing tables have a route to it (without routing rules,
    /// which procfs does not show).
    pub routes: BTreeMap<(u32, IpAddr), bool>,
    /// Attempts whose process was not looked at, because there were too many
    /// processes in all or at that moment.
    pub not_looked_at: u64,
    /// What could not be read and what it would have told, in plain sentences.
    pub missing: Vec<String>,
}

/// What counts for every process that was looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process {
    /// It had ended when the watch did.
    pub ended: bool,
    /// Inode number of its own network namespace; its sockets may be in another.
    pub netns: Option<u32>,
    /// The CPU quota that it lives under; of several, the one that ran out most
    /// often, else the tightest. `None` if there is none, or nobody can tell.
    pub quota: Option<Quota>,
}

/// A process that answered queries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerProcess {
    /// See [`Process`].
    pub process: Process,
    /// How busy it was, second by second: the last ten minutes.
    pub spans: Vec<Span>,
}

/// A process that asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientProcess {
    /// See [`Process`].
    pub process: Process,
    /// `None` if it has none, or had ended before it could be read.
    pub resolv_conf: Option<ResolvConf>,
}
