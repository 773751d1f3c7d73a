//! Running totals of closed windows: each is added once, as the doctor has judged it.

use std::collections::BTreeMap;

use super::bounded::Bounded;
use super::labels::Blame;
use super::labels::Server;
use super::labels::Whom;
use crate::collect::Figures;
use crate::collect::LatencyFigures;
use crate::collect::OutcomeTotals;
use crate::collect::Spread;
use crate::doctor::Rule;
use crate::report::Report;
use crate::thresholds::LATENCY_WARNING_NS;

/// Servers with series of their own.
const SERVERS_MAX: usize = 16;
/// Workloads with series of their own.
const WORKLOADS_MAX: usize = 256;
/// Workloads and causes with a series of their own.
const BLAMES_MAX: usize = 64;

/// How attempts ended. A late answer moves no count: its attempt was counted as unanswered
/// when it was given up on, perhaps in a window before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) answered: u64,
    pub(super) unanswered: u64,
    pub(super) refused: u64,
    pub(super) dropped: u64,
    pub(super) superseded: u64,
    /// Of those unanswered, how many were answered after all.
    pub(super) late_answers: u64,
}

impl Ends {
    fn of(outcomes: &OutcomeTotals) -> Self {
        Self {
            answered: outcomes.answered,
            // Late ones whose first record was in a window before are counted there.
            unanswered: (outcomes.unanswered + outcomes.late).saturating_sub(outcomes.owed),
            refused: outcomes.refused,
            dropped: outcomes.dropped,
            superseded: outcomes.superseded,
            late_answers: outcomes.late,
        }
    }

    fn add(&mut self, next: &Self) {
        self.answered += next.answered;
        self.unanswered += next.unanswered;
        self.refused += next.refused;
        self.dropped += next.dropped;
        self.superseded += next.superseded;
        self.late_answers += next.late_answers;
    }

    /// By their name; every attempt is in one of them.
    pub(super) fn by_name(&self) -> [(&'static str, u64); 5] {
        [
            ("answered", self.answered),
            ("unanswered", self.unanswered),
            ("refused", self.refused),
            ("dropped", self.dropped),
            ("superseded", self.superseded),
        ]
    }

    pub(super) fn all(&self) -> u64 {
        self.by_name().iter().map(|(_, number)| number).sum()
    }

    pub(super) fn failed(&self) -> u64 {
        self.unanswered + self.refused + self.dropped
    }
}

/// How long things took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) spread: Spread,
    pub(super) sum_ns: u64,
}

impl Times {
    fn add(&mut self, next: &Option<LatencyFigures>) {
        if let Some(next) = next {
            self.spread.absorb(&next.spread);
            self.sum_ns = self.sum_ns.saturating_add(next.sum_ns);
        }
    }
}

/// What was asked of one server, or of this host's servers.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) ends: Ends,
    pub(super) times: Times,
    pub(super) failures: BTreeMap<Rule, u64>,
}

impl Asked {
    fn add(&mut self, figures: &Figures) {
        self.ends.add(&Ends::of(&figures.outcomes));
        self.times.add(&figures.latency);
    }
}

/// What one workload asked. Each attempt is in one of the three at most: superseded ones are
/// in none.
#[derive(Clone, Debug, Default)]
pub(super) struct Askers {
    pub(super) ok: u64,
    pub(super) slow: u64,
    pub(super) failed: u64,
    pub(super) took_ns: u64,
    pub(super) lost_ns: u64,
}

impl Askers {
    fn add(&mut self, figures: &Figures) {
        let ends = Ends::of(&figures.outcomes);
        let slow = figures.slower_than(LATENCY_WARNING_NS);
        self.slow += slow;
        self.ok += ends.answered.saturating_sub(slow);
        self.failed += ends.failed();
        let took = figures.latency.as_ref().map_or(0, |it| it.sum_ns);
        self.took_ns = self.took_ns.saturating_add(took);
    }
}

