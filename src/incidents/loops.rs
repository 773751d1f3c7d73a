//! Resolvers on this host that ask each other for the same name.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::incident::Incident;
use super::server_view::ServerView;
use crate::attempt::Owner;

/// Resolvers that one query goes through at most; longer ways are not followed.
const HOPS_MAX: usize = 8;
/// Loops that are told of.
const LOOPS_MAX: usize = 64;

/// One resolver of a loop, and whom it asks: the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The resolver.
    pub owner: Owner,
    /// The address of the next.
    pub asks: SocketAddr,
}

/// By the least process number of those in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loops(BTreeMap<u32, Vec<Hop>>);

impl Loops {
    /// Finds the loops, and marks the incidents that ended in one: whoever's query began it,
    /// and what the resolvers asked each other.
    pub(super) fn mark(incidents: &mut [Incident], views: &[ServerView]) -> Self {
        let mut loops: BTreeMap<u32, Vec<Hop>> = BTreeMap::new();
        let mut found = Vec::new();
        // Told as it looks from a client.
        let (upstream, clients): (Vec<_>, Vec<_>) =
            (0..incidents.len()).partition(|&place| incidents[place].is_upstream);
        for place in clients.into_iter().chain(upstream) {
            let Some(hops) = from(incidents, views, place) else {
                continue;
            };
            let pids = hops.iter().filter_map(|hop| hop.owner.pid);
            if let Some(key) = pids.min()
                && (loops.len() < LOOPS_MAX || loops.contains_key(&key))
            {
                loops.entry(key).or_insert(hops);
                found.push((place, key));
            }
        }
        for (place, key) in found {
            incidents[place].in_loop = Some(key);
        }
        // What was sent again, or is still on its way round, has no hop behind it.
        let loops = Self(loops);
        for incident in incidents.iter_mut().filter(|it| it.is_upstream) {
            let resolver = incident.attempt.owner.pid;
            let key = resolver.and_then(|pid| loops.through(pid, incident.server()));
            incident.in_loop = incident.in_loop.or(key);
        }
        loops
    }

    /// The one in which this resolver asks that address.
    pub fn through(&self, resolver: u32, server: SocketAddr) -> Option<u32> {
        let is_hop = |hop: &Hop| hop.owner.pid == Some(resolver) && hop.asks == server;
        let mut loops = self.0.iter();
        let (key, _) = loops.find(|(_, hops)| hops.iter().any(is_hop))?;
        Some(*key)
    }

    /// The resolvers of one, each with whom it asks.
    pub fn get(&self, key: u32) -> Option<&[Hop]> {
        self.0.get(&key).map(Vec::as_slice)
    }
}

/// The resolvers behind an incident, from the first one that is met twice.
fn from(incidents: &[Incident], views: &[ServerView], place: usize) -> Option<Vec<Hop>> {
    let mut hops: Vec<Hop> = Vec::new();
    let mut next = incidents[place].upstream;
    while let Some(incident) = next.and_then(|place| incidents.get(place)) {
        let owner = incident.attempt.owner;
        owner.pid?;
        if let Some(first) = hops.iter().position(|hop| hop.owner.pid == owner.pid) {
            return Some(hops.split_off(first));
        }
        if hops.len() == HOPS_MAX {
            return None;
        }
        hops.push(Hop {
            owner,
            asks: incident.server(),
        });
        // It came back to the one who sent it.
        let view = incident.server_view.and_then(|view| views.get(view));
        if view.is_some_and(|view| view.owner.pid == owner.pid) {
            return hops.pop().map(|hop| vec![hop]);
        }
        next = incident.upstream;
    }
    None
}
