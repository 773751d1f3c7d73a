//! Where a cause is at work: what has the same place is one finding.

use std::net::SocketAddr;

/// The parts that a rule tells places apart by; the others stay empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::doctor) struct Place {
    pub(super) server: Option<SocketAddr>,
    /// The network namespace where it happens.
    pub(super) netns: Option<u32>,
    /// The process that it is about: a server, or the one that asks.
    pub(super) pid: Option<u32>,
    pub(super) variant: Variant,
}

/// What a rule that knows several faults has found; [`Variant::Plain`] for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Variant {
    #[default]
    Plain,
    /// The answers are discarded.
    Answer,
    /// The queries are discarded on their way.
    Query,
    /// … and the sender is told at once.
    QueryWhenSent,
    /// `connect4` or `sendmsg4` said no: there is no packet at all.
    DeniedCall,
    /// `cgroup_skb` egress said no to the packet.
    DeniedPacket,
    /// No route leads on.
    NoRoute,
    /// No local port is free.
    NoPort,
    /// The next hop does not answer for its address.
    NoNeighbour,
    /// No program has the port open.
    ClosedPort,
    /// A rule of the firewall rejects.
    Rejected,
    /// The server closed its socket.
    ServerEnded,
    /// Discarded for a reason that is explained: its place in the table of these.
    Known(usize),
}

impl Place {
    pub(super) fn at(server: SocketAddr) -> Self {
        Self {
            server: Some(server),
            ..Self::default()
        }
    }

    pub(super) fn in_netns(self, netns: u32) -> Self {
        Self {
            netns: (netns != 0).then_some(netns),
            ..self
        }
    }

    pub(super) fn of(self, pid: Option<u32>) -> Self {
        Self { pid, ..self }
    }

    pub(super) fn variant(self, variant: Variant) -> Self {
        Self { variant, ..self }
    }

    /// The port that is asked.
    pub(super) fn port(&self) -> u16 {
        self.server.map_or(53, |server| server.port())
    }

    /// The address that is asked.
    pub(super) fn ip(&self) -> String {
        self.server
            .map_or_else(String::new, |server| server.ip().to_string())
    }
}
