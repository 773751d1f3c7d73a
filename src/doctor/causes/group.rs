//! All cases of one cause at one place, and what is common to them.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::net::SocketAddr;

use super::place::Place;
use super::severity::Share;
use crate::attempt::identity::WorkloadId as Whom;
use crate::attempt::names;
use crate::doctor::finding::Subject;
use crate::doctor::finding::SubjectServer;
use crate::doctor::party::Parties;
use crate::evidence::Asked;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::evidence::ServerView;
use crate::evidence::Tally;
use crate::thresholds::CONCENTRATED_PERCENT;
use crate::thresholds::FAILURES_MIN;
use crate::units;

/// Processes that are named when several asked.
pub(super) const ASKERS_SHOWN: usize = 2;
/// Names that are given as examples.
const EXAMPLES: usize = 3;
/// A process chooses its name, and each byte of it can take four columns.
const COMM_MAX: usize = 24;
/// Enough for the namespaces and names of pods that people use.
const WHOM_MAX: usize = 80;
/// A name has up to 255 octets, and each can take four columns.
const NAME_MAX: usize = 60;

/// See the module.
#[derive(Clone)]
pub(in crate::doctor) struct Group<'a> {
    pub(super) place: Place,
    pub(super) evidence: &'a Evidence,
    pub(super) parties: &'a Parties<'a>,
    /// Cases that it took itself.
    own: Vec<&'a Case>,
    /// Cases that failed because of those.
    symptoms: Vec<&'a Case>,
    /// Groups of other places that it speaks for too.
    others: usize,
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
            others: 0,
        }
    }

    pub(in crate::doctor) fn add(&mut self, case: &'a Case, symptom: bool) {
        match symptom {
            true => self.symptoms.push(case),
            false => self.own.push(case),
        }
    }

    /// The busiest place with the cases of all.
    pub(super) fn merge(groups: Vec<Self>) -> Option<Self> {
        let mut groups = groups.into_iter();
        let mut merged = groups.next()?;
        for group in groups {
            merged.own.extend(group.own);
            merged.symptoms.extend(group.symptoms);
            merged.others += 1;
        }
        Some(merged)
    }

    /// All cases, those that it took itself first.
    pub(super) fn cases(&self) -> impl Iterator<Item = &'a Case> {
        self.own.iter().chain(&self.symptoms).copied()
    }

    /// The first one: what all of one place have in common can be read off it.
    pub(in crate::doctor) fn first(&self) -> Option<&'a Case> {
        self.cases().next()
    }

    /// Attempts that it explains.
    pub(super) fn queries(&self) -> u64 {
        self.cases().map(|case| case.weight).sum()
    }

    /// Attempts that it explains and for which this holds.
    pub(super) fn count(&self, holds: impl Fn(&Case) -> bool) -> u64 {
        self.cases()
            .filter(|case| holds(case))
            .map(|case| case.weight)
            .sum()
    }

    /// Of all client attempts of the report.
    pub(super) fn share(&self) -> Share {
        Share {
            queries: self.queries(),
            of: self.parties.whole.queries(),
            is_own: false,
            is_all_of_a_namespace: self.takes_all_of_a_namespace(),
        }
    }

    /// Attempts that it explains, by who made them.
    pub(super) fn by_whom(&self) -> BTreeMap<Whom, u64> {
        let mut by_whom = BTreeMap::new();
        for case in self.cases() {
            *by_whom.entry(Whom::made(&case.attempt)).or_default() += case.weight;
        }
        by_whom
    }

    /// `120 queries`
    pub(super) fn counted(&self) -> String {
        units::counted(self.queries(), "query", "queries")
    }

    /// `120 queries failed and 3 were slow`
    pub(super) fn told(&self) -> String {
        let failed = self.count(Case::has_failed);
        let rest = self.queries() - failed;
        match (failed, rest) {
            (0, rest) => units::counted(rest, "query was hurt", "queries were hurt"),
            (failed, 0) => units::counted(failed, "query failed", "queries failed"),
            (failed, rest) => format!(
                "{} and {} slow or answered with an error",
                units::counted(failed, "query failed", "queries failed"),
                units::counted(rest, "was", "were")
            ),
        }
    }

    /// `curl (pid 4242)`, `40 processes named curl` or `curl (pid 4242), nslookup (pid
    /// 7) and 3 more`, and of whom, if that is one.
    pub(super) fn askers(&self) -> String {
        let ranked = self.ranked_askers();
        let shown: Vec<_> = ranked
            .iter()
            .take(ASKERS_SHOWN)
            .map(|((pid, comm), _)| process(*pid, comm))
            .collect();
        let one_name = ranked.first().map(|((_, comm), _)| comm).filter(|first| {
            !first.is_empty() && ranked.iter().all(|((_, comm), _)| comm == *first)
        });
        let askers = match (ranked.len(), one_name) {
            (0, _) => "an unknown process".to_owned(),
            (1..=ASKERS_SHOWN, _) => shown.join(" and "),
            // A script that starts a program for each lookup: their numbers say
            // nothing.
            (n, Some(comm)) => {
                let comm = units::shorten(comm, COMM_MAX);
                format!("{} processes named {comm}", units::count(n as u64))
            }
            (n, None) => format!(
                "{} and {} more",
                shown.join(", "),
                units::count((n - ASKERS_SHOWN) as u64)
            ),
        };
        match self.main_workload() {
            Some(whom) => format!("{askers} of {}", shown_whom(&whom)),
            None => askers,
        }
    }

    /// A process that asked, if it is known: it is as the client is.
    pub(super) fn asker_pid(&self) -> Option<u32> {
        self.ranked_askers().first().and_then(|((pid, _), _)| *pid)
    }

    pub(super) fn ranked_askers(&self) -> Vec<((Option<u32>, String), u64)> {
        let mut askers: BTreeMap<(Option<u32>, String), u64> = BTreeMap::new();
        for case in self.cases() {
            let owner = &case.attempt.owner;
            *askers
                .entry((owner.pid, owner.comm.to_string()))
                .or_default() += case.weight;
        }
        let mut ranked: Vec<_> = askers.into_iter().collect();
        ranked.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        ranked
    }

    /// `Asked for: a.example. (A), b.example. (AAAA) and 17 more questions.`
    pub(super) fn examples(&self) -> Option<String> {
        let mut questions: HashMap<String, u64> = HashMap::new();
        for case in self.cases() {
            if let Some(question) = case.attempt.question.parse() {
                let name = units::shorten(&question.name, NAME_MAX);
                let text = format!("{name} {}", names::rtype(question.rtype));
                *questions.entry(text).or_default() += case.weight;
            }
        }
        let mut ranked: Vec<_> = questions.into_iter().collect();
        ranked.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
        let shown: Vec<_> = ranked
            .iter()
            .take(EXAMPLES)
            .map(|(text, _)| text.as_str())
            .collect();
        match ranked.len().saturating_sub(EXAMPLES) {
            _ if shown.is_empty() => None,
            0 => Some(format!("Asked for: {}.", shown.join(", "))),
            more => Some(format!(
                "Asked for: {} and {} more.",
                shown.join(", "),
                units::count(more as u64)
            )),
        }
    }

    /// The one server, or the number of them.
    pub(in crate::doctor) fn server(&self) -> String {
        let servers = self.servers();
        match (&servers[..], self.place.server) {
            ([one], _) => one.to_string(),
            (_, Some(server)) if self.others == 0 => server.to_string(),
            (many, _) => units::counted(many.len() as u64, "server", "servers"),
        }
    }

    /// The server, if it is one.
    pub(in crate::doctor) fn only_server(&self) -> Option<SocketAddr> {
        match &self.servers()[..] {
            [one] => Some(*one),
            _ => self.place.server.filter(|_| self.others == 0),
        }
    }

    fn servers(&self) -> Vec<SocketAddr> {
        let mut servers: Vec<_> = self.cases().map(Case::server).collect();
        servers.sort_unstable();
        servers.dedup();
        servers
    }

    /// What those who have these cases asked this server, whatever came of it.
    pub(super) fn asked(&self) -> Asked {
        let mut total = Asked::default();
        let Some(server) = self.place.server else {
            return total;
        };
        for netns in self.namespaces() {
            total.absorb(&self.evidence.tallies.asked(netns, server));
        }
        total
    }

    /// Network namespaces that the cases come from.
    pub(super) fn namespaces(&self) -> Vec<u32> {
        let mut all: Vec<_> = self.cases().map(|case| case.attempt.owner.netns).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// How the server on this host saw the cases, where it did.
    pub(super) fn views(&self) -> impl Iterator<Item = &'a ServerView> {
        let evidence = self.evidence;
        self.cases().filter_map(|case| evidence.view_of(case))
    }

    /// Whether some namespace, other than those that had successes too, has
    /// nothing but these: everything that it asks goes wrong.
    pub(super) fn takes_all_of_a_namespace(&self) -> bool {
        let mut by_netns: HashMap<u32, u64> = HashMap::new();
        for case in self.cases().filter(|case| case.has_failed()) {
            *by_netns.entry(case.attempt.owner.netns).or_default() += case.weight;
        }
        let tallies = &self.evidence.tallies.netns;
        by_netns.into_iter().any(|(netns, failed)| {
            let all = tallies.get(&netns).map_or(0, Tally::ended);
            netns != 0 && failed >= FAILURES_MIN && failed >= all
        })
    }

    /// Whether somebody in a namespace without these cases is answered.
    pub(super) fn others_are_answered(&self) -> bool {
        let own = self.namespaces();
        let tallies = &self.evidence.tallies.netns;
        tallies
            .iter()
            .any(|(netns, tally)| tally.answered > 0 && !own.contains(netns))
    }

    /// One process, if nearly all cases are its own.
    fn main_asker(&self) -> Option<(Option<u32>, String)> {
        let ranked = self.ranked_askers();
        let (asker, weight) = ranked.into_iter().next()?;
        (weight * 100 >= self.queries() * CONCENTRATED_PERCENT).then_some(asker)
    }

    /// `curl (pid 4242): 120 queries`; rather a client than a resolver that asks
    /// for others.
    pub(super) fn hit_hardest(&self) -> Option<String> {
        let ranked = self.ranked_askers();
        let resolvers = &self.evidence.resolvers;
        let is_client = |pid: Option<u32>| pid.is_none_or(|pid| !resolvers.contains(&pid));
        let mut workloads: BTreeMap<Whom, u64> = BTreeMap::new();
        for case in self.cases() {
            if is_client(case.attempt.owner.pid) {
                *workloads.entry(Whom::made(&case.attempt)).or_default() += case.weight;
            }
        }
        let hit = workloads.into_iter().max_by_key(|(_, weight)| *weight);
        if let Some((whom, weight)) = hit.filter(|(whom, _)| !matches!(whom, Whom::Process(..))) {
            let queries = units::counted(weight, "query", "queries");
            return Some(format!("{}: {queries}", shown_whom(&whom)));
        }
        let client = ranked.iter().find(|((pid, _), _)| is_client(*pid));
        let ((pid, comm), weight) = client.or(ranked.first())?;
        Some(format!(
            "{}: {}",
            process(*pid, comm),
            units::counted(*weight, "query", "queries")
        ))
    }

    /// One pod, container or unit, if nearly all cases are its own.
    fn main_workload(&self) -> Option<Whom> {
        let mut workloads: BTreeMap<Whom, u64> = BTreeMap::new();
        for case in self.cases() {
            if let Some(whom) = case.attempt.workload.as_deref().and_then(Whom::of) {
                *workloads.entry(whom).or_default() += case.weight;
            }
        }
        let (whom, weight) = workloads.into_iter().max_by_key(|(_, weight)| *weight)?;
        (weight * 100 >= self.queries() * CONCENTRATED_PERCENT).then_some(whom)
    }

    /// The `scope` of the finding.
    pub(super) fn subject(&self) -> Subject {
        let (pid, comm) = self.main_asker().unwrap_or_default();
        Subject {
            role: "client",
            pid,
            comm: Some(comm).filter(|comm| !comm.is_empty()),
            server: self.only_server().map(|server| SubjectServer {
                ip: server.ip(),
                port: server.port(),
            }),
            netns: self.place.netns,
            workload: self.main_workload(),
        }
    }

    /// What failed only because of this.
    pub(super) fn symptoms_told(&self) -> Option<String> {
        let symptoms: u64 = self.symptoms.iter().map(|case| case.weight).sum();
        (symptoms > 0).then(|| {
            let asked = self.symptoms.first().map(|case| case.server());
            format!(
                "{} to the resolver {}went wrong only because of this: it could not ask further.",
                units::counted(symptoms, "query", "queries"),
                asked.map(|server| format!("{server} ")).unwrap_or_default()
            )
        })
    }

    /// `this host's own network namespace`, `network namespace 4026532001 (pod of …)`
    pub(super) fn netns_told(&self, netns: u32) -> String {
        match self.evidence.inhabitant(netns) {
            _ if netns == 0 => "a network namespace that is not known".to_owned(),
            _ if self.evidence.own_netns == Some(netns) => {
                "the host's network namespace".to_owned()
            }
            Some(pid) => format!("network namespace {netns} (of pid {pid})"),
            None => format!("network namespace {netns}"),
        }
    }

    /// What would have told more, had it been there.
    pub(super) fn missing_signals(&self) -> Vec<String> {
        self.evidence
            .unseen
            .iter()
            .take(3)
            .map(|sentence| format!("Not visible here: {sentence}"))
            .collect()
    }
}

/// `pod shop/web-1`
fn shown_whom(whom: &Whom) -> String {
    units::shorten(&whom.to_string(), WHOM_MAX)
}

/// `curl (pid 4242)`
fn process(pid: Option<u32>, comm: &str) -> String {
    let comm = units::shorten(comm, COMM_MAX);
    match pid {
        Some(pid) if comm.is_empty() => format!("pid {pid}"),
        Some(pid) => format!("{comm} (pid {pid})"),
        None => "an unknown process".to_owned(),
    }
}
