//! The figures as plain data: what the doctor and the report work with.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::latency::RESEND_NS;
use super::outcomes::OutcomeTotals;
use super::spread::Spread;
use crate::attempt::Comm;
use crate::workload::Whom;

/// Everything that was collected, up to one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// All attempts of the client role.
    pub client: Figures,
    /// All attempts of the server role.
    pub server_side: Figures,
    /// Client role by asking process, busiest first. One that was quiet while
    /// others crowded it out has only its later attempts here.
    pub by_process: Vec<ProcessFigures>,
    /// The quietest beyond [`super::PROCESSES_MAX`], taken together.
    pub other_processes: Option<Figures>,
    /// Client role by asking workload, busiest first: pods, containers, systemd
    /// units, and processes that are in none of these.
    pub by_workload: Vec<WorkloadFigures>,
    /// The quietest beyond [`super::WORKLOADS_MAX`], taken together.
    pub other_workloads: Option<Figures>,
    /// Client role by asked server, busiest first.
    pub by_server: Vec<ServerFigures>,
    /// The quietest beyond [`super::SERVERS_MAX`], taken together.
    pub other_servers: Option<Figures>,
}

/// What one process asked.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessFigures {
    /// Its name.
    pub comm: Comm,
    /// Its thread-group id, if known.
    pub pid: Option<u32>,
    /// Its attempts.
    pub figures: Figures,
}

/// What one workload asked.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadFigures {
    /// Who it is.
    pub whom: Whom,
    /// Its attempts.
    pub figures: Figures,
}

/// What one server was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerFigures {
    /// Where it was asked.
    pub address: SocketAddr,
    /// The attempts that went there.
    pub figures: Figures,
}

/// The figures of one scope.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// How the attempts ended.
    pub outcomes: OutcomeTotals,
    /// Of the answered attempts; `None` if there are none. Late ones are not in
    /// it: they count as failed.
    pub latency: Option<LatencyFigures>,
    /// Answered and late attempts by response code; `other` for codes that IANA
    /// has not assigned.
    pub rcodes: BTreeMap<String, u64>,
    /// Attempts that were answered only because the query was sent again by the
    /// same socket with the same id.
    pub answered_after_resend: u64,
    /// The longest that one of those had waited since its first message, in
    /// nanoseconds.
    pub longest_wait_ns: u64,
    /// How long the latest of the late answers took, in nanoseconds.
    pub latest_ns: u64,
}

/// Latency of answered attempts, in nanoseconds, each by its own message.
#[derive(Clone, Debug, PartialEq)]
pub struct LatencyFigures {
    /// Half of the answers took no longer.
    pub p50_ns: u64,
    /// 95 % of the answers took no longer.
    pub p95_ns: u64,
    /// 99 % of the answers took no longer.
    pub p99_ns: u64,
    /// The slowest answer.
    pub max_ns: u64,
    /// Answers that took about as long as each time of [`RESEND_NS`].
    pub near_resend: [u64; RESEND_NS.len()],
    /// Exact counts between fixed edges.
    pub spread: Spread,
}

impl Figures {
    /// All attempts.
    pub fn queries(&self) -> u64 {
        self.outcomes.queries()
    }

    /// Answers that took longer than this edge of [`super::EDGES_NS`].
    pub fn slower_than(&self, edge_ns: u64) -> u64 {
        self.latency
            .as_ref()
            .map_or(0, |latency| latency.spread.longer_than(edge_ns))
    }
}

impl Snapshot {
    /// Whether anybody is more than a process, so that workloads and processes
    /// are not the same.
    pub fn has_workloads(&self) -> bool {
        self.by_workload
            .iter()
            .any(|row| !matches!(row.whom, Whom::Process(..)))
    }

    /// Whether not one attempt ended.
    pub fn is_empty(&self) -> bool {
        self.client.queries() == 0 && self.server_side.queries() == 0
    }
}
