//! What the doctor has to say: findings and the verdict.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::SocketAddr;

use serde::Deserialize;
use serde::Serialize;

use super::for_others::ForOthers;
use super::losses::Losses;
use super::rule::Rule;
use crate::attempt::Comm;
use crate::attempt::Role;
use crate::attempt::identity::WorkloadId;
use crate::collect::Accounting;
use crate::collect::Snapshot;
use crate::incidents::Incident;
use crate::units;

/// What the rules say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diagnosis {
    /// Causes first, then the summary of the base rules, then what is only worth
    /// knowing.
    pub findings: Vec<Finding>,
    /// Failed attempts by the rule that explains them: each is in exactly one
    /// place, so the sum is all that failed.
    pub failures_by_cause: BTreeMap<Rule, u64>,
    /// The same by where and whose they were, too.
    pub failures: BTreeMap<Failures, u64>,
    /// Slow answers in the same way; what no rule explains is unknown.
    pub slow_by_cause: BTreeMap<Rule, u64>,
    /// Time that lookups lost, each moment by one rule.
    pub losses: Losses,
    /// What of all lookups resolvers on this host made for others.
    pub for_others: ForOthers,
    /// Each query that a rule explains, by when it ended.
    pub explained: Vec<Explained>,
}

/// A query that went wrong, or several like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explained {
    /// When the first of them was sent, in nanoseconds of `CLOCK_MONOTONIC`.
    pub sent_ns: u64,
    /// When it ended.
    pub at_ns: u64,
    /// The rule that explains it.
    pub rule: Rule,
    /// How many.
    pub queries: u64,
    /// Whether they failed; else they were slow, or answered with an error.
    pub has_failed: bool,
}

/// Failed attempts that have one cause, one server and one workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failures {
    /// The rule that explains them.
    pub rule: Rule,
    /// Who was asked; `None` for those beyond all that is kept one by one.
    pub server: Option<SocketAddr>,
    /// Who asked; `None` for the same.
    pub workload: Option<WorkloadId>,
}

impl Failures {
    pub(super) fn of(rule: Rule, incident: &Incident) -> Self {
        Self {
            rule,
            server: Some(incident.server()),
            workload: Some(WorkloadId::made(&incident.attempt)),
        }
    }

    pub(super) fn of_nobody(rule: Rule) -> Self {
        Self {
            rule,
            server: None,
            workload: None,
        }
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing suffers from it now; worth knowing.
    Info,
    /// Worth a look in daylight.
    Warning,
    /// People are being hurt.
    Critical,
}

impl Severity {
    pub(super) fn critical_if(is_critical: bool) -> Self {
        match is_critical {
            true => Self::Critical,
            false => Self::Warning,
        }
    }
}

/// One thing that is wrong, in words that stand for themselves.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The rule that found it, as `dns_high_latency`.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, as a sentence without a full stop.
    pub title: String,
    /// Why, as far as the figures show it.
    pub cause: String,
    /// What it does to the programs on this host.
    pub impact: String,
    /// The process that is hit hardest and how hard, if one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hit_hardest: Option<String>,
    /// Sentences with figures.
    pub evidence: Vec<String>,
    /// What to do, in order; a command stands between backticks.
    pub fix: Vec<String>,
    /// What was measured, in `unit`.
    pub value: f64,
    /// What it was compared with, in `unit`.
    pub threshold: f64,
    /// Of both.
    pub unit: Unit,
    /// What it is about.
    pub scope: Subject,
    /// How many failed or slow queries it explains.
    pub queries: u64,
    /// Time that lookups lost by them, in nanoseconds; in JSON in seconds.
    #[serde(rename = "seconds_lost", serialize_with = "seconds")]
    pub lost_ns: u64,
}

/// Of what is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Milliseconds.
    Ms,
    /// Of all that there are.
    Percent,
    /// A number of them.
    Queries,
}

/// What a finding is about. A process or a server is named if nearly all of the
/// failed or slow queries were its own. By default all that this host asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// `client`: the queries that this host sent.
    pub role: Role,
    /// The process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The process's name, printable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// The server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<SubjectServer>,
    /// The pod, container or unit.
    #[serde(flatten, serialize_with = "labels")]
    pub workload: Option<WorkloadId>,
    /// Inode number of the network namespace where it happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netns: Option<u32>,
}

