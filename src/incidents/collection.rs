//! Collects the incidents while the doctor watches, in bounded memory.

use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use super::answers::Answers;
use super::costs::Costs;
use super::costs::SearchCosts;
use super::dead_ends::DeadEnds;
use super::incident::FailureKind;
use super::incident::Incident;
use super::likeness::Likeness;
use super::loops::Loops;
use super::outages::Outages;
use super::overflows::Overflows;
use super::rates::RateLimit;
use super::rejections;
use super::rejections::Rejections;
use super::resends::Resends;
use super::server_view::Index;
use super::server_view::ServerView;
use super::server_view::ServerViews;
use super::serving::Serving;
use super::side_tries;
use super::tallies::BothFamilies;
use super::tallies::Tallies;
use super::traits::Separated;
use super::waiting::Waiting;
use crate::attempt::Attempt;
use crate::attempt::Fingerprint;
use crate::attempt::Outcome;
use crate::attempt::Plain;
use crate::attempt::Role;
use crate::attempt::SlowRead;
use crate::attempt::identity::IdentityTable;
use crate::host::Clock;
use crate::lookup::Lookup;
use crate::monitor::OnDemand;
use crate::sampler::HostSample;

/// Incidents that are kept one by one, about 400 bytes each: 6 MB. Further ones are
/// counted with one that is like them.
pub const INCIDENTS_MAX: usize = 16_384;
/// Cases unlike all others that still find room beyond that.
const UNLIKE_MAX: usize = 1_024;
/// Slow reads that are kept, about 80 bytes each.
const READS_MAX: usize = 8_192;
/// Answers that may still be read late; a read tells its socket and its id only.
const ANSWERED_MAX: usize = 8_192;
/// Late answers to queries of the window before, about 400 bytes each.
const LATE_MAX: usize = 1_024;

/// An attempt, by its socket, id and when it was sent.
type AttemptKey = (u64, u16, u64);

fn waiting_key(attempt: &Attempt) -> Option<AttemptKey> {
    Some((attempt.cookie, attempt.id?, attempt.sent_ns))
}

/// Takes attempts as they end.
#[derive(Clone, Debug, Default)]
pub struct Incidents {
    incidents: Vec<Incident>,
    /// Where an incident is that stands for those like it; made when room is short.
    alike: HashMap<Likeness, usize>,
    /// Unanswered ones, for the answer that comes late: socket, id, sent when.
    waiting: HashMap<AttemptKey, usize>,
    views: ServerViews,
    tallies: Tallies,
    serving: Serving,
    /// Of attempts that are reported.
    answers: Answers,
    dead_ends: DeadEnds,
    /// The latest answers: socket, id, and whether their attempt is reported.
    answered: VecDeque<(u64, u16, bool)>,
    slow_reads: Vec<SlowRead>,
    slow_reads_left_out: u64,
    /// Failed attempts beyond every bound, by whether they are reported.
    not_kept: u64,
    /// Answered late, and given up on before this window.
    late: Vec<Attempt>,
    costs: Costs,
}

/// Everything that is known when the window is over. Plain data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// What went wrong, of the client role, in the order of its end.
    pub incidents: Vec<Incident>,
    /// The latest exchanges of the server role.
    pub server_views: Vec<ServerView>,
    /// Processes that answered some of them.
    pub resolvers: HashSet<u32>,
    /// Sockets of servers that had no room.
    pub overflows: Overflows,
    /// Resolvers that ask each other.
    pub loops: Loops,
    /// What resolvers on this host asked in vain.
    pub waiting: Waiting,
    /// Network namespace and address of servers where queries found no socket.
    pub closed_ports: HashSet<(u32, SocketAddr)>,
    /// By network namespace of the clients and server: when the last query was sent that
    /// was answered, in nanoseconds of `CLOCK_MONOTONIC`, to a tenth of a second.
    pub last_answers: HashMap<(u32, IpAddr), u64>,
    /// What time it was; `None` if nobody asks.
    pub clock: Option<Clock>,
    /// What a firewall rejected.
    pub rejections: Rejections,
    /// What TCP sent again.
    pub resends: Resends,
    /// Servers that were killed.
    pub outages: Outages,
    /// How all client attempts ended.
    pub tallies: Tallies,
    /// What servers said about each question, as far as it is reported.
    pub answers: Answers,
    /// Servers that answer so many a second and no more, by namespace of their clients.
    pub rate_limits: HashMap<(u32, SocketAddr), RateLimit>,
    /// What sets apart those that failed.
    pub separated: Separated,
    /// Answers that lay unread, of those that passed the filters.
    pub slow_reads: Vec<SlowRead>,
    /// Failed attempts of which nothing but the number was kept.
    pub not_kept: u64,
    /// Failed attempts that must have been discarded on this host, as others like
    /// them, though the kernel did not tell of it.
    pub drops_unseen: u64,
    /// What the host's own counters say.
    pub host: HostSample,
    /// How long was watched.
    pub window: Duration,
    /// What could not be seen here and what it would have told, as sentences.
    pub unseen: Vec<String>,
    /// How long of it reads and sends were looked at, if not all the time.
    pub on_demand: Option<OnDemand>,
    /// Time that lookups lost with their search lists.
    pub search_costs: SearchCosts,
    /// Time that lookups lost by what is no incident any more: there were too many.
    pub lost_elsewhere_ns: u64,
}

