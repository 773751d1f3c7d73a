//! How the neighbours of an incident fared: by server, type, name, source port.

use std::collections::HashSet;
use std::hash::Hash;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use domain::base::iana::OptRcode;
use domain::base::iana::Rtype;

use super::asked::Asked;
use super::asked::BothFamilies;
use super::generations;
use super::generations::Generation;
use super::processes::Processes;
use super::rates::Rates;
use super::sizes::Sizes;
use super::table::Table;
use super::tally::Tally;
use super::traits::ByType;
use super::traits::Traits;
use super::traits::Way;
use crate::attempt::Attempt;
use crate::attempt::Conntrack;
use crate::attempt::Fingerprint;
use crate::attempt::Outcome;
use crate::attempt::Owner;
use crate::attempt::Plain;
use crate::attempt::PlainQuestions;
use crate::thresholds::FAILURES_MIN;

/// Bounds of each table; what finds no room is counted.
const ASKED_MAX: usize = 4096;
const NAMES_MAX: usize = 8192;
const FLOWS_MAX: usize = 8192;
const NETNS_MAX: usize = 4096;
/// A source port that has not failed for so long is not carried to the next window: longer
/// than any resolver waits before it asks again.
const FLOW_NS: u64 = 120_000_000_000;

/// One source port that has failed: all its attempts to one server.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Attempts that failed since the last answer.
    pub failed: u64,
    /// When the first of those was sent, in nanoseconds of `CLOCK_MONOTONIC`.
    pub first_ns: u64,
    /// When the last of those was sent.
    pub last_ns: u64,
    /// What its namespace had asked the server by then, the first of those
    /// included: what was answered since was asked from other ports.
    pub before: Tally,
    /// Where connection tracking leads it, if that is not where it was sent: known
    /// from a packet of it that was discarded.
    pub leads_to: Option<IpAddr>,
    /// It had failed already when this window began.
    is_carried: bool,
}

impl Flow {
    /// Whether nothing more is expected of it by then.
    fn is_over(&self, at_ns: u64) -> bool {
        self.last_ns.saturating_add(FLOW_NS) < at_ns
    }
}

/// Key of a flow: namespace, source port, server.
type FlowKey = (u32, u16, SocketAddr);

/// How all client attempts ended, filtered or not.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq)]
pub struct Tallies {
    /// By network namespace.
    pub netns: Table<u32, Tally>,
    asked: Table<(u32, SocketAddr), Asked>,
    served: Table<(u32, SocketAddr), u64>,
    /// By asking process.
    pub processes: Processes,
    names: Table<u64, BothFamilies>,
    flows: Table<FlowKey, Flow>,
    pub(super) traits: Traits,
    pub(super) rates: Rates,
    pub(super) sizes: Sizes,
    /// Names that were answered NOERROR to queries with the CD bit, by network namespace.
    unchecked: HashSet<(u32, u64)>,
    /// Attempts that one of the tables had no room for.
    pub left_out: u64,
    /// When it was begun at the earliest, in nanoseconds of `CLOCK_MONOTONIC`; 0 in the first.
    begin_ns: u64,
    /// When the latest attempt of it was sent.
    latest_ns: u64,
}

impl Tallies {
    /// What its larger tables take, in octets.
    pub(super) fn octets(&self) -> usize {
        self.netns.capacity() * size_of::<(u32, Tally)>()
            + self.asked.capacity() * size_of::<((u32, SocketAddr), Asked)>()
            + self.names.capacity() * size_of::<(u64, BothFamilies)>()
            + self.flows.capacity() * size_of::<(FlowKey, Flow)>()
            + self.processes.octets()
            + self.sizes.octets()
    }

    /// What was asked of this address in all other namespaces.
    pub fn asked_elsewhere(&self, netns: u32, server: SocketAddr) -> Tally {
        let mut total = Tally::default();
        let others = self
            .asked
            .iter()
            .filter(|((other, asked), _)| *other != netns && *asked == server);
        others.for_each(|(_, asked)| total.absorb(&asked.all));
        total
    }

    pub(super) fn record_served(&mut self, attempt: &Attempt) {
        if attempt.outcome == Outcome::Late {
            return;
        }
        let server = (attempt.owner.netns, attempt.local);
        match entry(&mut self.served, server, ASKED_MAX) {
            Some(served) => *served += 1,
            None => self.left_out += 1,
        }
    }

