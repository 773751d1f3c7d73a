//! Where the processes of a scenario live: a network namespace with control groups.

use std::ffi::OsStr;
use std::fs::File;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;

use crate::target::DNS_PORT;
use crate::testbed::Cgroup;
use crate::testbed::Namespace;

/// A network namespace with one link to the node.
#[derive(Debug)]
pub(crate) struct Pod {
    /// Its name, and that of the node's end of its link.
    pub(crate) name: &'static str,
    pub(crate) namespace: Namespace,
    pub(crate) ip: Ipv4Addr,
    /// One of version 2, where the host has that, and one that has the limit, where that
    /// takes another.
    pub(super) groups: Vec<Cgroup>,
}

impl Pod {
    /// A command that will run in the pod: its namespace and its control group.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        let mut command = self.namespace.command(program)?;
        for group in &self.groups {
            group.admit(&mut command)?;
        }
        Ok(command)
    }

    /// Its control group of version 2, for programs to be attached to.
    pub(crate) fn group(&self) -> Result<File> {
        let group = self.groups.first();
        group
            .context("this scenario needs control groups of version 2, which are not mounted here")?
            .open()
    }

    /// Another address of its network; `.1` is the node's end of its link.
    pub(crate) fn neighbour(&self, last: u8) -> Ipv4Addr {
        let [a, b, c, _] = self.ip.octets();
        Ipv4Addr::new(a, b, c, last)
    }

    /// Its IPv6 address, where a scenario has that: fd78:N::2.
    pub(crate) fn ip6(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd78, self.number(), 0, 0, 0, 0, 0, 2)
    }

    /// N in its addresses.
    pub(super) fn number(&self) -> u16 {
        let [_, _, number, _] = self.ip.octets();
        number.into()
    }

    /// Where a DNS server of it listens.
    pub(crate) fn dns(&self) -> SocketAddr {
        dns_at(self.ip)
    }
}

/// What all processes of a pod may have together.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// So much CPU time in each tenth of a second.
    Cpu(Duration),
    /// So many octets of memory.
    Memory(u64),
}

pub(crate) fn dns_at(ip: impl Into<IpAddr>) -> SocketAddr {
    SocketAddr::new(ip.into(), DNS_PORT)
}
