//! The figures as plain data: what the doctor and the report work with.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use domain::base::iana::OptRcode;

use super::latency::LatencyFigures;
use super::latency::RESEND_NS;
use super::lookups::LookupFigures;
use super::outcomes::OutcomeTotals;
use super::series::Course;
use super::spread::Spread;
use crate::attempt::Comm;
use crate::attempt::identity::WorkloadId;
use crate::attempt::names;
use crate::thresholds::SAMPLE_MIN;

/// Everything that was collected, up to one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// All attempts of the client role.
    pub client: Figures,
    /// All attempts of the server role.
    pub server_side: Figures,
    /// Client role by asking process, [`super::PROCESSES_MAX`] of them. One that was quiet
    /// while others crowded it out has only its later attempts here.
    pub by_process: Table<ProcessKey>,
    /// Client role by asking workload, [`super::WORKLOADS_MAX`] of them: pods, containers,
    /// systemd units, and processes that are in none of these.
    pub by_workload: Table<WorkloadId>,
    /// Client role by asked server, [`super::SERVERS_MAX`] of them.
    pub by_server: Table<SocketAddr>,
    /// The client role as it went.
    pub course: Course,
}

/// Who asked or was asked, each with figures of its own as far as there is room.
#[derive(Clone, Debug, PartialEq)]
pub struct Table<K> {
    /// The busiest first.
    pub rows: Vec<Row<K>>,
    /// The quietest beyond the bound, taken together.
    pub others: Option<Figures>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<K> {
    /// Who it is.
    pub whom: K,
    /// Its attempts, or those that went there.
    pub figures: Figures,
}

/// A process, as figures are kept of it.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub struct ProcessKey {
    /// Its thread-group id, if known.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Comm,
}

/// The figures of one scope.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// How the attempts ended.
    pub outcomes: OutcomeTotals,
    /// Of the answered attempts; `None` if there are none. Late ones are not in
    /// it: they count as failed.
    pub latency: Option<LatencyFigures>,
    /// Answered and late attempts by response code; `None` for codes that IANA
    /// has not assigned.
    pub rcodes: BTreeMap<Option<OptRcode>, u64>,
    /// Attempts that were answered only because the query was sent again by the
    /// same socket with the same id.
    pub answered_after_resend: u64,
    /// The longest that one of those had waited since its first message, in
    /// nanoseconds.
    pub longest_wait_ns: u64,
    /// How long the latest of the late answers took, in nanoseconds.
    pub latest_ns: u64,
    /// Lookups; of clients as a whole and of workloads only.
    pub lookups: LookupFigures,
}

impl Figures {
    /// All attempts.
    pub fn queries(&self) -> u64 {
        self.outcomes.queries()
    }

    /// Whether there were too few lookups for a finding, and half of them failed or more:
    /// nobody would call that healthy. Where no lookup was over, their attempts.
    pub fn fails_by_halves(&self) -> bool {
        let (failed, of) = match self.lookups.count {
            0 => (self.outcomes.failed(), self.queries()),
            count => (self.lookups.failed, count),
        };
        failed > 0 && failed * 2 >= of && of < SAMPLE_MIN
    }

    /// Answers by the name of their response code, in its order; `other` for all
    /// that have none.
    pub fn rcodes_by_name(&self) -> BTreeMap<String, u64> {
        let name = |rcode: Option<OptRcode>| rcode.map_or_else(|| "other".to_owned(), names::rcode);
        self.rcodes
            .iter()
            .map(|(&rcode, &n)| (name(rcode), n))
            .collect()
    }

    /// Answers that took longer than this edge of [`super::EDGES_NS`].
    pub fn slower_than(&self, edge_ns: u64) -> u64 {
        self.latency
            .as_ref()
            .map_or(0, |latency| latency.spread.longer_than(edge_ns))
    }

    /// Those of several scopes as if they were one.
    pub fn together<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        let mut latencies = Vec::new();
        for figures in all {
            sum.outcomes.absorb(&figures.outcomes);
            for (&rcode, count) in &figures.rcodes {
                *sum.rcodes.entry(rcode).or_default() += count;
            }
            sum.answered_after_resend += figures.answered_after_resend;
            sum.longest_wait_ns = sum.longest_wait_ns.max(figures.longest_wait_ns);
            sum.latest_ns = sum.latest_ns.max(figures.latest_ns);
            latencies.extend(&figures.latency);
            sum.lookups.add(&figures.lookups);
        }
        sum.latency = LatencyFigures::together(&latencies);
        sum
    }
}

impl LatencyFigures {
    /// A percentile is the upper edge of its bucket: no less true, so many answers
    /// came within that time, and on the right side of every threshold.
    pub(super) fn together(all: &[&Self]) -> Option<Self> {
        let max_ns = all.iter().map(|latency| latency.max_ns).max()?;
        let mut spread = Spread::default();
        let mut near_resend = [0; RESEND_NS.len()];
        for latency in all {
            spread.absorb(&latency.spread);
            for (sum, near) in near_resend.iter_mut().zip(latency.near_resend) {
                *sum += near;
            }
        }
        let answers = spread.count();
        let within = |percent: u64| {
            let (_, up_to) = spread.around((answers * percent).div_ceil(100));
            up_to.min(max_ns)
        };
        Some(Self {
            p50_ns: within(50),
            p95_ns: within(95),
            p99_ns: within(99),
            max_ns,
            sum_ns: all.iter().fold(0, |sum, it| sum.saturating_add(it.sum_ns)),
            near_resend,
            spread,
        })
    }
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            others: None,
        }
    }
}

impl Table<ProcessKey> {
    /// The row of the process with this number.
    pub fn of_pid(&self, pid: u32) -> Option<&Row<ProcessKey>> {
        self.rows.iter().find(|row| row.whom.pid == Some(pid))
    }
}

impl Snapshot {
    /// Whether anybody is more than a process, so that workloads and processes
    /// are not the same.
    pub fn has_workloads(&self) -> bool {
        let mut rows = self.by_workload.rows.iter();
        rows.any(|row| !matches!(row.whom, WorkloadId::Process(..)))
    }

    /// Whether not one attempt ended.
    pub fn is_empty(&self) -> bool {
        self.client.queries() == 0 && self.server_side.queries() == 0
    }
}
