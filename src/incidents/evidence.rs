//! What is known when the window is over, each incident joined with what belongs to it.

use std::collections::HashMap;
use std::collections::HashSet;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use domain::base::iana::OptRcode;
use domain::base::iana::Rtype;

use super::answers::Answers;
use super::arrivals::Arrivals;
use super::away::AwayServers;
use super::costs::SearchCosts;
use super::dead_ends::DeadEnds;
use super::in_flight::InFlightLimits;
use super::incident::FailureKind;
use super::incident::Incident;
use super::loops::Loops;
use super::outages::Outages;
use super::overflows::Overflows;
use super::oversized::OversizedAnswers;
use super::own_time::OwnTime;
use super::processes::ProcessTally;
use super::rates::RateLimit;
use super::reading::Reading;
use super::rejections;
use super::rejections::Rejections;
use super::replicas::Replicas;
use super::resends::Resends;
use super::separated::Separated;
use super::server_view::Index;
use super::server_view::ServerView;
use super::slowness::Slowness;
use super::tallies::Tallies;
use super::turned_away::TurnedAway;
use super::waiting::Waiting;
use crate::attempt::Attempt;
use crate::attempt::Fingerprint;
use crate::attempt::SlowRead;
use crate::host::Clock;
use crate::monitor::OnDemand;
use crate::sampler::CLibrary;
use crate::sampler::HostSample;
use crate::thresholds::FAILURES_MIN;

