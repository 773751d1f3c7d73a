//! One line of `kerno watch`. The fields are the contract of docs/records.md.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use crate::attempt::Attempt;
use crate::attempt::FailedCall;
use crate::attempt::Outcome;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::attempt::identity::Labels;
use crate::attempt::names;
use crate::host::Clock;

/// One attempt. Absent means unknown or not applicable; nothing is ever null.
#[derive(Debug, Serialize)]
pub struct Record {
    schema: &'static str,
    time: String,
    role: Role,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    rcode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_call: Option<FailedCall>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gave_up_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored_answers: Option<u64>,
    attempt: u16,
    transport: Transport,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    rtype: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authoritative: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recursion_available: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extended_error: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_bytes: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_bytes: Option<u16>,
    client: Endpoint,
    server: Endpoint,
    #[serde(flatten)]
    whose: Whose,
}

/// Whose it is.
#[derive(Debug, Serialize)]
pub(super) struct Whose {
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    netns: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup: Option<String>,
    #[serde(flatten)]
    labels: Labels,
}

#[derive(Debug, Serialize)]
pub(super) struct Endpoint {
    ip: IpAddr,
    port: u16,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self {
            ip: address.ip(),
            port: address.port(),
        }
    }
}

impl Record {
    /// The attempt as its line says it.
    pub fn new(attempt: &Attempt, clock: &Clock) -> Self {
        let question = attempt.question.parse();
        let answer = attempt.answer;
        let elapsed = nanoseconds(attempt.elapsed());
        Self {
            schema: "kerno.dns.v1",
            time: humantime::format_rfc3339_nanos(clock.wall(attempt.end_ns)).to_string(),
            role: attempt.role,
            outcome: attempt.outcome,
            rcode: answer.map(|answer| names::rcode(answer.rcode)),
            reason: attempt.reason.as_ref().map(ToString::to_string),
            failed_call: attempt.failed_call,
            latency_ns: answer.map(|_| elapsed),
            waited_ns: answer.is_none().then_some(elapsed),
            gave_up_ns: attempt
                .gave_up_ns
                .map(|at_ns| at_ns.saturating_sub(attempt.sent_ns)),
            ignored_answers: Some(attempt.ignored.count()).filter(|&count| count > 0),
            attempt: attempt.number,
            transport: attempt.transport,
            id: attempt.id,
            rtype: question.as_ref().map(|q| q.rtype.to_string()),
            class: question.as_ref().map(|q| q.class.to_string()),
            name: question.map(|q| q.name),
            answers: answer.map(|answer| answer.answers),
            truncated: answer.map(|answer| answer.truncated),
            authoritative: answer.map(|answer| answer.bits.authoritative),
            recursion_available: answer.map(|answer| answer.bits.recursion_available),
            extended_error: answer.and_then(|answer| answer.extended_error),
            query_bytes: attempt.id.map(|_| attempt.query_bytes),
            answer_bytes: answer.map(|answer| answer.bytes),
            client: attempt.client().into(),
            server: attempt.server().into(),
            whose: Whose::of(attempt),
        }
    }
}

impl Whose {
    pub(super) fn of(attempt: &Attempt) -> Self {
        let workload = attempt.workload.as_deref();
        Self {
            pid: attempt.owner.pid,
            comm: attempt.owner.pid.map(|_| attempt.owner.comm.to_string()),
            cgroup_id: Some(attempt.owner.cgroup_id).filter(|&id| id != 0),
            netns: Some(attempt.owner.netns).filter(|&inode| inode != 0),
            cgroup: workload.map(|workload| workload.cgroup().to_owned()),
            labels: workload.map(|it| it.labels()).unwrap_or_default(),
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}
