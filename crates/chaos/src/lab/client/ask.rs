//! What a client asks, of whom and how.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

/// Lookups a second: enough for percentages within seconds (20 queries and 3
/// failures are what the doctor's rules need), and next to nothing for a CPU.
const RATE: NonZeroU32 = NonZeroU32::new(25).unwrap();

/// How long a lookup waits for each server. Shorter than glibc's 5 s, for a lab
/// that takes seconds, and shorter than any timeout that a doctor of labs uses
/// (2 s), so that a resend never hides how long the first attempt waited.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whose lookups it makes as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Style {
    /// glibc: a connected socket for each lookup and server; the servers one
    /// after another, each after the patience with the one before or an error.
    Glibc,
    /// musl: an unconnected socket, and all servers asked at once.
    Musl,
    /// A connection for each lookup, and no UDP.
    Tcp,
    /// So many questions at once from one socket with a small buffer, and no read until
    /// the patience is over.
    Burst(u64),
    /// So many questions in one call (UDP_SEGMENT, udp(7)), and no read until the patience is
    /// over.
    Together(u64),
    /// The C library's own `getaddrinfo`, by its own resolv.conf. What it sends is its own
    /// affair: only the servers count it.
    Libc,
}

/// What the fault does to this program's queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Share {
    /// It breaks them, or some of each lookup.
    Broken,
    /// Nothing: all must be well.
    Healthy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ports {
    /// A new socket for each lookup, with a port that the kernel chooses.
    Fresh,
    /// One socket for all lookups, which are made one after another.
    Kept,
    /// A new socket for each lookup. Lookups begin at whole multiples of their
    /// interval by the clock that all processes share, and the port follows from
    /// that: clients in step ask from the same port at the same moment. Each
    /// has a CPU of its own, by number, so that none waits for another.
    InStep(usize),
}

/// A client to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ask {
    /// Its process name, 15 bytes at most.
    pub(crate) comm: String,
    pub(crate) share: Share,
    /// The rule that must explain what is broken of it, where that is not the
    /// scenario's own.
    pub(crate) rule: Option<String>,
    /// The nameservers, in the order of its resolv.conf.
    pub(crate) servers: Vec<SocketAddr>,
    /// What its resolv.conf says, where it is not the host's.
    pub(crate) resolv_conf: Option<String>,
    /// Its names are `qN.GROUP.ZONE`; servers behave by the group.
    pub(crate) group: String,
    /// Names that it asks for in turn; 0 for one never asked before each time.
    pub(crate) names: u64,
    /// The type that it asks for; A if nothing else is said.
    pub(crate) rtype: u16,
    /// Its names are those of private addresses instead (172.30/16).
    pub(crate) reverse: bool,
    /// Its names have a capital letter.
    pub(crate) capitals: bool,
    /// Asks for AAAA as well as A, at once from one socket, as getaddrinfo does.
    pub(crate) aaaa: bool,
    pub(crate) ports: Ports,
    pub(crate) style: Style,
    /// Lookups a second.
    pub(crate) rate: NonZeroU32,
    /// How long it waits for an answer before it sends again or gives up.
    pub(crate) patience: Duration,
    /// How often it sends again to the same server, from the same socket and
    /// with the same id, what was not answered.
    pub(crate) resends: u32,
    /// How long it lets an answer lie in its socket before it reads it.
    pub(crate) reads_late: Duration,
    /// After so many lookups it opens files until it may have no more.
    pub(crate) hoards_after: Option<u64>,
    /// Size of answers that it takes over UDP (EDNS, RFC 6891); `None` without
    /// EDNS, which is 512 octets.
    pub(crate) udp_payload: Option<u16>,
}

impl Ask {
    /// A glibc-like client of one server whose queries the fault breaks.
    pub(crate) fn broken(comm: &str, server: SocketAddr) -> Self {
        Self {
            comm: comm.to_owned(),
            share: Share::Broken,
            rule: None,
            servers: vec![server],
            resolv_conf: None,
            group: "bad".to_owned(),
            names: 0,
            rtype: 1,
            reverse: false,
            capitals: false,
            aaaa: false,
            ports: Ports::Fresh,
            style: Style::Glibc,
            rate: RATE,
            patience: PATIENCE,
            resends: 0,
            reads_late: Duration::ZERO,
            hoards_after: None,
            udp_payload: None,
        }
    }

    /// The same for one whose queries are well.
    pub(crate) fn healthy(comm: &str, server: SocketAddr) -> Self {
        Self {
            share: Share::Healthy,
            group: "good".to_owned(),
            ..Self::broken(comm, server)
        }
    }

    /// How long the longest lookup takes: every try at every server.
    pub(super) fn longest(&self) -> Duration {
        let servers = match self.style {
            Style::Glibc => u32::try_from(self.servers.len()).unwrap_or(u32::MAX),
            Style::Musl | Style::Tcp | Style::Burst(_) | Style::Together(_) | Style::Libc => 1,
        };
        // One more for a connection over TCP.
        self.patience * (self.resends + 1) * servers + self.patience
    }
}
