//! All incidents of one cause at one place, and what is common to them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;

use super::place::Place;
use super::severity::Share;
use crate::attempt::PacketDrop;
use crate::doctor::explanation::Explanation;
use crate::doctor::party::Parties;
use crate::doctor::ranking;
use crate::incidents::Asked;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::ServerView;
use crate::incidents::Tally;
use crate::sampler::ResolvConf;
use crate::thresholds::FAILURES_MIN;
use crate::units;

const EXAMPLES: usize = 3;
/// A name has up to 255 octets, and each can take four columns. An IPv6 address asked for its
/// name has 72.
pub(super) const NAME_MAX: usize = 76;
const UNSEEN_SHOWN: usize = 3;

#[derive(Clone)]
pub(in crate::doctor) struct Group<'a> {
    pub(super) place: Place,
    pub(super) evidence: &'a Evidence,
    pub(super) parties: &'a Parties<'a>,
    /// Incidents that it took itself.
    own: Vec<&'a Incident>,
    /// Incidents that failed because of those.
    symptoms: Vec<&'a Incident>,
    /// Servers of other places that it speaks for too.
    others: Vec<Option<SocketAddr>>,
}

impl<'a> Group<'a> {
    pub(in crate::doctor) fn new(
        place: Place,
        evidence: &'a Evidence,
        parties: &'a Parties<'a>,
    ) -> Self {
        Self {
            place,
            evidence,
            parties,
            own: Vec::new(),
            symptoms: Vec::new(),
            others: Vec::new(),
        }
    }

    pub(in crate::doctor) fn add(&mut self, incident: &'a Incident, symptom: bool) {
        match symptom {
            true => self.symptoms.push(incident),
            false => self.own.push(incident),
        }
    }

    /// The busiest place with the incidents of all.
    pub(super) fn merge(groups: Vec<Self>) -> Option<Self> {
        let mut groups = groups.into_iter();
        let mut merged = groups.next()?;
        for group in groups {
            merged.own.extend(group.own);
            merged.symptoms.extend(group.symptoms);
            merged.others.push(group.place.server);
        }
        Some(merged)
    }

    /// Only those that it took itself: what is said of a server or a packet is said of these.
    /// All, if others that are not in the report have brought it all about.
    pub(super) fn without_symptoms(&self) -> Self {
        let symptoms = match self.own.is_empty() {
            true => self.symptoms.clone(),
            false => Vec::new(),
        };
        Self {
            symptoms,
            ..self.clone()
        }
    }

