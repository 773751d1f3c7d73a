//! Servers behind one address: which of them answer, by the entries of connection tracking
//! that lead there.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::net::SocketAddr;

use crate::attempt::Attempt;
use crate::contrast::Contrast;
use crate::contrast::Failed;
use crate::sampler::Flow;

/// A server behind an address that does not answer, while others behind it do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Replica {
    /// Where the queries are led to.
    pub address: SocketAddr,
    /// Of entries that lead there against those that lead to the others: no packet came
    /// back.
    pub contrast: Contrast,
    /// How many servers are behind the address.
    pub of: u64,
}

/// By the address that is asked; and where each source port is led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replicas {
    bad: HashMap<SocketAddr, Vec<Replica>>,
    ways: HashMap<(SocketAddr, SocketAddr), SocketAddr>,
}

impl Replicas {
    pub(super) fn of(flows: &[Flow]) -> Self {
        let mut servers: BTreeMap<SocketAddr, BTreeMap<SocketAddr, Failed>> = BTreeMap::new();
        let mut met = HashSet::new();
        let translated = |it: &&Flow| it.reply_source != it.destination;
        for flow in flows.iter().filter(translated) {
            // One packet may have an entry in the table of each namespace on its way.
            if met.insert((flow.source, flow.destination, flow.reply_source)) {
                let behind = servers.entry(flow.destination).or_default();
                let fates = behind.entry(flow.reply_source).or_default();
                fates.add(1, !flow.is_replied);
            }
        }
        let bad = |(asked, behind): (SocketAddr, BTreeMap<SocketAddr, Failed>)| {
            let mut all = Failed::default();
            behind.values().for_each(|it| all.absorb(it));
            let number = behind.len();
            let found = behind.into_iter().filter_map(|(address, with)| {
                Some(Replica {
                    address,
                    contrast: Contrast::of(with, all, number)?,
                    of: number as u64,
                })
            });
            let found: Vec<Replica> = found.collect();
            (!found.is_empty()).then_some((asked, found))
        };
        let bad: HashMap<_, _> = servers.into_iter().filter_map(bad).collect();
        let leads = |it: &&Flow| translated(it) && bad.contains_key(&it.destination);
        let ways = flows.iter().filter(leads);
        Self {
            ways: ways
                .map(|it| ((it.source, it.destination), it.reply_source))
                .collect(),
            bad,
        }
    }

    /// The bad one that this query was led to.
    pub fn of_attempt(&self, attempt: &Attempt) -> Option<&Replica> {
        let led_to = self.ways.get(&(attempt.local, attempt.peer))?;
        let bad = self.bad.get(&attempt.peer)?;
        bad.iter().find(|it| it.address == *led_to)
    }
}
