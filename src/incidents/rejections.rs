//! Which queries a firewall rejected, and did not only discard: by the errors that came
//! back, by those of others on the same way, and by what the kernel counted.
//!
//! An error reaches a program only through a connected socket, or one that asks for
//! them (`IP_RECVERR`); some kinds of it not even then. And the kernel sends one a second
//! to an address (`net.ipv4.icmp_ratelimit`). So most rejected queries look discarded.

use std::collections::HashMap;
use std::collections::HashSet;
use std::net::SocketAddr;

use super::incident::Incident;
use crate::attempt::FailedCall;
use crate::sampler::HostSample;

/// How it is known that a query was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Its own socket was told with an error.
    Told,
    /// The sockets of other queries on the same way were.
    Alike,
    /// Nobody was told, but ICMP errors were sent where it was discarded, and came to
    /// the namespace of who asked.
    Counted,
}

/// The client's namespace, the one where its packets are discarded, the server.
type Way = (u32, u32, SocketAddr);

/// What is known of all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rejections {
    ways: HashSet<Way>,
    /// Of a client's and a rule's namespace: errors came that no socket was told of.
    counted: HashSet<(u32, u32)>,
}

fn way(incident: &Incident) -> Option<Way> {
    let netns = incident.attempt.owner.netns;
    Some((netns, incident.filtered()?.netns, incident.server()))
}

impl Rejections {
    pub(super) fn of(incidents: &[Incident], host: &HostSample) -> Self {
        let mut ways = HashSet::new();
        // Of them, those that were sent from there: errors to one's own address are not
        // held back, so each of these has one.
        let mut discarded: HashMap<(u32, u32), u64> = HashMap::new();
        // By namespace of the clients: how many errors their sockets were told.
        let mut told: HashMap<u32, u64> = HashMap::new();
        for incident in incidents {
            let netns = incident.attempt.owner.netns;
            let is_told = incident.errno().is_some() && incident.attempt.failed_call.is_none();
            if is_told {
                *told.entry(netns).or_default() += incident.weight;
            }
            match (way(incident), is_told) {
                (Some(way), true) => drop(ways.insert(way)),
                (Some((netns, rule, _)), false) => {
                    let when_sent = incident.filtered().is_some_and(|drop| drop.when_sent);
                    let own = discarded.entry((netns, rule)).or_default();
                    *own += u64::from(when_sent) * incident.weight;
                }
                (None, _) => {}
            }
        }
        let counted = discarded.into_iter().filter(|((netns, rule), own)| {
            let came = host.unreachable.get(netns).map_or(0, |it| it.received);
            let sent = host.unreachable.get(rule).map_or(0, |it| it.sent);
            let told = told.get(netns).copied().unwrap_or(0);
            sent > 0 && came.saturating_sub(told) >= (*own).max(1)
        });
        Self {
            counted: counted.map(|(way, _)| way).collect(),
            ways,
        }
    }

    /// Whether a firewall rejected the query, and how that is known.
    pub fn of_query(&self, incident: &Incident) -> Option<Rejection> {
        let way = way(incident)?;
        if incident.errno().is_some() {
            return Some(Rejection::Told);
        }
        if self.ways.contains(&way) {
            return Some(Rejection::Alike);
        }
        let (netns, rule, _) = way;
        let is_counted = self.counted.contains(&(netns, rule));
        is_counted.then_some(Rejection::Counted)
    }
}

/// Sends that failed with the error of an earlier query of the same socket: it came when
/// nobody was waiting for it. By their index, that of the earlier one.
pub(super) fn pending_errors(incidents: &[Incident]) -> HashMap<usize, usize> {
    let mut told: HashMap<(u64, i32), usize> = HashMap::new();
    let mut pending = HashMap::new();
    for (place, incident) in incidents.iter().enumerate() {
        let (Some(errno), cookie @ 1..) = (incident.errno(), incident.attempt.cookie) else {
            continue;
        };
        match incident.attempt.failed_call {
            None => drop(told.insert((cookie, errno), place)),
            Some(FailedCall::Connect) => {}
            Some(FailedCall::Send) => {
                let earlier = told.get(&(cookie, errno)).copied();
                pending.extend(earlier.map(|earlier| (place, earlier)));
            }
        }
    }
    pending
}