    /// All incidents, those that it took itself first.
    pub(super) fn incidents(&self) -> impl Iterator<Item = &'a Incident> {
        self.own.iter().chain(&self.symptoms).copied()
    }

    /// The first one: what all of one place have in common can be read off it.
    pub(in crate::doctor) fn first(&self) -> Option<&'a Incident> {
        self.incidents().next()
    }

    /// The first packet that this host discarded.
    pub(super) fn drop(&self) -> Option<&'a PacketDrop> {
        self.incidents().find_map(Incident::drop)
    }

    pub(super) fn drop_netns(&self) -> Option<u32> {
        Some(self.drop()?.netns)
    }

    /// The first client that was looked at, and its resolv.conf.
    pub(super) fn resolv_conf(&self) -> Option<(u32, &'a ResolvConf)> {
        let clients = &self.evidence.host.clients;
        let mut pids = self.incidents().filter_map(|it| it.attempt.owner.pid);
        let (pid, client) = pids.find_map(|pid| Some((pid, clients.get(&pid)?)))?;
        Some((pid, client.resolv_conf.as_ref()?))
    }

    /// What is in the resolv.conf of who asks, if none of these files has the server;
    /// a resolver has its upstreams elsewhere.
    pub(super) fn unlisted(&self) -> Option<String> {
        let server = self
            .place
            .server
            .filter(|_| !self.is_asked_by_resolved())?
            .ip();
        let clients = &self.evidence.host.clients;
        let pids = self.distinct(|incident| incident.attempt.owner.pid);
        let mut confs = Vec::new();
        for pid in pids {
            let pid = pid.filter(|pid| !self.evidence.resolvers.contains(pid))?;
            confs.push((pid, clients.get(&pid)?.resolv_conf.as_ref()?));
        }
        let is_listed = |(_, conf): &(u32, &ResolvConf)| conf.nameservers.contains(&server);
        if confs.iter().any(is_listed) {
            return None;
        }
        let (pid, conf) = confs.first()?;
        let list: Vec<_> = conf.nameservers.iter().map(ToString::to_string).collect();
        match list.is_empty() {
            // What C libraries ask then.
            true if server == IpAddr::V4(Ipv4Addr::LOCALHOST) => None,
            true => Some(format!("The resolv.conf of pid {pid} names no server.")),
            false => Some(format!(
                "The resolv.conf of pid {pid} names {}.",
                list.join(", ")
            )),
        }
    }

    /// Attempts that it explains.
    pub(super) fn queries(&self) -> u64 {
        self.count(|_| true)
    }

    /// Attempts that it explains and for which this holds.
    pub(super) fn count(&self, holds: impl Fn(&Incident) -> bool) -> u64 {
        let incidents = self.incidents().filter(|incident| holds(incident));
        incidents.map(|incident| incident.weight).sum()
    }

    /// Attempts that it explains, by this of them, most first.
    pub(super) fn ranked<K: Ord>(&self, by: impl Fn(&Incident) -> Option<K>) -> Vec<(K, u64)> {
        let incidents = self.incidents();
        ranking::ranked(incidents.filter_map(|incident| Some((by(incident)?, incident.weight))))
    }

    /// Those that hurt somebody, of all client attempts of the report.
    pub(super) fn share(&self) -> Share {
        Share {
            queries: self.count(|incident| !incident.is_side_try),
            ..self.whole_share()
        }
    }

    /// All of them.
    pub(super) fn whole_share(&self) -> Share {
        Share {
            queries: self.queries(),
            of: self.parties.whole.queries(),
            is_own: false,
            is_all_of_a_namespace: self.takes_all_of_a_namespace(),
        }
    }

    /// `120 queries`
    pub(super) fn counted(&self) -> String {
        units::queries(self.queries())
    }

    /// `120 packets were`: those that the kernel told of.
    pub(super) fn packets(&self) -> String {
        let packets = self.count(|incident| incident.drop().is_some());
        units::counted(packets, "packet was", "packets were")
    }

    /// `120 queries failed and 3 were slow`
    pub(super) fn told(&self) -> String {
        let failed = self.count(Incident::has_failed);
        let told = units::counted(failed, "query failed", "queries failed");
        let rest = self.queries() - failed;
        let slow = "slow or got an error";
        match (failed, rest) {
            (0, _) => units::counted(rest, "query was", "queries were") + " " + slow,
            (_, 0) => told,
            _ => format!("{told}, {} {slow}", units::counted(rest, "was", "were")),
        }
    }

    /// Who asked, and for what: where most evidence ends.
    pub(super) fn asked_by_and_for(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.asked_by()).chain(self.examples())
    }

    /// `Asked for: a.example. A, b.example. AAAA and 17 more.`
    pub(super) fn examples(&self) -> Option<String> {
        let questions = self.ranked(|incident| {
            let question = incident.attempt.question.parse()?;
            let name = units::shorten(&question.name, NAME_MAX);
            Some(format!("{name} {}", question.rtype))
        });
        let shown = ranking::first_of(&questions, EXAMPLES, |(text, _)| text.clone())?;
        Some(format!("Asked for: {shown}."))
    }

    /// The one server, or the number of them.
    pub(in crate::doctor) fn server(&self) -> String {
        match self.only_server() {
            Some(server) => server.to_string(),
            None => units::counted(self.servers().len() as u64, "server", "servers"),
        }
    }

    /// `the DNS server 10.0.0.10:53`, `7 DNS servers`
    pub(super) fn dns_server(&self) -> String {
        match self.only_server() {
            Some(server) => format!("the DNS server {server}"),
            None => units::counted(self.servers().len() as u64, "DNS server", "DNS servers"),
        }
    }

    pub(in crate::doctor) fn only_server(&self) -> Option<SocketAddr> {
        match &self.servers()[..] {
            [one] => Some(*one),
            _ => self.place.server.filter(|_| self.others.is_empty()),
        }
    }

    /// Whether it is told as being about this server.
    pub(super) fn is_about(&self, server: SocketAddr) -> bool {
        let mut all = self.others.iter().chain([&self.place.server]);
        all.any(|it| *it == Some(server))
    }

    /// `10.0.0.10:53 and 2 others`: the servers of its places.
    pub(super) fn places_told(&self) -> Option<String> {
        let server = self.place.server?;
        Some(match self.others.len() as u64 {
            0 => server.to_string(),
            others => format!("{server} and {}", units::counted(others, "other", "others")),
        })
    }

    fn servers(&self) -> Vec<SocketAddr> {
        self.distinct(Incident::server)
    }

    /// Each once, in order.
    pub(super) fn distinct<T: Ord>(&self, of: impl Fn(&Incident) -> T) -> Vec<T> {
        let all: BTreeSet<T> = self.incidents().map(of).collect();
        all.into_iter().collect()
    }

    /// What those who have these incidents asked this server, whatever came of it.
    pub(super) fn asked(&self) -> Asked {
        self.asked_where(|_| true)
    }

    /// What those of them asked for whom this holds.
    pub(super) fn asked_where(&self, holds: impl Fn(&Incident) -> bool) -> Asked {
        let mut total = Asked::default();
        let Some(server) = self.place.server else {
            return total;
        };
        let whose = self.incidents().filter(|incident| holds(incident));
        // Of several places each has its server.
        let way = |it: &Incident| match self.others.is_empty() {
            true => (it.attempt.owner.netns, server),
            false => (it.attempt.owner.netns, it.server()),
        };
        let ways: BTreeSet<(u32, SocketAddr)> = whose.map(way).collect();
        for (netns, server) in ways {
            total.absorb(&self.evidence.tallies.asked(netns, server));
        }
        total
    }

    /// Begins what is said about a server that fails.
    pub(super) fn opening(
        &self,
        title: String,
        cause: impl Into<String>,
        impact: impl Into<String>,
    ) -> Explanation {
        let tally = self.asked().all;
        Explanation::of(title, cause, impact).line(format!(
            "{}: {} of {} failed.",
            self.server(),
            units::count(tally.failed),
            units::queries(tally.ended())
        ))
    }

    fn namespaces(&self) -> Vec<u32> {
        self.distinct(|incident| incident.attempt.owner.netns)
    }

    /// How the server on this host saw the incidents, where it did.
    pub(super) fn views(&self) -> impl Iterator<Item = &'a ServerView> {
        let evidence = self.evidence;
        self.incidents()
            .filter_map(|incident| evidence.view_of(incident))
    }

    /// Whether some namespace, other than those that had successes too, has
    /// nothing but these: everything that it asks goes wrong.
    pub(super) fn takes_all_of_a_namespace(&self) -> bool {
        let hurts = |it: &Incident| it.has_failed() && !it.is_side_try;
        let netns = |it: &Incident| hurts(it).then_some(it.attempt.owner.netns);
        let tallies = &self.evidence.tallies.netns;
        self.ranked(netns).into_iter().any(|(netns, failed)| {
            let all = tallies.get(&netns).map(Tally::ended);
            netns != 0 && failed >= FAILURES_MIN && all.is_some_and(|all| failed >= all)
        })
    }

    /// Whether somebody in a namespace without these incidents is answered.
    pub(super) fn others_are_answered(&self) -> bool {
        let own = self.namespaces();
        let mut tallies = self.evidence.tallies.netns.iter();
        tallies.any(|(netns, tally)| tally.answered > 0 && !own.contains(netns))
    }

    /// What failed only because of this.
    pub(super) fn symptoms_told(&self) -> Option<String> {
        let symptoms: u64 = self.symptoms.iter().map(|incident| incident.weight).sum();
        let resolver = self.symptoms.first()?.server();
        Some(format!(
            "{} to the resolver {resolver} went wrong because of this: it could not ask further.",
            units::queries(symptoms),
        ))
    }

    /// `the host's network namespace`, `network namespace 4026532001 (of pid 7)`
    pub(super) fn netns_told(&self, netns: u32) -> String {
        match self.evidence.inhabitant(netns) {
            _ if netns == 0 => "an unknown network namespace".to_owned(),
            _ if self.evidence.host.own_netns == Some(netns) => {
                "the host's network namespace".to_owned()
            }
            Some(pid) => format!("network namespace {netns} (of pid {pid})"),
            None => format!("network namespace {netns}"),
        }
    }

    /// What would have told more, had it been there.
    pub(super) fn missing_signals(&self) -> impl Iterator<Item = String> {
        let unseen = self.evidence.unseen.iter().take(UNSEEN_SHOWN);
        unseen.map(|sentence| format!("Not visible here: {sentence}"))
    }
}
