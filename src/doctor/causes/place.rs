//! Where a cause is at work: what has the same place is one finding.

use std::net::SocketAddr;

/// The parts that a rule tells places apart by; the others stay empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::doctor) struct Place {
    pub(super) server: Option<SocketAddr>,
    pub(super) netns: Option<u32>,
    /// The process that it is about: a server, or the one that asks.
    pub(super) pid: Option<u32>,
    /// Which of the faults that its rule tells apart: each rule numbers its own.
    pub(super) fault: usize,
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

    pub(super) fn fault(self, fault: usize) -> Self {
        Self { fault, ..self }
    }

    pub(super) fn port(&self) -> u16 {
        self.server.map_or(53, |server| server.port())
    }

    pub(super) fn ip(&self) -> String {
        self.server
            .map_or_else(String::new, |server| server.ip().to_string())
    }
}