/// Everything that is known when the window is over. Plain data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// What went wrong, of the client role, in the order of its end.
    pub incidents: Vec<Incident>,
    /// Exchanges of the server role that went otherwise than well, or that something depends
    /// on, in the order in which they came.
    pub server_views: Vec<ServerView>,
    /// How many there were.
    pub arrivals: Arrivals,
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
    /// Servers elsewhere that have refused queries, and answered none, by network namespace of
    /// who asks.
    pub refusing: HashSet<(u32, SocketAddr)>,
    /// By network namespace of the clients and server: when the last query was sent that
    /// was answered, in nanoseconds of `CLOCK_MONOTONIC`, to a tenth of a second.
    pub last_answers: HashMap<(u32, IpAddr), u64>,
    /// What time it was; `None` if nobody asks.
    pub clock: Option<Clock>,
    /// What a firewall rejected.
    pub rejections: Rejections,
    /// What TCP sent again.
    pub resends: Resends,
    /// What servers elsewhere took long for.
    pub slowness: Slowness,
    /// What servers on this host take without a queue in front of them.
    pub own_time: OwnTime,
    /// How far servers of this host have read.
    pub reading: Reading,
    /// Queries of other hosts that no server here saw.
    pub turned_away: Vec<TurnedAway>,
    /// Servers that were killed.
    pub outages: Outages,
    /// How all client attempts ended.
    pub tallies: Tallies,
    /// What servers said about each question, as far as it is reported.
    pub answers: Answers,
    /// Servers that answer so many a second and no more, by namespace of their clients.
    pub rate_limits: HashMap<(u32, SocketAddr), RateLimit>,
    /// Servers that take so many queries at once and no more.
    pub in_flight: InFlightLimits,
    /// Servers whose large answers never come, or are cut short.
    pub oversized: OversizedAnswers,
    /// Servers behind one address of which some do not answer.
    pub replicas: Replicas,
    /// Servers elsewhere that were silent for a time.
    pub away: AwayServers,
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
    pub(super) fn join(&mut self) {
        let index = Index::new(&self.server_views);
        for incident in &mut self.incidents {
            incident.server_view = index.view_of(&self.server_views, &incident.attempt);
        }
        self.slowness = Slowness::of(&self.incidents);
        self.own_time = OwnTime::of(&self.server_views);
        self.reading = Reading::of(&self.server_views);
        let closed = self.incidents.iter().filter_map(|incident| {
            let drop = incident.query_lost()?;
            incident
                .found_no_socket()
                .then_some((drop.netns, incident.server()))
        });
        self.closed_ports = closed.collect();
        let refused = self.incidents.iter().filter(|incident| {
            incident.errno() == Some(libc::ECONNREFUSED)
                && incident.attempt.failed_call.is_none()
                && incident.query_lost().is_none()
        });
        self.refusing = refused
            .map(|incident| (incident.attempt.owner.netns, incident.server()))
            .filter(|(netns, server)| self.tallies.asked(*netns, *server).all.answered == 0)
            .collect();
        self.rejections = Rejections::of(&self.incidents, &self.host);
        self.resends = Resends::of(&self.incidents, &self.host);
        for (place, earlier) in rejections::pending_errors(&self.incidents) {
            self.incidents[place].error_of = Some(earlier);
        }
        self.overflows = Overflows::of(&self.incidents, &self.server_views);
        // A resolver's own queries, by namespace and question.
        let mut asked: HashMap<(u32, Fingerprint), Vec<usize>> = HashMap::new();
        for (place, incident) in self.incidents.iter().enumerate() {
            if let Some(question) = incident.attempt.question.fingerprint() {
                asked
                    .entry((incident.attempt.owner.netns, question))
                    .or_default()
                    .push(place);
            }
        }
        let cut_off = self.cut_off_resolvers();
        for place in 0..self.incidents.len() {
            let upstream = self.upstream_of(place, &asked);
            let upstream = upstream.or_else(|| self.upstream_of_all(place, &cut_off));
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
    pub(super) fn join_dead_ends(&mut self, dead_ends: &DeadEnds) {
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

    /// Resolvers of which all that they asked themselves failed, and what that was, in the
    /// order in which it was sent.
    fn cut_off_resolvers(&self) -> HashMap<u32, Vec<usize>> {
        let processes = self.tallies.processes.iter();
        let is_cut_off = |(pid, it): &(u32, &ProcessTally)| {
            self.resolvers.contains(pid)
                && it.tally.answered == 0
                && it.tally.failed >= FAILURES_MIN
        };
        let mut cut_off: HashMap<u32, Vec<usize>> = processes
            .filter(is_cut_off)
            .map(|(pid, _)| (pid, Vec::new()))
            .collect();
        for (place, incident) in self.incidents.iter().enumerate() {
            let own = incident
                .attempt
                .owner
                .pid
                .and_then(|pid| cut_off.get_mut(&pid));
            own.into_iter().for_each(|own| own.push(place));
        }
        let sent_ns = |place: &usize| self.incidents[*place].attempt.sent_ns;
        cut_off
            .values_mut()
            .for_each(|own| own.sort_unstable_by_key(sent_ns));
        cut_off
    }

    /// Where a resolver gets no answer at all, it may ask for something else first (the root
    /// servers, a part of the name): then it is what it asked while it had the query.
    fn upstream_of_all(&self, place: usize, cut_off: &HashMap<u32, Vec<usize>>) -> Option<usize> {
        let incident = &self.incidents[place];
        let is_error = incident.rcode() == Some(OptRcode::SERVFAIL);
        let view = self.server_views.get(incident.server_view?)?;
        let own = cut_off.get(
            &view
                .owner
                .pid
                .filter(|_| incident.has_failed() || is_error)?,
        )?;
        let until = own.partition_point(|it| self.incidents[*it].attempt.sent_ns < view.ended_ns);
        let last = *own.get(until.checked_sub(1)?)?;
        let attempt = &self.incidents[last].attempt;
        let is_meanwhile = attempt.end_ns > view.arrived_ns && attempt.peer != view.local;
        (is_meanwhile && last != place).then_some(last)
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

    /// Whether the program's lookup fails by an error answer to one type of address, whatever is
    /// answered to the other: musl's does (`name_from_dns` in src/network/lookup_name.c).
    pub(super) fn lacks_a_family(&self, incident: &Incident) -> bool {
        let client = incident.attempt.owner.pid;
        let client = client.and_then(|pid| self.host.clients.get(&pid));
        let is_address = |rtype| matches!(rtype, Rtype::A | Rtype::AAAA);
        incident.kind == FailureKind::ErrorAnswer
            && client.is_some_and(|it| it.c_library == Some(CLibrary::Musl))
            && self
                .tallies
                .errs_by_type(&incident.attempt)
                .is_some_and(|it| is_address(it.rtype))
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
