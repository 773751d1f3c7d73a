//! Collects the incidents while the doctor watches, in bounded memory.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::answers::Answers;
use super::arrivals::Arrivals;
use super::away::AwayServers;
use super::costs::Costs;
use super::dead_ends::DeadEnds;
use super::evidence::Evidence;
use super::in_flight::InFlightLimits;
use super::incident::FailureKind;
use super::incident::Incident;
use super::likeness::Likeness;
use super::outages::Outages;
use super::oversized::OversizedAnswers;
use super::replicas::Replicas;
use super::separated::Separated;
use super::server_view::ServerView;
use super::server_views::ServerViews;
use super::serving::Serving;
use super::side_tries;
use super::tallies::Tallies;
use super::turned_away::TurnedAways;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Plain;
use crate::attempt::PlainQuestions;
use crate::attempt::Role;
use crate::attempt::SlowRead;
use crate::attempt::identity::IdentityTable;
use crate::lookup::AttemptKey;
use crate::lookup::Lookup;
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

/// Who waits for an answer has an id that it will have.
fn waiting_key(attempt: &Attempt) -> Option<AttemptKey> {
    attempt.id.map(|_| AttemptKey::of(attempt))
}

/// Takes attempts as they end.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default)]
pub struct Incidents {
    incidents: Vec<Incident>,
    /// Where an incident is that stands for those like it; made when room is short.
    #[borsh(skip)]
    alike: HashMap<Likeness, usize>,
    /// Unanswered ones, for the answer that comes late: socket, id, sent when.
    waiting: HashMap<AttemptKey, usize>,
    views: ServerViews,
    arrivals: Arrivals,
    tallies: Tallies,
    serving: Serving,
    /// Of attempts that are reported.
    answers: Answers,
    dead_ends: DeadEnds,
    turned_away: TurnedAways,
    /// The latest answers: socket, id, and whether their attempt is reported.
    #[borsh(skip)]
    answered: VecDeque<(u64, u16, bool)>,
    slow_reads: Vec<SlowRead>,
    slow_reads_left_out: u64,
    /// Failed attempts beyond every bound, by whether they are reported.
    not_kept: u64,
    /// Answered late, and given up on before this window.
    late: Vec<Attempt>,
    costs: Costs,
}