impl Subject {
    /// What one process asks, as far as it is known.
    pub(super) fn process(pid: Option<u32>, comm: Comm) -> Self {
        Self {
            pid,
            comm: Some(comm.to_string()).filter(|comm| !comm.is_empty()),
            ..Self::default()
        }
    }

    pub(super) fn workload(whom: &WorkloadId) -> Self {
        match whom {
            WorkloadId::Process(pid, comm) => Self::process(*pid, *comm),
            whom => Self {
                workload: Some(whom.clone()),
                ..Self::default()
            },
        }
    }

    /// … of one server, if it is one.
    pub(super) fn of_server(self, server: Option<SocketAddr>) -> Self {
        let server = server.map(|address| SubjectServer {
            ip: address.ip(),
            port: address.port(),
        });
        Self { server, ..self }
    }

    /// Whether it is not about somebody else than the other one: what is not named
    /// can be anybody.
    pub fn may_include(&self, other: &Self) -> bool {
        fn may_be<T: PartialEq>(one: &Option<T>, other: &Option<T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        may_be(&self.pid, &other.pid)
            && may_be(&self.comm, &other.comm)
            && may_be(&self.workload, &other.workload)
    }
}

/// To a millisecond.
fn seconds<S: serde::Serializer>(ns: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(units::seconds(*ns))
}

/// The fields of the records of `kerno watch`.
fn labels<S: serde::Serializer>(
    whom: &Option<WorkloadId>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let labels = whom.as_ref().map(WorkloadId::labels);
    labels.unwrap_or_default().serialize(serializer)
}

/// A server's address, in the shape that the other records have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SubjectServer {
    /// Its address.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
}

/// The doctor's answer in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// At least one finding is critical.
    Critical,
    /// There are findings, none of them critical.
    Warning,
    /// Queries were seen, and there is no finding.
    Healthy,
    /// Not one query ended in the window: nothing can be said.
    NoTraffic,
    /// There is no finding, but too much was lost or unseen to say that all is well; or only a
    /// few lookups were seen, too few for a finding, and half of them failed.
    Unknown,
}

impl Verdict {
    /// The verdict on a snapshot with these findings.
    pub fn of(snapshot: &Snapshot, findings: &[Finding]) -> Self {
        match findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Critical) => Self::Critical,
            Some(Severity::Warning) => Self::Warning,
            None if snapshot.is_empty() => Self::NoTraffic,
            // What hurts nobody is no reason to call; but what little was asked may have failed.
            Some(Severity::Info) | None => match snapshot.client.fails_by_halves() {
                true => Self::Unknown,
                false => Self::Healthy,
            },
        }
    }

    /// The verdict with what went on unseen in mind.
    pub fn given(self, accounting: &Accounting) -> Self {
        match self {
            Self::Healthy if accounting.may_hide_failures() => Self::Unknown,
            Self::NoTraffic if accounting.has_traces() => Self::Unknown,
            verdict => verdict,
        }
    }

    /// The exit code of `--exit-code`: 0, 1 or 2, as monitoring plugins have it.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Healthy | Self::NoTraffic => 0,
            Self::Warning | Self::Unknown => 1,
            Self::Critical => 2,
        }
    }
}

/// What is said first: why, then how bad, then what is only worth knowing. Among
/// the causes the critical ones, then by the time lost by them, then by the queries that
/// they explain.
pub(super) fn rank(findings: &mut [Finding]) {
    let part = |finding: &Finding| match finding.severity {
        Severity::Info => 2,
        _ if finding.rule.is_summary() => 1,
        _ => 0,
    };
    findings.sort_by(|a, b| {
        let by_rank = part(a).cmp(&part(b));
        by_rank
            .then(b.severity.cmp(&a.severity))
            .then((b.lost_ns, b.queries).cmp(&(a.lost_ns, a.queries)))
            .then(a.rule.name().cmp(b.rule.name()))
    });
}