impl Incidents {
    /// Takes an attempt of either role; `reported` says whether it passed the
    /// filters. Cheap for one that went well. Returns whether it is an incident.
    pub fn record(&mut self, attempt: &Attempt, reported: bool) -> bool {
        let question = Fingerprint::of(attempt.question.as_bytes());
        if reported {
            self.answers.record(attempt, question);
        }
        if attempt.role == Role::Server {
            self.views.add(attempt);
            self.tallies.record_served(attempt);
            self.serving.record(attempt);
            return false;
        }
        self.tallies.record(attempt, question);
        self.dead_ends.record(attempt);
        if let (Outcome::Answered, Some(id)) = (attempt.outcome, attempt.id) {
            if self.answered.len() == ANSWERED_MAX {
                self.answered.pop_front();
            }
            self.answered.push_back((attempt.cookie, id, reported));
        }
        let kind = FailureKind::of(attempt);
        if let Some(kind) = kind {
            self.add(attempt, kind, reported);
        }
        kind.is_some()
    }

    /// Takes attempts that were counted together.
    pub fn count(&mut self, plain: &Plain) {
        self.answers.count(plain);
        match plain.example.role {
            Role::Server => {
                self.views.count(plain);
                self.tallies.count_served(plain);
                self.serving.count(plain);
            }
            Role::Client => {
                self.tallies.count(plain);
                self.dead_ends.count(plain);
                self.costs.count(plain);
            }
        }
    }

    /// Takes a lookup that is over, if it passed the filters.
    pub fn record_lookup(&mut self, lookup: &Lookup) {
        self.costs.record(lookup);
    }

    /// Takes an answer that lay unread, if its attempt passed the filters.
    pub fn record_slow_read(&mut self, read: &SlowRead, are_all_wanted: bool) {
        if are_all_wanted {
            return self.keep_slow_read(*read);
        }
        let answer = self
            .answered
            .iter()
            .rfind(|(cookie, id, _)| (*cookie, *id) == (read.cookie, read.id));
        match answer {
            Some((_, _, false)) => {}
            Some(_) => self.keep_slow_read(*read),
            None => self.slow_reads_left_out += 1,
        }
    }

    fn keep_slow_read(&mut self, read: SlowRead) {
        match self.slow_reads.len() < READS_MAX {
            true => self.slow_reads.push(read),
            false => self.slow_reads_left_out += 1,
        }
    }

    fn add(&mut self, attempt: &Attempt, kind: FailureKind, reported: bool) {
        let key = waiting_key(attempt);
        if attempt.outcome == Outcome::Late {
            // It was an incident already, and is no second one.
            let place = key.and_then(|key| self.waiting.remove(&key));
            if let Some(incident) = place.and_then(|place| self.incidents.get_mut(place)) {
                incident.attempt = attempt.clone();
            } else if self.late.len() < LATE_MAX {
                self.late.push(attempt.clone());
            }
            return;
        }
        self.push(Incident::new(attempt.clone(), kind, reported));
    }

    fn push(&mut self, incident: Incident) {
        if self.incidents.len() >= INCIDENTS_MAX {
            self.add_alike(incident);
            return;
        }
        if incident.attempt.outcome == Outcome::Unanswered
            && let Some(key) = waiting_key(&incident.attempt)
        {
            self.waiting.insert(key, self.incidents.len());
        }
        self.incidents.push(incident);
    }

    fn add_alike(&mut self, incident: Incident) {
        if self.alike.is_empty() {
            let all = self.incidents.iter().enumerate();
            self.alike = all.map(|(place, it)| (Likeness::of(it), place)).collect();
        }
        let likeness = Likeness::of(&incident);
        let place = self.alike.get(&likeness).copied();
        if let Some(like) = place.and_then(|place| self.incidents.get_mut(place)) {
            like.weight += incident.weight;
        } else if self.incidents.len() < INCIDENTS_MAX + UNLIKE_MAX {
            self.alike.insert(likeness, self.incidents.len());
            self.incidents.push(incident);
        } else if incident.reported && incident.kind == FailureKind::Failed {
            self.not_kept += incident.weight;
        }
    }