impl Incidents {
    /// Takes an attempt of either role; `reported` says whether it passed the
    /// filters. Cheap for one that went well. Returns whether it is an incident.
    pub fn record(&mut self, attempt: &Attempt, reported: bool) -> bool {
        let question = attempt.question.fingerprint();
        if reported {
            self.answers.record(attempt, question);
        }
        if attempt.role == Role::Server {
            if let Some(view) = ServerView::of(attempt) {
                self.arrivals.record(&view);
                self.views.add(view);
            }
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
        match plain.example.role {
            Role::Server => {
                self.arrivals.count(plain);
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

    /// Takes what was asked in attempts that were counted together.
    pub fn ask(&mut self, asked: &PlainQuestions) {
        self.answers.count(asked);
        if asked.role == Role::Client {
            self.tallies.ask(asked);
        }
    }

    /// Takes a lookup that is over, if it passed the filters.
    pub fn record_lookup(&mut self, lookup: &Lookup) {
        self.costs.record(lookup);
    }

    /// Takes a query that no server saw, if it passed the filters.
    pub fn record_turned_away(&mut self, query: &Attempt) {
        self.turned_away.record(query);
    }

    /// Counts answers that came when another server had answered the same, by network
    /// namespace of who asked, and server.
    pub fn record_came_second(&mut self, way: (u32, SocketAddr), number: u64) {
        self.tallies.record_came_second(way, number);
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

    /// Begins the window after this one, which took so long: what spans both goes on in it,
    /// and what is long over does not.
    pub fn next(&mut self, took: Duration) -> Self {
        let begin_ns = self.tallies.end_ns(took);
        Self {
            views: self.views.settle(&self.incidents),
            tallies: self.tallies.next(begin_ns),
            serving: self.serving.next(begin_ns),
            dead_ends: self.dead_ends.next(begin_ns),
            answered: self.answered.clone(),
            ..Self::default()
        }
    }

    /// Gives back what only a window that goes on needs.
    pub fn shrink(&mut self) {
        self.answered = VecDeque::new();
        self.alike = HashMap::new();
        self.incidents.shrink_to_fit();
        self.slow_reads.shrink_to_fit();
        self.views.shrink();
    }

    /// What it takes, in octets, about: the tables that grow most, and a fixed sum for the
    /// others.
    pub fn octets(&self) -> usize {
        const OTHERS: usize = 16 * 1024;
        OTHERS
            + self.incidents.capacity() * size_of::<Incident>()
            + self.late.capacity() * size_of::<Attempt>()
            + self.slow_reads.capacity() * size_of::<SlowRead>()
            + self.waiting.capacity() * size_of::<(AttemptKey, usize)>()
            + self.views.octets()
            + self.arrivals.octets()
            + self.tallies.octets()
            + self.answers.octets()
    }

    /// Adds what was seen in the window that was begun by [`Self::next`].
    /// What both have is not copied, and that is nearly all of the larger tables.
    pub fn follow(&mut self, next: &Self) {
        for attempt in &next.late {
            self.add(attempt, FailureKind::Failed, false);
        }
        let incidents = next.incidents.iter();
        incidents.for_each(|it| self.push(it.clone()));
        self.views.follow(&next.views, &self.incidents);
        self.arrivals.follow(&next.arrivals);
        self.dead_ends
            .follow(next.dead_ends.clone(), next.tallies.begin_ns());
        self.tallies.follow(&next.tallies);
        self.serving.follow(next.serving.clone());
        self.answers.follow(&next.answers);
        self.turned_away.follow(next.turned_away.clone());
        self.answered.clone_from(&next.answered);
        self.slow_reads_left_out += next.slow_reads_left_out;
        next.slow_reads
            .iter()
            .for_each(|it| self.keep_slow_read(*it));
        self.not_kept += next.not_kept;
        self.costs.follow(next.costs.clone());
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

    /// Takes names of queries out of it: all, or all but those of queries that failed or
    /// were answered with an error.
    pub fn forget_names(&mut self, keep_failed: bool) {
        for incident in &mut self.incidents {
            let has_failed = matches!(
                incident.kind,
                FailureKind::Failed | FailureKind::ErrorAnswer
            );
            if !(keep_failed && has_failed) {
                incident.attempt.question.forget_name();
            }
        }
        if !keep_failed {
            let late = self.late.iter_mut();
            late.for_each(|attempt| attempt.question.forget_name());
            self.turned_away.forget_names();
        }
        self.answers.forget_names();
        self.tallies.processes.forget_names();
    }

    /// Puts together what belongs together. `unseen` has what this kernel does
    /// not tell.
    pub fn close(mut self, host: HostSample, window: Duration, unseen: Vec<String>) -> Evidence {
        let _next = self.views.settle(&self.incidents);
        let (server_views, forgotten) = self.views.into_views(&host.listeners);
        let left_out = [
            (forgotten, "exchanges of servers were not kept"),
            (self.slow_reads_left_out, "slow reads were not kept"),
            (
                self.arrivals.left_out,
                "exchanges of servers were not counted",
            ),
            (self.tallies.left_out, "attempts were not compared"),
            (
                self.answers.left_out,
                "answers were not compared with others",
            ),
            (
                self.tallies.traits.left_out,
                "attempts were not compared by what they have",
            ),
            (
                self.tallies.sizes.left_out,
                "attempts were not compared by the size of their answers",
            ),
            (
                self.turned_away.left_out,
                "queries that no server saw were not kept",
            ),
            (host.not_looked_at, "attempts were of processes not seen"),
        ];
        for (number, what) in left_out.into_iter().filter(|(number, _)| *number > 0) {
            log::info!("{number} {what}: there were too many");
        }
        host.missing.iter().for_each(|it| log::info!("{it}"));
        let mut incidents = self.incidents;
        let search_costs = self.costs.search.clone();
        let turned_away = self.turned_away.close(&incidents, &host);
        let mut evidence = Evidence {
            lost_elsewhere_ns: self.costs.give(&mut incidents),
            search_costs,
            incidents,
            resolvers: server_views
                .iter()
                .filter_map(|view| view.owner.pid)
                .chain(self.arrivals.processes().map(|(pid, _)| pid))
                .collect(),
            server_views,
            turned_away,
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
        let (sizes, traits) = (&evidence.tallies.sizes, &evidence.tallies.traits);
        evidence.oversized = OversizedAnswers::of(sizes, traits);
        let here = evidence.tallies.served_addresses();
        evidence.separated = Separated::of(&evidence.tallies, &self.arrivals, &here);
        evidence.arrivals = self.arrivals;
        evidence.join();
        evidence.join_dead_ends(&self.dead_ends);
        evidence.in_flight = InFlightLimits::of(&evidence.incidents, &here);
        evidence.replicas = Replicas::of(&evidence.host.flows);
        evidence.away = AwayServers::of(&evidence.tallies.rates, &evidence.incidents);
        let mut incidents = std::mem::take(&mut evidence.incidents);
        let served = (&evidence.server_views[..], &evidence.arrivals);
        side_tries::mark(&mut incidents, served, |it| evidence.lacks_a_family(it));
        evidence.incidents = incidents;
        evidence
    }
}

#[cfg(test)]
mod tests;
