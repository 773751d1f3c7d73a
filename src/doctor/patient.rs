//! The snapshot with the suspects looked up, and how they are called.

use std::net::SocketAddr;

use super::finding::Subject;
use super::finding::SubjectServer;
use super::suspect::Kind;
use super::suspect::Pattern;
use super::suspect::Suspect;
use super::trouble::Trouble;
use crate::attempt::identity::WorkloadId as Whom;
use crate::collect::ProcessFigures;
use crate::collect::ServerFigures;
use crate::collect::Snapshot;
use crate::collect::WorkloadFigures;
use crate::shell::Command;
use crate::thresholds::SAMPLE_MIN;
use crate::units;

/// A process chooses its name, and each byte of it can take four columns.
const NAME_MAX: usize = 24;
/// Enough for the namespaces and names that people use.
const WHOM_MAX: usize = 80;

const SERVER: Kind = Kind {
    one: "server",
    many: "servers",
    does: "was asked",
};
const PROCESS: Kind = Kind {
    one: "process",
    many: "processes",
    does: "asked",
};
const WORKLOAD: Kind = Kind {
    one: "workload",
    many: "workloads",
    does: "asked",
};

/// Who has one kind of trouble.
pub(super) struct Patient<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) process: Option<Suspect<'a, ProcessFigures>>,
    /// Only where somebody is more than a process.
    workload: Option<Suspect<'a, WorkloadFigures>>,
    pub(super) server: Option<Suspect<'a, ServerFigures>>,
    trouble: Trouble,
}

impl<'a> Patient<'a> {
    pub(super) fn examine(trouble: Trouble, snapshot: &'a Snapshot) -> Self {
        let others = snapshot.other_processes.as_ref();
        let process = Suspect::find(trouble, &snapshot.by_process, others, |row| &row.figures);
        let others = snapshot.other_workloads.as_ref();
        let workload = Suspect::find(trouble, &snapshot.by_workload, others, |row| &row.figures)
            .filter(|_| snapshot.has_workloads());
        let others = snapshot.other_servers.as_ref();
        let server = Suspect::find(trouble, &snapshot.by_server, others, |row| &row.figures);
        Self {
            snapshot,
            process,
            workload,
            server,
            trouble,
        }
    }

    /// The server and the process that are hit hardest, as evidence.
    pub(super) fn evidence(&self) -> Vec<String> {
        let server = self
            .server
            .as_ref()
            .map(|suspect| suspect.told(self.trouble, &SERVER, &suspect.row.address.to_string()));
        let workload = self
            .workload
            .as_ref()
            .map(|suspect| suspect.told(self.trouble, &WORKLOAD, &workload_name(suspect.row)));
        let process = self
            .process
            .as_ref()
            .map(|suspect| suspect.told(self.trouble, &PROCESS, &process_name(suspect.row)));
        server.into_iter().chain(workload).chain(process).collect()
    }

    /// The only server, as the object of a title: ` to 10.0.0.10:53` with the
    /// preposition; nothing if there are several.
    pub(super) fn only_server(&self, preposition: &str) -> String {
        match &self.server {
            Some(suspect) if suspect.pattern == Pattern::Only => {
                format!(" {preposition} {}", suspect.row.address)
            }
            _ => String::new(),
        }
    }

    /// Where, at the end of a title: `, nearly all at 10.0.0.10:53`.
    pub(super) fn place(&self) -> String {
        let server = self
            .server
            .as_ref()
            .and_then(|suspect| match suspect.pattern {
                Pattern::Only => None,
                Pattern::One => Some(format!("nearly all at {}", suspect.row.address)),
                Pattern::Several => Some(format!("at {} servers", suspect.hit_of_known())),
            });
        let workload = self
            .workload
            .as_ref()
            .filter(|suspect| suspect.pattern == Pattern::One)
            .map(|suspect| workload_name(suspect.row));
        let process = self
            .process
            .as_ref()
            .filter(|suspect| suspect.pattern == Pattern::One)
            .map(|suspect| process_name(suspect.row));
        let process = workload
            .or(process)
            .map(|whom| format!("nearly all for {whom}"));
        server
            .into_iter()
            .chain(process)
            .map(|place| format!(", {place}"))
            .collect()
    }

