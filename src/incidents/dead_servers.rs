//! Servers of which nearly nothing comes, while others answer the same clients: the contrast
//! by server.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::net::SocketAddr;

use super::asked::Asked;
use super::generations;
use super::tallies::Tallies;
use super::traits::Way;
use crate::contrast::Contrast;
use crate::contrast::Failed;
use crate::thresholds::DEAD_PERCENT;
use crate::thresholds::FAILURES_MIN;

/// What was asked of each server.
type ByServer = BTreeMap<SocketAddr, Failed>;

/// By network namespace of who asks. Several dead servers are one side of the contrast, so
/// that none of them speaks for another.
pub(super) fn of(tallies: &Tallies, here: &HashSet<SocketAddr>) -> HashSet<Way> {
    let mut by_number: BTreeMap<u32, Vec<(SocketAddr, &Asked)>> = BTreeMap::new();
    for ((netns, server), asked) in tallies.ways() {
        by_number.entry(netns).or_default().push((server, asked));
    }
    let failed = |(server, asked): &(SocketAddr, &Asked)| {
        let failed = Failed {
            failed: asked.all.failed,
            of: asked.all.ended(),
        };
        (*server, failed)
    };
    let mut by_netns: Vec<(u32, ByServer)> = Vec::new();
    for (netns, servers) in by_number {
        for generation in generations::of(servers.into_iter()) {
            by_netns.push((netns, generation.servers.iter().map(failed).collect()));
        }
    }
    let mut found = HashSet::new();
    for (netns, servers) in &by_netns {
        let dead = dead_of(servers);
        found.extend(dead.into_iter().map(|server| (*netns, server)));
    }
    found.extend(over_namespaces(&by_netns, here));
    found
}

/// A server elsewhere is the same one for all who ask it: together they tell more.
fn over_namespaces(by_netns: &[(u32, ByServer)], here: &HashSet<SocketAddr>) -> HashSet<Way> {
    let is_shared = |server: &SocketAddr| !here.contains(server) && !server.ip().is_loopback();
    let mut all = ByServer::new();
    for (_, servers) in by_netns {
        for (server, failed) in servers.iter().filter(|(server, _)| is_shared(server)) {
            all.entry(*server).or_default().absorb(failed);
        }
    }
    let dead: HashSet<SocketAddr> = dead_of(&all).into_iter().collect();
    let ways = by_netns.iter().flat_map(|(netns, servers)| {
        let both = |server: &&SocketAddr| dead.contains(*server);
        // Who asks no other has it on no list beside one that answers.
        let answers =
            |(server, it): (&SocketAddr, &Failed)| !dead.contains(server) && it.failed < it.of;
        let has_another = servers.iter().any(answers);
        let dead = servers.keys().filter(both).filter(move |_| has_another);
        dead.map(|server| (*netns, *server))
    });
    ways.collect()
}

fn dead_of(servers: &ByServer) -> Vec<SocketAddr> {
    let is_dead =
        |it: &Failed| it.failed >= FAILURES_MIN && it.failed * 100 >= it.of * DEAD_PERCENT;
    let (mut with, mut all) = (Failed::default(), Failed::default());
    let mut dead = Vec::new();
    for (server, failed) in servers {
        all.absorb(failed);
        if is_dead(failed) {
            with.absorb(failed);
            dead.push(*server);
        }
    }
    match Contrast::of(with, all, servers.len()) {
        Some(_) => dead,
        None => Vec::new(),
    }
}