    pub(super) fn count_served(&mut self, plain: &Plain) {
        let attempt = &plain.example;
        let server = (attempt.owner.netns, attempt.local);
        match entry(&mut self.served, server, ASKED_MAX) {
            Some(served) => *served += plain.number(),
            None => self.left_out += plain.number(),
        }
    }

    /// As [`Self::record`] of each of them. Their ports have had no failure.
    pub(super) fn count(&mut self, plain: &Plain) {
        let Owner { netns, .. } = plain.example.owner;
        let moments = plain.moments.iter().copied();
        self.latest_ns = self.latest_ns.max(moments.max().unwrap_or(0));
        let (number, all) = (
            plain.number(),
            Tally::of_plain(plain.number(), plain.nxdomain),
        );
        match entry(&mut self.netns, netns, NETNS_MAX) {
            Some(tally) => tally.absorb(&all),
            None => self.left_out += number,
        }
        match entry(&mut self.asked, (netns, plain.example.peer), ASKED_MAX) {
            Some(asked) => {
                asked.all.absorb(&all);
                asked.came_second.add(0);
                let from = plain.example.local.ip();
                for sent_ns in &plain.moments {
                    asked.seen.record(*sent_ns, from);
                }
            }
            None => self.left_out += number,
        }
        self.processes.count(plain);
        self.traits.count(plain);
        self.rates.count(plain);
    }

    /// What was asked in them. Where there is no room for a server, its answers were counted as
    /// left out.
    pub(super) fn ask(&mut self, all: &PlainQuestions) {
        self.processes.ask(all);
        self.traits.ask(all);
        self.sizes.ask(all);
        let mut asked = entry(&mut self.asked, (all.netns, all.server), ASKED_MAX);
        for question in &all.questions {
            if let Some(asked) = &mut asked {
                asked.families.count(question);
            }
            let Fingerprint { name, rtype } = question.fingerprint;
            if question.is_unchecked
                && question.asked > question.nxdomain
                && self.unchecked.len() < NAMES_MAX
            {
                self.unchecked.insert((all.netns, name));
            }
            if !matches!(rtype, Rtype::A | Rtype::AAAA) {
                continue;
            }
            match entry(&mut self.names, name, NAMES_MAX) {
                Some(both) => both.count(question),
                None => self.left_out += question.asked,
            }
        }
    }

    pub(super) fn record(&mut self, attempt: &Attempt, question: Option<Fingerprint>) {
        if attempt.outcome == Outcome::Late {
            return;
        }
        let netns = attempt.owner.netns;
        self.latest_ns = self.latest_ns.max(attempt.sent_ns);
        match entry(&mut self.netns, netns, NETNS_MAX) {
            Some(tally) => tally.record(attempt),
            None => self.left_out += 1,
        }
        match entry(&mut self.asked, (netns, attempt.peer), ASKED_MAX) {
            Some(asked) => asked.record(attempt, question),
            None => self.left_out += 1,
        }
        self.processes.record(attempt, question);
        self.record_flow(attempt);
        let is_first = self.flow(attempt).is_none_or(|flow| flow.failed == 1);
        self.traits.record(attempt, is_first);
        self.rates.record(attempt);
        let is_unchecked = attempt.answer.is_some_and(|answer| {
            answer.bits.checking_disabled && answer.rcode == OptRcode::NOERROR
        });
        if let Some(question) = question.filter(|_| is_unchecked) {
            self.meet_unchecked(netns, question.name);
        }
        self.sizes.record(attempt, question);
        if let Some(question) = question.filter(|it| matches!(it.rtype, Rtype::A | Rtype::AAAA)) {
            match entry(&mut self.names, question.name, NAMES_MAX) {
                Some(both) => both.record(attempt, question.rtype),
                None => self.left_out += 1,
            }
        }
    }

    /// Counts answers that another server was faster than.
    pub(super) fn record_came_second(&mut self, way: Way, number: u64) {
        match entry(&mut self.asked, way, ASKED_MAX) {
            Some(asked) => asked.came_second.add(number),
            None => self.left_out += number,
        }
    }

    fn meet_unchecked(&mut self, netns: u32, name: u64) {
        if self.unchecked.len() < NAMES_MAX {
            self.unchecked.insert((netns, name));
        }
    }