    /// The workload or process that is hit hardest, with its figures.
    pub(super) fn hit_hardest(&self) -> Option<String> {
        if let Some(suspect) = &self.workload {
            let name = workload_name(suspect.row);
            return Some(format!("{name}: {}", suspect.share(self.trouble)));
        }
        let suspect = self.process.as_ref()?;
        Some(format!(
            "{}: {}",
            process_name(suspect.row),
            suspect.share(self.trouble)
        ))
    }

    /// The `scope` of the finding.
    pub(super) fn subject(&self) -> Subject {
        let process = self.process.as_ref().filter(|suspect| suspect.is_alone());
        let server = self.server.as_ref().filter(|suspect| suspect.is_alone());
        let workload = self
            .workload
            .as_ref()
            .filter(|suspect| suspect.is_alone() && !matches!(suspect.row.whom, Whom::Process(..)));
        Subject {
            role: "client",
            pid: process.and_then(|suspect| suspect.row.pid),
            comm: process
                .filter(|suspect| !suspect.row.comm.as_bytes().is_empty())
                .map(|suspect| suspect.row.comm.to_string()),
            server: server.map(|suspect| SubjectServer {
                ip: suspect.row.address.ip(),
                port: suspect.row.address.port(),
            }),
            netns: None,
            workload: workload.map(|suspect| suspect.row.whom.clone()),
        }
    }

    /// A command that asks the worst server once, over the same protocol.
    pub(super) fn dig(&self) -> Command {
        let Some(server) = &self.server else {
            return Command::default();
        };
        let address = server.row.address;
        let mut dig = Command::new("dig").word(format!("@{}", address.ip()));
        if address.port() != 53 {
            dig = dig.and("-p").word(address.port().to_string());
        }
        dig.and("+tries=1 +timeout=6 . SOA")
    }

    /// The worst server's address, if it is this host's own.
    pub(super) fn own_server(&self) -> Option<SocketAddr> {
        let address = self.server.as_ref()?.row.address;
        address.ip().is_loopback().then_some(address)
    }

    /// `kerno watch …`, narrowed to the process if it is one.
    pub(super) fn watch(&self, filter: &'static str) -> Command {
        let pid = self
            .process
            .as_ref()
            .filter(|suspect| suspect.pattern == Pattern::One);
        let watch = Command::new("kerno watch").and(filter);
        match pid.and_then(|suspect| suspect.row.pid) {
            Some(pid) => watch.and("--pid").word(pid.to_string()),
            None => watch,
        }
    }
}

/// `pod shop/web-1`, whose name has 253 characters at most, and its namespace 63.
pub(super) fn workload_name(row: &WorkloadFigures) -> String {
    match &row.whom {
        // The names of processes take more columns than they have octets.
        Whom::Process(..) => units::shorten(&row.whom.to_string(), NAME_MAX + 16),
        whom => units::shorten(&whom.to_string(), WHOM_MAX),
    }
}

/// What a small sample is worth, in words; `None` if it is large enough.
pub(super) fn small_sample(size: u64, what: &str) -> Option<String> {
    (size < SAMPLE_MIN).then(|| {
        format!(
            "The sample is small: {size} {what}, and it takes {SAMPLE_MIN} for more than a warning."
        )
    })
}

/// `curl (pid 4242)`
pub(super) fn process_name(row: &ProcessFigures) -> String {
    let comm = units::shorten(&row.comm.to_string(), NAME_MAX);
    match row.pid {
        Some(pid) if comm.is_empty() => format!("pid {pid}"),
        Some(pid) => format!("{comm} (pid {pid})"),
        None => "an unknown process".to_owned(),
    }
}
