//! Entries of the connection tracking tables that lead to a DNS port.

use std::collections::BTreeSet;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Instant;

use super::missing;
use super::missing::Missing;
use crate::host::netlink;
use crate::host::proc::Root;
use crate::host::proc::conntrack_table;
use crate::host::proc::conntrack_table::Flow;

/// Entries that are kept, of some 200 octets.
pub(super) const MAX: usize = 4096;

#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) ports: BTreeSet<u16>,
    /// Source and destination of failed attempts.
    pub(super) failed: HashSet<(SocketAddr, SocketAddr)>,
    pub(super) namespaces: BTreeSet<u32>,
}

/// Gathers entries of several namespaces.
#[derive(Clone, Debug, Default)]
pub(super) struct Collection {
    telling: Vec<Flow>,
    others: Vec<Flow>,
    left_out: usize,
    incomplete: usize,
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
        let add = |flow| self.add(flow, wanted);
        let complete = conntrack_table::read(net, netns, deadline, add);
        self.incomplete += usize::from(matches!(complete, Ok(false)));
        complete.is_ok()
    }

    /// Asks for the table of the namespace that the calling thread is in. False
    /// if that is refused.
    pub(super) fn ask(&mut self, netns: u32, wanted: &Wanted, deadline: Instant) -> bool {
        let empty = || self.clone();
        let add = |found: &mut Self, flow| found.add(flow, wanted);
        let Ok((found, complete)) = netlink::conntrack::entries(netns, deadline, empty, add) else {
            return false;
        };
        *self = found;
        self.incomplete += usize::from(!complete);
        true
    }

    fn add(&mut self, flow: Flow, wanted: &Wanted) {
        if !wanted.ports.contains(&flow.destination.port()) {
            return;
        }
        let group = match wanted.failed.contains(&(flow.source, flow.destination)) {
            true => &mut self.telling,
            false => &mut self.others,
        };
        match group.len() < MAX {
            true => group.push(flow),
            false => self.left_out += 1,
        }
    }

    /// Those of failed attempts, then others; what is not among them is missing.
    pub(super) fn finish(self, missing: &mut Missing) -> Vec<Flow> {
        let mut kept = self.telling;
        kept.extend(self.others);
        let too_many = kept.len().saturating_sub(MAX);
        kept.truncate(MAX);
        missing.add(missing::FLOWS, self.left_out + too_many);
        missing.add(missing::TABLES_CUT, self.incomplete);
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_failed_attempts_come_first_and_the_rest_is_counted() {
        let [client, server]: [SocketAddr; 2] =
            ["10.0.0.1:1", "10.0.0.2:53"].map(|it| it.parse().unwrap());
        let entry = |port: u16| Flow {
            netns: 7,
            source: SocketAddr::new(client.ip(), port),
            destination: server,
            reply_source: server,
            is_replied: true,
        };
        let failed = entry(u16::MAX);
        let wanted = Wanted {
            ports: BTreeSet::from([53]),
            failed: HashSet::from([(failed.source, failed.destination)]),
            namespaces: BTreeSet::new(),
        };
        let mut collection = Collection::default();
        for port in 1..=5000 {
            collection.add(entry(port), &wanted);
        }
        collection.add(failed.clone(), &wanted);
        let mut web = entry(1);
        web.destination.set_port(443);
        collection.add(web, &wanted);
        let mut missing = Missing::default();
        let flows = collection.finish(&mut missing);
        assert_eq!(flows.first(), Some(&failed));
        assert_eq!(flows.len(), MAX);
        let left_out = format!("{} connection", 5001 - MAX);
        assert!(missing.sentences()[0].starts_with(&left_out));
    }
}
