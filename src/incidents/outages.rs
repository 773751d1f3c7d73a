//! Servers of this host that the kernel killed, and the queries that they did not answer
//! because of that.

use std::net::SocketAddr;

use super::incident::Incident;
use super::server_view::ServerView;
use super::serving::Serving;
use crate::sampler::HostSample;
use crate::sampler::OomKill;

/// A time in which nobody served at an address, because the server had been killed.
#[derive(Clone, Debug, PartialEq)]
pub struct Outage {
    /// Who was killed, when, and why.
    pub kill: OomKill,
    /// Inode number of the network namespace where it served.
    pub netns: u32,
    /// Its address there.
    pub server: SocketAddr,
    /// When another process answered there, in nanoseconds of `CLOCK_MONOTONIC`; `None` if
    /// none did.
    pub until_ns: Option<u64>,
}

/// All of them, in the order of the kills.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outages(Vec<Outage>);

impl Outages {
    pub(super) fn of(host: &HostSample, serving: &Serving) -> Self {
        let mut outages = Vec::new();
        for kill in host.oom_kills.values() {
            let mut addresses = serving.of(kill.pid, kill.at_ns);
            // It had not answered since kerno watches.
            let silent = host.listeners.iter().filter(|(_, pid)| **pid == kill.pid);
            for (address, _) in silent {
                if !addresses.iter().any(|(known, _)| known == address) {
                    addresses.push((*address, serving.after(*address, kill.pid, kill.at_ns)));
                }
            }
            addresses.sort_unstable();
            let outage = |((netns, server), until_ns)| Outage {
                kill: kill.clone(),
                netns,
                server,
                until_ns,
            };
            outages.extend(addresses.into_iter().map(outage));
        }
        Self(outages)
    }

    /// Those of one server, by network namespace and address there.
    pub fn at(&self, netns: u32, server: SocketAddr) -> impl Iterator<Item = &Outage> {
        let is_there = move |it: &&Outage| it.netns == netns && it.server == server;
        self.0.iter().filter(is_there)
    }

    /// Why nobody answered the query, if its server had been killed. `view` is how a server
    /// on this host saw it.
    pub fn hit(
        &self,
        incident: &Incident,
        view: Option<&ServerView>,
        host: &HostSample,
    ) -> Option<&Outage> {
        if !incident.has_failed() || incident.attempt.failed_call.is_some() {
            return None;
        }
        self.0.iter().find(|outage| match view {
            Some(view) => {
                outage.had(view) || (view.owner.pid.is_none() && outage.met(incident, host))
            }
            None => outage.met(incident, host),
        })
    }
}

impl Outage {
    /// Whether the killed server had the query: it was in its socket, which is closed a moment
    /// later, or in its hands.
    fn had(&self, view: &ServerView) -> bool {
        view.owner.pid == Some(self.kill.pid)
            && !view.is_answered()
            && view.ended_ns >= self.kill.at_ns
    }

    /// Whether the query was to go there while nobody served.
    fn met(&self, incident: &Incident, host: &HostSample) -> bool {
        let attempt = &incident.attempt;
        let until_ns = self.until_ns.unwrap_or(u64::MAX);
        if attempt.sent_ns < self.kill.at_ns || attempt.sent_ns >= until_ns {
            return false;
        }
        if let Some(drop) = incident.query_lost() {
            return drop.netns == self.netns && drop.destination == self.server;
        }
        if attempt.peer == self.server {
            // An address of one's own namespace is another one's in another.
            return !attempt.peer.ip().is_loopback() || attempt.owner.netns == self.netns;
        }
        host.flows.iter().any(|flow| {
            flow.destination == attempt.peer
                && flow.source == attempt.local
                && flow.reply_source == self.server
        })
    }
}
