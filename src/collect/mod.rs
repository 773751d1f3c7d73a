//! From attempts to figures, in bounded memory whatever the host does.

mod accounting;
mod bounded;
mod latency;
mod lookups;
mod outcomes;
mod scope;
mod series;
mod snapshot;
mod spread;

use std::net::SocketAddr;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

pub use accounting::Accounting;
pub use latency::LatencyFigures;
pub use latency::RESEND_NS;
pub use lookups::LookupFigures;
pub use outcomes::OutcomeTotals;
pub use series::Course;
pub use series::Moment;
pub use snapshot::Figures;
pub use snapshot::ProcessKey;
pub use snapshot::Row;
pub use snapshot::Snapshot;
pub use snapshot::Table;
pub use spread::EDGES_NS;
pub use spread::Spread;

use self::bounded::Bounded;
use self::latency::Latency;
use self::scope::Scope;
use self::series::Series;
use crate::attempt::Attempt;
use crate::attempt::Owner;
use crate::attempt::Plain;
use crate::attempt::Role;
use crate::attempt::identity::ClientKey;
use crate::attempt::identity::IdentityTable;
use crate::lookup::Lookup;

/// Processes with figures of their own; a scope is up to 12 KB.
pub const PROCESSES_MAX: usize = 320;
/// Workloads with figures of their own: the control groups of some 100 pods.
pub const WORKLOADS_MAX: usize = 512;
/// Servers with figures of their own.
pub const SERVERS_MAX: usize = 160;

/// So many latencies are added one by one.
const TOGETHER: usize = 128;

/// Adds up attempts, for the host and by process, workload and server.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug)]
#[borsh(init = restore)]
pub struct Collector {
    client: Scope,
    server_side: Scope,
    processes: Bounded<ProcessKey>,
    workloads: Bounded<ClientKey>,
    servers: Bounded<SocketAddr>,
    /// Of the client role.
    series: Series,
    known: IdentityTable,
}

impl Default for Collector {
    fn default() -> Self {
        Self {
            client: Scope::default(),
            server_side: Scope::default(),
            processes: Bounded::new(PROCESSES_MAX),
            workloads: Bounded::new(WORKLOADS_MAX),
            servers: Bounded::new(SERVERS_MAX),
            series: Series::default(),
            known: IdentityTable::default(),
        }
    }
}

impl Collector {
    /// Sets what is not stored.
    fn restore(&mut self) {
        self.processes.limit(PROCESSES_MAX);
        self.workloads.limit(WORKLOADS_MAX);
        self.servers.limit(SERVERS_MAX);
    }

    /// Counts an attempt. On the hot path: nothing is allocated for a process
    /// and a server that are known, and the question is not looked at.
    pub fn record(&mut self, attempt: &Attempt) {
        match attempt.role {
            Role::Client => {
                self.client.record(attempt);
                self.series.record(attempt);
                let Owner { pid, comm, .. } = attempt.owner;
                self.processes.record(ProcessKey { pid, comm }, attempt);
                self.workloads.record(ClientKey::of(attempt), attempt);
                self.servers.record(attempt.peer, attempt);
            }
            Role::Server => self.server_side.record(attempt),
        }
    }

    /// Counts attempts that were counted together.
    pub fn count(&mut self, plain: &Plain) {
        let attempt = &plain.example;
        // From here on one histogram is added four times rather than each latency.
        let latency = (plain.latencies.len() > TOGETHER).then(|| Latency::of(&plain.latencies));
        let latency = latency.as_ref();
        match attempt.role {
            Role::Client => {
                self.client.count(plain, latency);
                self.series.count(plain);
                let Owner { pid, comm, .. } = attempt.owner;
                let process = ProcessKey { pid, comm };
                self.processes.scope(process).count(plain, latency);
                let workload = ClientKey::of(attempt);
                self.workloads.scope(workload).count(plain, latency);
                self.servers.scope(attempt.peer).count(plain, latency);
                self.count_lookups(plain);
            }
            Role::Server => self.server_side.count(plain, latency),
        }
    }

    /// Counts a lookup that is over, for the host and for its workload.
    pub fn record_lookup(&mut self, lookup: &Lookup) {
        let workload = ClientKey::of(&lookup.example);
        self.client.lookups().record(&lookup.outline);
        self.series.lose(lookup.end_ns, lookup.outline.lost_ns);
        let scope = self.workloads.scope(workload);
        scope.lookups().record(&lookup.outline);
    }

    fn count_lookups(&mut self, plain: &Plain) {
        let lookups = &plain.lookups;
        if !lookups.durations.is_empty() {
            let latency = lookups::together(lookups);
            self.client.lookups().count(lookups, latency.as_ref());
            self.series.lose(series::when(plain), lookups.lost_ns);
            let scope = self.workloads.scope(ClientKey::of(&plain.example));
            scope.lookups().count(lookups, latency.as_ref());
        }
    }

    /// Gives back the room that is not used: nothing is added any more.
    pub fn shrink(&mut self) {
        self.processes.shrink();
        self.workloads.shrink();
        self.servers.shrink();
        self.series.shrink();
    }

    /// What it takes, in octets, about.
    pub fn octets(&self) -> usize {
        let scopes = [&self.client, &self.server_side].map(Scope::octets);
        size_of::<Self>()
            + scopes.iter().sum::<usize>()
            + self.processes.octets()
            + self.workloads.octets()
            + self.servers.octets()
            + self.series.octets()
    }

    /// Adds what another one has counted right after.
    pub fn follow(&mut self, next: &Self) {
        self.client.follow(&next.client);
        self.server_side.follow(&next.server_side);
        self.processes.follow(&next.processes);
        self.workloads.follow(&next.workloads);
        self.servers.follow(&next.servers);
        self.series.follow(&next.series);
    }

    /// Takes over what is known of workloads in the end.
    pub fn learn(&mut self, known: &IdentityTable) {
        self.known.clone_from(known);
    }

    /// The figures up to now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            client: self.client.figures(),
            server_side: self.server_side.figures(),
            by_process: self.processes.table(Clone::clone),
            by_workload: self.workloads.table(|key| key.id(&self.known)),
            by_server: self.servers.table(Clone::clone),
            course: self.series.course(),
        }
    }
}

#[cfg(test)]
mod tests;