    /// Begins the next window: what spans both goes on in it.
    pub fn next(&self) -> Self {
        Self {
            tallies: self.tallies.next(),
            serving: self.serving.clone(),
            dead_ends: self.dead_ends.clone(),
            answered: self.answered.clone(),
            ..Self::default()
        }
    }

    /// Adds what was seen in the window that was begun by [`Self::next`].
    pub fn follow(&mut self, next: Self) {
        for attempt in next.late {
            self.add(&attempt, FailureKind::Failed, false);
        }
        next.incidents.into_iter().for_each(|it| self.push(it));
        self.views.follow(next.views);
        self.tallies.follow(next.tallies);
        self.serving.follow(next.serving);
        self.answers.follow(next.answers);
        self.dead_ends = next.dead_ends;
        self.answered = next.answered;
        self.slow_reads_left_out += next.slow_reads_left_out;
        next.slow_reads
            .into_iter()
            .for_each(|it| self.keep_slow_read(it));
        self.not_kept += next.not_kept;
        self.costs.follow(next.costs);
    }

    /// Takes over what is known of workloads in the end.
    pub fn learn(&mut self, known: &IdentityTable) {
        for incident in &mut self.incidents {
            known.update(&mut incident.attempt.workload);
        }
        self.views.learn(known);
        self.costs.search.learn(known);
        self.tallies.processes.learn(known);
    }

    /// Puts together what belongs together. `unseen` has what this kernel does
    /// not tell.
    pub fn close(self, host: HostSample, window: Duration, unseen: Vec<String>) -> Evidence {
        let (server_views, forgotten) = self.views.into_views(&host.listeners);
        let left_out = [
            (forgotten, "exchanges of servers were not kept"),
            (self.slow_reads_left_out, "slow reads were not kept"),
            (self.tallies.left_out, "attempts were not compared"),
            (
                self.answers.left_out,
                "answers were not compared with others",
            ),
            (
                self.tallies.traits.left_out,
                "attempts were not compared by what they have",
            ),
            (host.not_looked_at, "attempts were of processes not seen"),
        ];
        for (number, what) in left_out.into_iter().filter(|(number, _)| *number > 0) {
            log::info!("{number} {what}: there were too many");
        }
        host.missing.iter().for_each(|it| log::info!("{it}"));
        let mut incidents = self.incidents;
        let search_costs = self.costs.search.clone();
        let mut evidence = Evidence {
            lost_elsewhere_ns: self.costs.give(&mut incidents),
            search_costs,
            incidents,
            resolvers: server_views
                .iter()
                .filter_map(|view| view.owner.pid)
                .collect(),
            server_views,
            outages: Outages::of(&host, &self.serving),
            tallies: self.tallies,
            answers: self.answers,
            slow_reads: self.slow_reads,
            not_kept: self.not_kept,
            host,
            window,
            unseen,
            ..Evidence::default()
        };
        evidence.rate_limits = evidence.tallies.rates.limits();
        evidence.separated = Separated::of(&evidence.tallies.traits, &evidence.server_views);
        evidence.join();
        evidence.join_dead_ends(&self.dead_ends);
        side_tries::mark(&mut evidence.incidents, &evidence.server_views);
        evidence
    }
}

impl Evidence {
    /// The share of the time in which something was looked at, 0 to 1.
    pub fn share_looked_at(&self, what: impl Fn(&OnDemand) -> Duration) -> f64 {
        match &self.on_demand {
            Some(on_demand) if !self.window.is_zero() => {
                what(on_demand).div_duration_f64(self.window).min(1.0)
            }
            _ => 1.0,
        }
    }

