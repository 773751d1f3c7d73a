//! The host's figures broken down by server, workload and process, and who stands out.

use std::net::SocketAddr;

use super::commands;
use super::finding::Subject;
use super::metric::Metric;
use super::outlier::Outlier;
use super::outlier::Pattern;
use super::who;
use crate::attempt::identity::WorkloadId;
use crate::collect::ProcessKey;
use crate::collect::Snapshot;
use crate::shell::Command;

pub(super) struct Breakdown<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) process: Option<Outlier<'a, ProcessKey>>,
    /// Only where somebody is more than a process.
    workload: Option<Outlier<'a, WorkloadId>>,
    pub(super) server: Option<Outlier<'a, SocketAddr>>,
}

impl<'a> Breakdown<'a> {
    pub(super) fn of(metric: Metric, snapshot: &'a Snapshot) -> Self {
        let kind = (metric, ("server", "servers", "was asked"));
        let server = Outlier::find(kind, &snapshot.by_server, SocketAddr::to_string);
        let kind = (metric, ("workload", "workloads", "asked"));
        let workload = Outlier::find(kind, &snapshot.by_workload, who::workload);
        let kind = (metric, ("process", "processes", "asked"));
        let name = |it: &ProcessKey| who::process(it.pid, it.comm);
        let process = Outlier::find(kind, &snapshot.by_process, name);
        Self {
            snapshot,
            process,
            workload: workload.filter(|_| snapshot.has_workloads()),
            server,
        }
    }

    /// The server, the workload and the process that are hit hardest, as evidence.
    pub(super) fn evidence(&self) -> impl Iterator<Item = String> {
        let told = [
            self.server.as_ref().map(Outlier::told),
            self.workload.as_ref().map(Outlier::told),
            self.process.as_ref().map(Outlier::told),
        ];
        told.into_iter().flatten()
    }

    /// The only server, as the object of a title: ` to 10.0.0.10:53` with the
    /// preposition; nothing if there are several.
    pub(super) fn only_server(&self, preposition: &str) -> String {
        match &self.server {
            Some(it) if it.pattern == Pattern::Only => format!(" {preposition} {}", it.name),
            _ => String::new(),
        }
    }

    /// Where, at the end of a title: `, nearly all at 10.0.0.10:53`.
    pub(super) fn place(&self) -> String {
        let server = self.server.as_ref().and_then(|it| match it.pattern {
            Pattern::Only => None,
            Pattern::One => Some(format!("nearly all at {}", it.name)),
            Pattern::Several => Some(format!("at {} servers", it.hit_of_known())),
        });
        let workload = self.workload.as_ref();
        let workload = workload.filter(|it| it.pattern == Pattern::One);
        let process = self.stands_out().map(|it| &it.name);
        let whom = workload.map(|it| &it.name).or(process);
        server
            .into_iter()
            .chain(whom.map(|whom| format!("nearly all for {whom}")))
            .map(|place| format!(", {place}"))
            .collect()
    }

    /// The one process that has nearly all, while others have few.
    pub(super) fn stands_out(&self) -> Option<&Outlier<'a, ProcessKey>> {
        let process = self.process.as_ref();
        process.filter(|it| it.pattern == Pattern::One)
    }

    pub(super) fn hit_hardest(&self) -> Option<String> {
        let workload = self.workload.as_ref().map(Outlier::hit);
        workload.or_else(|| self.process.as_ref().map(Outlier::hit))
    }

    pub(super) fn subject(&self) -> Subject {
        let process = self.process.as_ref().filter(|it| it.is_alone());
        let process = process.map(|it| Subject::process(it.row.whom.pid, it.row.whom.comm));
        let server = self.server.as_ref().filter(|it| it.is_alone());
        let workload = self.workload.as_ref().filter(|it| it.is_alone());
        Subject {
            workload: workload.and_then(|it| Subject::workload(&it.row.whom).workload),
            ..process
                .unwrap_or_default()
                .of_server(server.map(|it| it.row.whom))
        }
    }

    /// A command that asks the worst server once, over the same protocol.
    pub(super) fn dig(&self) -> Command {
        let server = self.server.as_ref();
        server.map_or(Command::default(), |it| {
            commands::dig_root(it.row.whom, false)
        })
    }

    /// The worst server's address, if it is this host's own.
    pub(super) fn own_server(&self) -> Option<SocketAddr> {
        let address = self.server.as_ref()?.row.whom;
        address.ip().is_loopback().then_some(address)
    }

    /// `kerno watch …`, narrowed to the process if it is one.
    pub(super) fn watch(&self, filter: &'static str) -> Command {
        let watch = Command::new("kerno watch").and(filter);
        match self.stands_out().and_then(|it| it.row.whom.pid) {
            Some(pid) => watch.and("--pid").word(pid.to_string()),
            None => watch,
        }
    }
}
