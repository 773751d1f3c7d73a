//! How many answers of each server were slow, of those that no server on this host gave.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::net::SocketAddr;

use super::incident::FailureKind;
use super::incident::Incident;

/// Slow answers of one server to one network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slow {
    /// Over UDP.
    pub udp: u64,
    /// Over TCP.
    pub tcp: u64,
    /// What the fastest of them took, in nanoseconds.
    pub fastest_ns: u64,
}

/// By network namespace of the clients and server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slowness(HashMap<(u32, SocketAddr), Slow>);

impl Slowness {
    pub(super) fn of(incidents: &[Incident]) -> Self {
        let mut all: HashMap<_, Slow> = HashMap::new();
        let slow = incidents.iter().filter(|it| it.kind == FailureKind::Slow);
        for incident in slow.filter(|it| it.server_view.is_none()) {
            let took_ns = incident.took_ns();
            let way = (incident.attempt.owner.netns, incident.server());
            let own = all.entry(way).or_insert(Slow {
                udp: 0,
                tcp: 0,
                fastest_ns: took_ns,
            });
            match incident.is_tcp() {
                true => own.tcp += incident.weight,
                false => own.udp += incident.weight,
            }
            own.fastest_ns = own.fastest_ns.min(took_ns);
        }
        Self(all)
    }

    /// Of all these queries' servers, each in its client's namespace.
    pub fn of_all<'a>(&self, incidents: impl Iterator<Item = &'a Incident>) -> Option<Slow> {
        let way = |it: &Incident| (it.attempt.owner.netns, it.server());
        let ways: BTreeSet<_> = incidents.map(way).collect();
        let all = ways.iter().filter_map(|way| self.0.get(way));
        all.copied().reduce(|sum, it| Slow {
            udp: sum.udp + it.udp,
            tcp: sum.tcp + it.tcp,
            fastest_ns: sum.fastest_ns.min(it.fastest_ns),
        })
    }

    /// Of the server of this query, in its client's namespace.
    pub fn at(&self, incident: &Incident) -> Option<Slow> {
        let way = (incident.attempt.owner.netns, incident.server());
        self.0.get(&way).copied()
    }
}
