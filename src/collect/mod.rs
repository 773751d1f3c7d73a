//! From attempts to figures, in bounded memory whatever the host does.

mod accounting;
mod bounded;
mod latency;
mod outcomes;
mod scope;
mod snapshot;
mod spread;

use std::cmp::Reverse;
use std::net::SocketAddr;

pub use accounting::Accounting;
pub use latency::LatencyFigures;
pub use latency::RESEND_NS;
pub use outcomes::OutcomeTotals;
pub use snapshot::Figures;
pub use snapshot::ProcessFigures;
pub use snapshot::ServerFigures;
pub use snapshot::Snapshot;
pub use snapshot::WorkloadFigures;
pub use spread::EDGES_NS;
pub use spread::Spread;

use self::bounded::Bounded;
use self::scope::Scope;
use crate::attempt::Attempt;
use crate::attempt::Comm;
use crate::attempt::Role;
use crate::attempt::identity::ClientKey;
use crate::attempt::identity::IdentityTable;

/// Processes with figures of their own; a scope is up to 12 KB.
pub const PROCESSES_MAX: usize = 320;
/// Workloads with figures of their own: the control groups of some 100 pods.
pub const WORKLOADS_MAX: usize = 512;
/// Servers with figures of their own.
pub const SERVERS_MAX: usize = 160;

/// Adds up attempts, for the host and by process, workload and server.
#[derive(Clone, Debug)]
pub struct Collector {
    client: Scope,
    server_side: Scope,
    processes: Bounded<(Option<u32>, Comm)>,
    workloads: Bounded<ClientKey>,
    servers: Bounded<SocketAddr>,
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
            known: IdentityTable::default(),
        }
    }
}

impl Collector {
    /// Counts an attempt. On the hot path: nothing is allocated for a process
    /// and a server that are known, and the question is not looked at.
    pub fn record(&mut self, attempt: &Attempt) {
        match attempt.role {
            Role::Client => {
                self.client.record(attempt);
                self.processes
                    .record((attempt.owner.pid, attempt.owner.comm), attempt);
                self.workloads.record(ClientKey::of(attempt), attempt);
                self.servers.record(attempt.peer, attempt);
            }
            Role::Server => self.server_side.record(attempt),
        }
    }

    /// Adds what another one has counted right after.
    pub fn follow(&mut self, next: &Self) {
        self.client.follow(&next.client);
        self.server_side.follow(&next.server_side);
        self.processes.follow(&next.processes);
        self.workloads.follow(&next.workloads);
        self.servers.follow(&next.servers);
    }

    /// Takes over what is known of workloads in the end.
    pub fn learn(&mut self, known: &IdentityTable) {
        self.known.clone_from(known);
    }

    /// The figures up to now.
    pub fn snapshot(&self) -> Snapshot {
        let mut by_process: Vec<_> = self
            .processes
            .figures()
            .map(|((pid, comm), figures)| ProcessFigures { comm, pid, figures })
            .collect();
        // Equally busy ones in a fixed order, so that two reports compare.
        by_process.sort_by_key(|row| (Reverse(row.figures.queries()), row.pid, row.comm));
        let mut by_server: Vec<_> = self
            .servers
            .figures()
            .map(|(address, figures)| ServerFigures { address, figures })
            .collect();
        by_server.sort_by_key(|row| (Reverse(row.figures.queries()), row.address));
        let mut by_workload: Vec<_> = self
            .workloads
            .grouped(|key| key.id(&self.known))
            .into_iter()
            .map(|(whom, figures)| WorkloadFigures { whom, figures })
            .collect();
        // Stable: equally busy ones stay in the order of their names.
        by_workload.sort_by_key(|row| Reverse(row.figures.queries()));
        Snapshot {
            client: self.client.figures(),
            server_side: self.server_side.figures(),
            by_process,
            other_processes: self.processes.others(),
            by_workload,
            other_workloads: self.workloads.others(),
            by_server,
            other_servers: self.servers.others(),
        }
    }
}

#[cfg(test)]
mod tests;