    /// Whether a query for the same name was answered where it was to be answered without
    /// DNSSEC checks, and this one was not.
    pub fn is_fine_unchecked(&self, attempt: &Attempt) -> bool {
        let is_unchecked = attempt.answer.is_some_and(|it| it.bits.checking_disabled);
        let question = attempt.question.fingerprint();
        let key = question.map(|it| (attempt.owner.netns, it.name));
        !is_unchecked && key.is_some_and(|key| self.unchecked.contains(&key))
    }

    fn record_flow(&mut self, attempt: &Attempt) {
        let key = (attempt.owner.netns, attempt.local.port(), attempt.peer);
        if !attempt.outcome.is_failure() {
            if !self.flows.is_empty() {
                self.flows.remove(&key);
            }
            return;
        }
        if self.flows.len() == FLOWS_MAX {
            // A source port that failed once is what a new socket for each
            // query leaves behind.
            self.flows.retain(|_, flow| flow.failed > 1);
        }
        let leads_to = leads_to(attempt);
        if let Some(flow) = self.flows.get_mut(&key) {
            flow.failed += 1;
            flow.last_ns = attempt.sent_ns;
            flow.leads_to = leads_to.or(flow.leads_to);
        } else if self.flows.len() < FLOWS_MAX {
            self.flows.insert(
                key,
                Flow {
                    failed: 1,
                    first_ns: attempt.sent_ns,
                    last_ns: attempt.sent_ns,
                    before: self
                        .asked
                        .get(&(key.0, key.2))
                        .map(|asked| asked.all)
                        .unwrap_or_default(),
                    leads_to,
                    is_carried: false,
                },
            );
        } else {
            self.left_out += 1;
        }
    }

    /// When it was begun at the earliest; 0 in the first window.
    pub(super) fn begin_ns(&self) -> u64 {
        self.begin_ns
    }

    /// When one that took so long ended, as far as its attempts tell.
    pub(super) fn end_ns(&self, took: Duration) -> u64 {
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.latest_ns.max(self.begin_ns.saturating_add(took_ns))
    }

    /// Begins the next window at this moment. What fails now goes on failing in it.
    pub(super) fn next(&self, begin_ns: u64) -> Self {
        let flows = self.flows.iter();
        let flows = flows.filter(|(_, flow)| !flow.is_over(begin_ns));
        let carried = |(key, flow): (&FlowKey, &Flow)| {
            let flow = Flow {
                is_carried: true,
                ..*flow
            };
            (*key, flow)
        };
        Self {
            flows: flows.map(carried).collect(),
            begin_ns,
            ..Self::default()
        }
    }

    /// Adds what was counted in the window that was begun by [`Self::next`].
    pub(super) fn follow(&mut self, next: &Self) {
        let mut flows = next.flows.clone();
        for (key, flow) in &mut flows {
            if let Some(own) = self.flows.get(key).filter(|_| flow.is_carried) {
                // By now it may be known what was asked before that window too.
                flow.before = own.before;
                flow.is_carried = own.is_carried;
            } else if let Some(asked) = self.asked.get(&(key.0, key.2)) {
                flow.before.absorb(&asked.all);
            }
        }
        // What was not carried had no answer either.
        let own = std::mem::replace(&mut self.flows, flows);
        let is_of_another_run = next.begin_ns == 0;
        for (key, flow) in own {
            let is_left = is_of_another_run || flow.is_over(next.begin_ns);
            if is_left && self.flows.len() < FLOWS_MAX {
                self.flows.entry(key).or_insert(flow);
            }
        }
        self.latest_ns = self.latest_ns.max(next.latest_ns);
        for (&netns, tally) in &next.netns {
            match entry(&mut self.netns, netns, NETNS_MAX) {
                Some(own) => own.absorb(tally),
                None => self.left_out += 1,
            }
        }
        for (&way, asked) in &next.asked {
            match entry(&mut self.asked, way, ASKED_MAX) {
                Some(own) => own.absorb(asked),
                None => self.left_out += 1,
            }
        }
        for (&server, served) in &next.served {
            match entry(&mut self.served, server, ASKED_MAX) {
                Some(own) => *own += served,
                None => self.left_out += 1,
            }
        }
        for (&name, both) in &next.names {
            match entry(&mut self.names, name, NAMES_MAX) {
                Some(own) => own.absorb(both),
                None => self.left_out += 1,
            }
        }
        for &(netns, name) in &next.unchecked {
            self.meet_unchecked(netns, name);
        }
        self.left_out += next.left_out;
        self.processes.follow(&next.processes);
        self.traits.follow(&next.traits);
        self.rates.follow(&next.rates);
        self.sizes.follow(&next.sizes);
    }

