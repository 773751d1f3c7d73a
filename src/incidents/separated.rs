//! What separates the queries that failed from those that did not: at one server, over all
//! namespaces that ask it, and as a server of this host saw them.

use std::collections::HashMap;
use std::collections::HashSet;
use std::net::SocketAddr;

use super::arrivals::Arrivals;
use super::arrivals::traits_of;
use super::dead_servers;
use super::families::BrokenFamilies;
use super::namespaces::CutOff;
use super::namespaces::OverNamespaces;
use super::server_view::ServerView;
use super::tallies::Tallies;
use super::traits::AtServer;
use super::traits::Fates;
use super::traits::Trait;
use super::traits::Traits;
use super::traits::Way;
use super::traits::seen;
use crate::attempt::Attempt;
use crate::contrast::Contrast;
use crate::contrast::Failed;

/// What separates, by server: the contrast that chance would make most seldom first.
type ByServer = HashMap<Way, Vec<(Trait, Contrast)>>;

/// All that separates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Separated {
    unanswered: ByServer,
    answered_with_error: ByServer,
    answered_slowly: ByServer,
    slow_servers: HashMap<Way, (Apart, Contrast)>,
    /// As the server on this host saw it, by its own namespace and address.
    at_server: ByServer,
    over_namespaces: OverNamespaces,
    dead_servers: HashSet<Way>,
    broken_families: BrokenFamilies,
}

impl Separated {
    /// `here` are the addresses of servers on this host.
    pub(super) fn of(tallies: &Tallies, arrivals: &Arrivals, here: &HashSet<SocketAddr>) -> Self {
        let traits = &tallies.traits;
        let separated = |failed: fn(&Fates) -> Failed| {
            let of_one = |(way, server): (&Way, &AtServer)| {
                let found = server.contrasts(failed);
                (!found.is_empty()).then_some((*way, found))
            };
            traits.servers.iter().filter_map(of_one).collect()
        };
        Self {
            unanswered: separated(Fates::unanswered),
            answered_with_error: separated(Fates::answered_with_error),
            answered_slowly: separated(Fates::slowly_answered),
            slow_servers: slow_servers(traits, here),
            at_server: arrivals.contrasts(),
            over_namespaces: OverNamespaces::of(traits, here),
            dead_servers: dead_servers::of(tallies, here),
            broken_families: BrokenFamilies::of(tallies),
        }
    }

    /// What sets the unanswered query apart from those that were answered by the same
    /// server, asked from the same network namespace.
    pub fn unanswered(&self, attempt: &Attempt) -> Option<(Trait, Contrast)> {
        Self::find(&self.unanswered, attempt)
    }

    /// The same over all namespaces that ask a server elsewhere, where nothing sets it apart
    /// in its own.
    pub fn over_namespaces(&self, attempt: &Attempt) -> Option<(Trait, Contrast)> {
        let seen = seen(attempt);
        let found = self.over_namespaces.of.get(&attempt.peer)?;
        found.iter().copied().find(|(it, _)| it.is_of(&seen))
    }

    /// What else sets it apart, by the very same figures: nobody can tell which of these
    /// matters. That its source port had an answer is counted otherwise.
    pub fn alike(&self, attempt: &Attempt) -> Vec<Trait> {
        let own = self.unanswered.get(&(attempt.owner.netns, attempt.peer));
        let found = own.or_else(|| self.over_namespaces.of.get(&attempt.peer));
        let seen = seen(attempt);
        let mut found = found
            .into_iter()
            .flatten()
            .filter(|(it, _)| it.is_of(&seen));
        let Some((first, contrast)) = found.next() else {
            return Vec::new();
        };
        let is_alike = |(it, other): &&(Trait, Contrast)| {
            (other.with, other.others) == (contrast.with, contrast.others)
                && *it != Trait::AfterAnswer
                && *first != Trait::AfterAnswer
        };
        found.filter(is_alike).map(|(it, _)| *it).collect()
    }