/// Lookups that are over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lookups {
    pub(super) ok: u64,
    pub(super) failed: u64,
    pub(super) times: Times,
}

/// All of it since the agent began.
#[derive(Clone, Debug)]
pub(super) struct Totals {
    pub(super) servers: Bounded<Server, Asked>,
    pub(super) served: Asked,
    pub(super) client_rcodes: BTreeMap<String, u64>,
    pub(super) server_rcodes: BTreeMap<String, u64>,
    pub(super) lookups: Lookups,
    pub(super) lost_ns: BTreeMap<Rule, u64>,
    pub(super) workloads: Bounded<Whom, Askers>,
    pub(super) blames: Bounded<Blame, u64>,
}

impl Default for Totals {
    fn default() -> Self {
        // Those of them that go wrong are there before they do.
        let usual = ["NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED"];
        let rcodes: BTreeMap<_, _> = usual.map(|rcode| (rcode.to_owned(), 0)).into();
        Self {
            servers: Bounded::new(SERVERS_MAX),
            served: Asked::default(),
            client_rcodes: rcodes.clone(),
            server_rcodes: rcodes,
            lookups: Lookups::default(),
            lost_ns: BTreeMap::new(),
            workloads: Bounded::new(WORKLOADS_MAX),
            blames: Bounded::new(BLAMES_MAX),
        }
    }
}

impl Totals {
    /// Adds the window that this report is about.
    pub(super) fn add(&mut self, report: &Report) {
        self.step();
        let dns = &report.dns;
        for row in &dns.by_server.rows {
            let number = Ends::of(&row.figures.outcomes).all();
            self.servers
                .of(Server::At(row.whom), number)
                .add(&row.figures);
        }
        if let Some(others) = &dns.by_server.others {
            self.servers.of(Server::Other, 0).add(others);
        }
        self.served.add(&dns.server_side);
        add_rcodes(&mut self.client_rcodes, &dns.client);
        add_rcodes(&mut self.server_rcodes, &dns.server_side);
        let lookups = &dns.client.lookups;
        self.lookups.failed += lookups.failed;
        self.lookups.ok += lookups.count.saturating_sub(lookups.failed);
        self.lookups.times.add(&lookups.latency);
        for row in &dns.by_workload.rows {
            let number = Ends::of(&row.figures.outcomes).all();
            self.workloads
                .of(Whom::of(&row.whom), number)
                .add(&row.figures);
        }
        if let Some(others) = &dns.by_workload.others {
            self.workloads.of(Whom::Other, 0).add(others);
        }
        for (workload, causes) in &report.losses.by_workload {
            let lost_ns: u64 = causes.values().sum();
            let asker = self.workloads.of(Whom::of(workload), 0);
            asker.lost_ns = asker.lost_ns.saturating_add(lost_ns);
        }
        for (rule, lost_ns) in &report.losses.by_cause {
            let total = self.lost_ns.entry(*rule).or_default();
            *total = total.saturating_add(*lost_ns);
        }
        for (place, number) in &report.failures {
            let server = place.server.map_or(Server::Other, Server::At);
            let causes = &mut self.servers.of(server, 0).failures;
            *causes.entry(place.rule).or_default() += number;
            let blame = Blame {
                whom: place.workload.as_ref().map_or(Whom::Other, Whom::of),
                cause: place.rule,
            };
            *self.blames.of(blame, *number) += number;
        }
    }

    /// The server as its series are called.
    pub(super) fn shown(&self, server: Server) -> Server {
        self.servers.shown(server)
    }

    /// Those who were quiet for long are gone, with all that was counted for them.
    fn step(&mut self) {
        self.servers.step();
        self.blames.step();
        let gone = self.workloads.step();
        if !gone.is_empty() {
            self.blames.remove(|blame| gone.contains(&blame.whom));
        }
    }
}

fn add_rcodes(totals: &mut BTreeMap<String, u64>, figures: &Figures) {
    for (rcode, number) in figures.rcodes_by_name() {
        *totals.entry(rcode).or_default() += number;
    }
}