    /// What one namespace asked one server.
    pub fn asked(&self, netns: u32, server: SocketAddr) -> Asked {
        self.asked
            .get(&(netns, server))
            .copied()
            .unwrap_or_default()
    }

    /// Queries that reached a server of this host, in its own network namespace.
    pub fn served(&self, netns: u32, server: SocketAddr) -> u64 {
        self.served
            .get(&(netns, server))
            .copied()
            .unwrap_or_default()
    }

    /// Queries that reached servers of this host at this address, in whatever namespace.
    pub fn served_at(&self, ip: IpAddr) -> u64 {
        let there = self
            .served
            .iter()
            .filter(|((_, server), _)| server.ip() == ip);
        there.map(|(_, queries)| queries).sum()
    }

    /// Where servers of this host were asked.
    pub(super) fn served_addresses(&self) -> HashSet<SocketAddr> {
        self.served.keys().map(|(_, server)| *server).collect()
    }

    /// What all namespaces asked a server of this address: one and the same if
    /// they share a network, as pods do that ask the address of a Service.
    pub fn asked_by_all(&self, server: SocketAddr) -> Asked {
        let mut total = Asked::default();
        for ((_, other), asked) in &self.asked {
            if *other == server {
                total.absorb(asked);
            }
        }
        total
    }

    /// How the namespace fares that does best with a server of this address, of all but
    /// this one, if it had answers enough to say so.
    pub fn best_elsewhere(&self, netns: u32, server: SocketAddr) -> Tally {
        let elsewhere = self
            .asked
            .iter()
            .filter(|((from, to), _)| *from != netns && *to == server);
        let tallies = elsewhere.map(|(_, asked)| asked.all);
        let tallies = tallies.filter(|it| it.answered >= FAILURES_MIN);
        let share = |it: &Tally| it.answered * 1_000 / it.ended().max(1);
        let best = tallies.max_by_key(|it| (share(it), it.answered));
        best.unwrap_or_default()
    }

    /// The servers that the namespace asked which asked this one, that one among them.
    pub fn servers_beside(
        &self,
        netns: u32,
        server: SocketAddr,
    ) -> impl Iterator<Item = (SocketAddr, &Asked)> {
        let of_number = self.asked.iter().filter(|((from, _), _)| *from == netns);
        let generations = generations::of(of_number.map(|((_, server), it)| (*server, it)));
        let is_there = |it: &Generation<'_>| it.servers.iter().any(|(asked, _)| *asked == server);
        let own = generations.into_iter().find(is_there);
        own.into_iter().flat_map(|it| it.servers)
    }

    /// The source port of the attempt, if it has only failed lately.
    pub fn flow(&self, attempt: &Attempt) -> Option<&Flow> {
        self.flows
            .get(&(attempt.owner.netns, attempt.local.port(), attempt.peer))
    }

    /// Whether its type is what its server answers with errors alone, and no other.
    pub fn errs_by_type(&self, attempt: &Attempt) -> Option<ByType> {
        self.traits.errs_by_type(attempt)
    }

    /// What was asked on each way.
    pub(super) fn ways(&self) -> impl Iterator<Item = (Way, &Asked)> {
        self.asked.iter().map(|(way, asked)| (*way, asked))
    }

    /// What was asked for each name, of A and AAAA.
    pub(super) fn names(&self) -> impl Iterator<Item = (u64, BothFamilies)> {
        self.names.iter().map(|(name, both)| (*name, *both))
    }
}

/// Where its packet's own entry leads, if that is not where it was sent.
fn leads_to(attempt: &Attempt) -> Option<IpAddr> {
    match attempt.drop.as_deref()?.conntrack? {
        Conntrack::Confirmed { reply_source } if reply_source != attempt.peer.ip() => {
            Some(reply_source)
        }
        _ => None,
    }
}

/// The entry, made if there is room.
fn entry<K: Eq + Hash, V: Default>(map: &mut Table<K, V>, key: K, max: usize) -> Option<&mut V> {
    if map.len() >= max && !map.contains_key(&key) {
        return None;
    }
    Some(map.entry(key).or_default())
}