    /// What sets it apart in whatever way.
    pub fn any_of(&self, attempt: &Attempt) -> Option<Contrast> {
        let found = self.unanswered(attempt);
        let found = found.or_else(|| self.over_namespaces(attempt));
        let cut_off = self.cut_off(attempt).map(|it| it.contrast);
        found.map(|(_, contrast)| contrast).or(cut_off)
    }

    /// Whether this server does not answer who asked that, but other namespaces.
    pub fn cut_off(&self, attempt: &Attempt) -> Option<&CutOff> {
        let way = (attempt.owner.netns, attempt.peer);
        self.over_namespaces.cut_off.get(&way)
    }

    /// Whether this server is what sets apart those of a network namespace that failed.
    pub fn is_dead(&self, netns: u32, server: SocketAddr) -> bool {
        self.dead_servers.contains(&(netns, server))
    }

    /// Whether type AAAA is what sets it apart from what else was asked for its name, or of
    /// its server.
    pub fn has_broken_family(&self, attempt: &Attempt) -> bool {
        let broken = &self.broken_families;
        let name = attempt.question.fingerprint().map(|it| it.name);
        name.is_some_and(|name| broken.names.contains(&name))
            || broken
                .servers
                .contains(&(attempt.owner.netns, attempt.peer))
    }

    /// What sets the query that got an error apart from those that got none.
    pub fn answered_with_error(&self, attempt: &Attempt) -> Option<(Trait, Contrast)> {
        Self::find(&self.answered_with_error, attempt)
    }

    /// What sets the query that was answered slowly apart from those that the same server
    /// answered at once.
    pub fn answered_slowly(&self, attempt: &Attempt) -> Option<(Trait, Contrast)> {
        Self::find(&self.answered_slowly, attempt)
    }

    /// Whether its server is slow where others are not, or to this network namespace alone.
    pub fn slow_server(&self, attempt: &Attempt) -> Option<(Apart, Contrast)> {
        let way = (attempt.owner.netns, attempt.peer);
        self.slow_servers.get(&way).copied()
    }

    fn find(by_server: &ByServer, attempt: &Attempt) -> Option<(Trait, Contrast)> {
        let found = by_server.get(&(attempt.owner.netns, attempt.peer))?;
        let seen = seen(attempt);
        found.iter().copied().find(|(it, _)| it.is_of(&seen))
    }

    /// The same among all that the server on this host saw come.
    pub fn at_server(&self, view: &ServerView) -> Option<(Trait, Contrast)> {
        let found = self.at_server.get(&(view.owner.netns, view.local))?;
        let own = traits_of(view);
        found.iter().copied().find(|(it, _)| own.contains(it))
    }
}

/// All that was asked at one server from one namespace against the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apart {
    /// … of other servers, from the same namespace.
    Server,
    /// … from other namespaces, at the same server.
    Namespace,
}

/// A server of this host is another one in each namespace: it is not compared over them.
fn slow_servers(traits: &Traits, here: &HashSet<SocketAddr>) -> HashMap<Way, (Apart, Contrast)> {
    let (mut by_netns, mut by_server) = (HashMap::new(), HashMap::new());
    for ((netns, server), it) in &traits.servers {
        let own = it.all.slowly_answered();
        let add = |sum: &mut (Failed, usize)| {
            sum.0.absorb(&own);
            sum.1 += 1;
        };
        add(by_netns.entry(*netns).or_default());
        add(by_server.entry(*server).or_default());
    }
    let of_one = |(way, it): (&Way, &AtServer)| {
        let own = it.all.slowly_answered();
        let (netns, server) = way;
        let compared = |(all, of): &(Failed, usize)| Contrast::of(own, *all, *of);
        let is_elsewhere = !here.contains(server) && !server.ip().is_loopback();
        let of_server = compared(by_netns.get(netns)?).map(|it| (Apart::Server, it));
        let of_netns = || {
            let found = compared(by_server.get(server).filter(|_| is_elsewhere)?)?;
            Some((Apart::Namespace, found))
        };
        Some((*way, of_server.or_else(of_netns)?))
    };
    traits.servers.iter().filter_map(of_one).collect()
}