    /// Joins the incidents with the servers' views, and those with what the server
    /// itself asked meanwhile.
    fn join(&mut self) {
        let index = Index::new(&self.server_views);
        for incident in &mut self.incidents {
            incident.server_view = index.view_of(&self.server_views, &incident.attempt);
        }
        let closed = self.incidents.iter().filter_map(|incident| {
            let drop = incident.query_lost()?;
            incident
                .found_no_socket()
                .then_some((drop.netns, incident.server()))
        });
        self.closed_ports = closed.collect();
        self.rejections = Rejections::of(&self.incidents, &self.host);
        self.resends = Resends::of(&self.incidents, &self.host);
        for (place, earlier) in rejections::pending_errors(&self.incidents) {
            self.incidents[place].error_of = Some(earlier);
        }
        self.overflows = Overflows::of(&self.incidents, &self.server_views);
        // A resolver's own queries, by namespace and question.
        let mut asked: HashMap<(u32, Fingerprint), Vec<usize>> = HashMap::new();
        for (place, incident) in self.incidents.iter().enumerate() {
            if let Some(question) = Fingerprint::of(incident.attempt.question.as_bytes()) {
                asked
                    .entry((incident.attempt.owner.netns, question))
                    .or_default()
                    .push(place);
            }
        }
        for place in 0..self.incidents.len() {
            let upstream = self.upstream_of(place, &asked);
            self.incidents[place].upstream = upstream;
            if let Some(upstream) = upstream {
                self.incidents[upstream].is_upstream = true;
            }
        }
        self.mark_other_upstreams();
        self.loops = Loops::mark(&mut self.incidents, &self.server_views);
        self.waiting = Waiting::of(&self.incidents);
    }

    /// What is known of no end of its own, but of others like it.
    fn join_dead_ends(&mut self, dead_ends: &DeadEnds) {
        self.last_answers = dead_ends.last_answers().collect();
        for incident in &mut self.incidents {
            if incident.is_lost_from_sight() {
                incident.like = dead_ends.of(&incident.attempt).cloned().map(Box::new);
            }
            if incident.like.is_some() && incident.drop().is_none() {
                self.drops_unseen += incident.weight;
            }
        }
    }

    /// The query that the server sent for the same question while it worked on
    /// this one, if that went wrong too. It may have begun for another client.
    fn upstream_of(
        &self,
        place: usize,
        asked: &HashMap<(u32, Fingerprint), Vec<usize>>,
    ) -> Option<usize> {
        let view = self.server_views.get(self.incidents[place].server_view?)?;
        let candidates = asked.get(&(view.owner.netns, view.question?))?;
        let pid = view.owner.pid;
        // Another program there may have asked the same; and a program may serve itself.
        let is_served = pid.is_some() && pid != self.incidents[place].attempt.owner.pid;
        let is_its_own = |attempt: &Attempt| is_served && pid == attempt.owner.pid;
        candidates.iter().copied().find(|&other| {
            let attempt = &self.incidents[other].attempt;
            other != place
                && (attempt.peer != view.local || is_its_own(attempt))
                && attempt.sent_ns < view.ended_ns
                && attempt.end_ns > view.arrived_ns
                && (view.owner.pid.is_none() || view.owner.pid == attempt.owner.pid)
        })
    }

    /// A resolver asks for more than what it was asked (other names on the way
    /// to the answer, and again after the client has gone): all that it asks the
    /// same server in vain is the same trouble.
    fn mark_other_upstreams(&mut self) {
        let known: HashSet<_> = self
            .incidents
            .iter()
            .filter(|incident| incident.is_upstream)
            .map(|incident| (incident.attempt.owner.pid, incident.attempt.peer))
            .collect();
        for incident in &mut self.incidents {
            incident.is_upstream |=
                known.contains(&(incident.attempt.owner.pid, incident.attempt.peer));
        }
    }

    /// How the server on this host saw the exchange.
    pub fn view_of(&self, incident: &Incident) -> Option<&ServerView> {
        self.server_views.get(incident.server_view?)
    }

    /// How both address types of the incident's name fared, for all who asked.
    pub fn both_families(&self, incident: &Incident) -> Option<BothFamilies> {
        self.tallies
            .both_families(Fingerprint::of(incident.attempt.question.as_bytes())?)
    }

    /// The upstream that this resolver asked in vain so often that it may have
    /// given up asking.
    pub fn upstream_in_trouble(&self, resolver: u32) -> Option<SocketAddr> {
        let incident = self.incidents.iter().find(|incident| {
            incident.is_upstream && incident.attempt.owner.pid == Some(resolver)
        })?;
        let tally = self
            .tallies
            .asked(incident.attempt.owner.netns, incident.server())
            .all;
        (tally.failed * 2 >= tally.ended()).then(|| incident.server())
    }

    /// A living process in a network namespace, to enter it by.
    pub fn inhabitant(&self, netns: u32) -> Option<u32> {
        let mut processes = self.host.servers.iter().chain(&self.host.clients);
        let (pid, _) = processes.find(|(_, it)| !it.ended && it.netns == Some(netns))?;
        Some(*pid)
    }

    /// Whether the asker's own namespace has a route to the server, if that is known.
    pub fn has_route(&self, incident: &Incident) -> Option<bool> {
        let key = (incident.attempt.owner.netns, incident.server().ip());
        self.host.routes.get(&key).copied()
    }
}

#[cfg(test)]
mod tests;
