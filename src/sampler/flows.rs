//! Entries of the connection tracking tables that lead to a DNS port.

use std::collections::BTreeSet;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Instant;

use crate::attempt::Transport;
use crate::host::netlink;
use crate::host::proc::Root;
use crate::host::proc::conntrack_table;
use crate::host::proc::conntrack_table::Entry;

/// Entries that are kept, of some 200 octets.
pub(super) const MAX: usize = 4096;

/// An entry of a connection tracking table, at the end of the watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Whose table it is in: the inode number of the network namespace.
    pub netns: u32,
    /// UDP or TCP.
    pub transport: Transport,
    /// Who asked.
    pub source: SocketAddr,
    /// The address that was asked.
    pub destination: SocketAddr,
    /// Who is to answer: the server behind `destination`, if there is address
    /// translation.
    pub reply_source: SocketAddr,
    /// Where the answers are sent: not `source`, if that is translated.
    pub reply_destination: SocketAddr,
    /// Packets went both ways and it is kept longer (`IPS_ASSURED`).
    pub assured: bool,
    /// Nothing has come back yet.
    pub unreplied: bool,
}

impl Flow {
    /// `None` if it is not of a transport that carries DNS.
    fn of(netns: u32, entry: Entry) -> Option<Self> {
        let transport = match i32::from(entry.protocol) {
            libc::IPPROTO_UDP => Transport::Udp,
            libc::IPPROTO_TCP => Transport::Tcp,
            _ => return None,
        };
        Some(Self {
            netns,
            transport,
            source: entry.source,
            destination: entry.destination,
            reply_source: entry.reply_source,
            reply_destination: entry.reply_destination,
            assured: entry.assured,
            unreplied: entry.unreplied,
        })
    }
}

/// What was found, the most telling first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// At most 4096: those of failed attempts, then others.
    pub kept: Vec<Flow>,
    /// Entries to DNS ports for which there was no room.
    pub left_out: u64,
    /// Whether a table was too long to read to its end.
    pub incomplete: bool,
}

/// Which entries to look for.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Destination ports that are DNS.
    pub(super) ports: BTreeSet<u16>,
    /// Source and destination of failed attempts.
    pub(super) failed: HashSet<(SocketAddr, SocketAddr)>,
    /// Network namespaces of failed attempts.
    pub(super) namespaces: BTreeSet<u32>,
}

/// Gathers entries of several namespaces.
#[derive(Debug, Default)]
pub(super) struct Collection {
    telling: Vec<Flow>,
    others: Vec<Flow>,
    left_out: u64,
    incomplete: bool,
}

impl Collection {
    /// Reads a table to its end, or until `deadline`. False if this kernel does
    /// not show it.
    pub(super) fn read(
        &mut self,
        net: &Root,
        netns: u32,
        wanted: &Wanted,
        deadline: Instant,
    ) -> bool {
        let complete = conntrack_table::read(net, deadline, |entry| self.add(netns, entry, wanted));
        self.incomplete |= matches!(complete, Ok(false));
        complete.is_ok()
    }

    /// Asks for the table of the namespace that the calling thread is in. False
    /// if that is refused.
    pub(super) fn ask(&mut self, netns: u32, wanted: &Wanted, deadline: Instant) -> bool {
        let dump = netlink::conntrack::entries(deadline, Self::default, |found, entry| {
            found.add(netns, entry, wanted);
        });
        let Ok((found, complete)) = dump else {
            return false;
        };
        let telling = found.telling.into_iter().map(|flow| (flow, true));
        let others = found.others.into_iter().map(|flow| (flow, false));
        for (flow, is_telling) in telling.chain(others) {
            self.keep(flow, is_telling);
        }
        self.left_out += found.left_out;
        self.incomplete |= !complete;
        true
    }

    fn add(&mut self, netns: u32, entry: Entry, wanted: &Wanted) {
        if !wanted.ports.contains(&entry.destination.port()) {
            return;
        }
        let Some(flow) = Flow::of(netns, entry) else {
            return;
        };
        let is_telling = wanted.failed.contains(&(flow.source, flow.destination));
        self.keep(flow, is_telling);
    }

    fn keep(&mut self, flow: Flow, is_telling: bool) {
        let group = match is_telling {
            true => &mut self.telling,
            false => &mut self.others,
        };
        match group.len() < MAX {
            true => group.push(flow),
            false => self.left_out += 1,
        }
    }

    pub(super) fn finish(self) -> Flows {
        let mut kept = self.telling;
        kept.extend(self.others);
        let too_many = kept.len().saturating_sub(MAX);
        kept.truncate(MAX);
        Flows {
            kept,
            left_out: self.left_out.saturating_add(too_many as u64),
            incomplete: self.incomplete,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_failed_attempts_come_first_and_the_rest_is_counted() {
        let [client, server]: [SocketAddr; 2] =
            ["10.0.0.1:1", "10.0.0.2:53"].map(|it| it.parse().unwrap());
        let entry = |port: u16| Entry {
            protocol: 17,
            source: SocketAddr::new(client.ip(), port),
            destination: server,
            reply_source: server,
            reply_destination: client,
            assured: false,
            unreplied: true,
        };
        let failed = entry(u16::MAX);
        let wanted = Wanted {
            ports: BTreeSet::from([53]),
            failed: HashSet::from([(failed.source, failed.destination)]),
            namespaces: BTreeSet::new(),
        };
        let mut collection = Collection::default();
        for port in 1..=5000 {
            collection.add(7, entry(port), &wanted);
        }
        collection.add(7, failed.clone(), &wanted);
        let mut web = entry(1);
        web.destination.set_port(443);
        collection.add(7, web, &wanted);
        let sctp = Entry {
            protocol: 132,
            ..entry(1)
        };
        collection.add(7, sctp, &wanted);
        let flows = collection.finish();
        assert_eq!(flows.kept.first(), Flow::of(7, failed).as_ref());
        assert_eq!(flows.kept.len(), MAX);
        assert_eq!(flows.left_out, 5001 - MAX as u64);
    }
}
