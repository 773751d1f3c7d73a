//! Servers that the clients of several network namespaces ask: what sets the unanswered
//! queries apart there, the namespace itself among it.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::net::SocketAddr;

use super::traits::AtServer;
use super::traits::Fates;
use super::traits::Trait;
use super::traits::Traits;
use super::traits::Way;
use super::traits::sharpest_first;
use crate::contrast::Contrast;
use crate::contrast::Failed;
use crate::thresholds::DEAD_PERCENT;
use crate::thresholds::FAILURES_MIN;

/// A network namespace that a server does not answer, while it answers others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CutOff {
    /// Of its queries, and those of others that fare alike, against all others.
    pub contrast: Contrast,
    /// Its own alone.
    pub own: Failed,
    /// How many namespaces fare so.
    pub alike: u64,
    /// Namespaces that are answered.
    pub answered: u64,
}

/// Compared over namespaces. A server of this host is another one in each of them, if they
/// are not joined: only those elsewhere are compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct OverNamespaces {
    pub(super) of: HashMap<SocketAddr, Vec<(Trait, Contrast)>>,
    pub(super) cut_off: HashMap<Way, CutOff>,
}

impl OverNamespaces {
    /// `here` are the addresses of servers on this host.
    pub(super) fn of(traits: &Traits, here: &HashSet<SocketAddr>) -> Self {
        let mut servers: BTreeMap<SocketAddr, Vec<(u32, &AtServer)>> = BTreeMap::new();
        for ((netns, server), it) in &traits.servers {
            if *netns != 0 && !here.contains(server) && !server.ip().is_loopback() {
                servers.entry(*server).or_default().push((*netns, it));
            }
        }
        let mut found = Self::default();
        for (server, askers) in servers {
            let [_, _, ..] = askers[..] else {
                continue;
            };
            let (mut all, mut of) = (Fates::default(), BTreeMap::<Trait, Fates>::new());
            for (_, it) in &askers {
                all.absorb(&it.all);
                // Who they are is told by their namespace; each may have names of its own, too.
                let is_own = |it: &Trait| matches!(it, Trait::Group(_) | Trait::Parent(_));
                let traits = it.of.iter().filter(|(it, _)| !is_own(it));
                traits.for_each(|(it, fates)| of.entry(*it).or_default().absorb(fates));
            }
            let all = all.unanswered();
            if all.failed < FAILURES_MIN {
                continue;
            }
            let looked_at = of.len() + askers.len();
            let traits = of.iter().filter_map(|(it, fates)| {
                Some((*it, Contrast::of(fates.unanswered(), all, looked_at)?))
            });
            let traits = sharpest_first(traits.collect());
            for (netns, cut_off) in cut_off(&askers, all, looked_at) {
                // What they ask for may be what they have in common.
                let chance = traits.first().map_or(1.0, |(_, contrast)| contrast.chance);
                if cut_off.contrast.chance < chance {
                    found.cut_off.insert((netns, server), cut_off);
                }
            }
            if !traits.is_empty() {
                found.of.insert(server, traits);
            }
        }
        found
    }
}

/// Those of whom nearly all goes unanswered, if nearly all of the others is answered.
fn cut_off(
    askers: &[(u32, &AtServer)],
    all: Failed,
    looked_at: usize,
) -> impl Iterator<Item = (u32, CutOff)> {
    let own = askers
        .iter()
        .map(|(netns, it)| (*netns, it.all.unanswered()));
    let is_dead = |(_, own): &(u32, Failed)| {
        own.failed >= FAILURES_MIN && own.failed * 100 >= own.of * DEAD_PERCENT
    };
    let alike: Vec<(u32, Failed)> = own.filter(is_dead).collect();
    let mut with = Failed::default();
    alike.iter().for_each(|(_, own)| with.absorb(own));
    let number = alike.len() as u64;
    let answered = askers.len() as u64 - number;
    let contrast = Contrast::of(with, all, looked_at);
    let told = move |(netns, own)| {
        let it = CutOff {
            contrast: contrast?,
            own,
            alike: number,
            answered,
        };
        Some((netns, it))
    };
    alike.into_iter().filter_map(told)
}
