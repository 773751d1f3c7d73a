//! What must be true of a query that a real server answered a real client.

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;
use std::time::SystemTime;

use crate::cgroup::Cgroup;
use crate::place::Place;
use crate::process::Finished;
use crate::record::Record;

/// One side: who, where, with which address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side<'a> {
    pub(crate) pid: u32,
    pub(crate) comm: &'a str,
    pub(crate) place: &'a Place,
    pub(crate) ip: IpAddr,
}

impl<'a> Side<'a> {
    pub(crate) fn client(finished: &'a Finished, place: &'a Place, ip: IpAddr) -> Self {
        Self {
            pid: finished.pid,
            comm: &finished.comm,
            place,
            ip,
        }
    }

    /// Holds a record to what this side knows of itself.
    pub(crate) fn check(&self, record: &Record) {
        assert_eq!(record.pid, Some(self.pid), "pid: {record:#?}");
        assert_eq!(record.comm.as_deref(), Some(self.comm), "comm: {record:#?}");
        assert_eq!(
            record.netns,
            Some(self.place.namespace.inode()),
            "netns: {record:#?}"
        );
        assert_eq!(
            record.cgroup_id,
            Some(self.place.cgroup.id()),
            "cgroup_id: {record:#?}"
        );
    }
}

/// Holds a record to what the test knows of itself, when it asked from a place:
/// its sockets are there, and it is in the cgroup that it was started in.
pub(crate) fn check_own(record: &Record, place: &Place) {
    let comm = std::fs::read_to_string("/proc/self/comm").expect("/proc/self/comm");
    assert_eq!(record.pid, Some(std::process::id()), "pid: {record:#?}");
    assert_eq!(
        record.comm.as_deref(),
        Some(comm.trim_end()),
        "comm: {record:#?}"
    );
    assert_eq!(
        record.netns,
        Some(place.namespace.inode()),
        "netns: {record:#?}"
    );
    assert_eq!(
        record.cgroup_id,
        Some(Cgroup::own().id()),
        "cgroup_id: {record:#?}"
    );
}

/// A question and how it was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) rcode: &'a str,
    pub(crate) transport: &'a str,
}

/// The records of one test, taken out as they are accounted for.
#[derive(Debug)]
pub(crate) struct Exchanges {
    pub(crate) records: Vec<Record>,
    pub(crate) within: Range<SystemTime>,
    /// Longer than the client itself took, no answer can have taken.
    pub(crate) at_most: Duration,
    pub(crate) port: u16,
}

impl Exchanges {
    /// Of queries to port 53 by a client that has just ended.
    pub(crate) fn of(client: &Finished, records: Vec<Record>) -> Self {
        let now = SystemTime::now();
        // A minute back: only a clock that is wrong altogether is looked for.
        let within = now - Duration::from_secs(60)..now;
        Self {
            records,
            within,
            at_most: client.took,
            port: 53,
        }
    }

    /// Takes out the two records of an answered query: exactly one by the
    /// client, exactly one by the server, both complete and in agreement.
    /// Returns the client's.
    pub(crate) fn answered(
        &mut self,
        asked: Asked<'_>,
        client: Side<'_>,
        server: Side<'_>,
    ) -> Record {
        let asking = self.take(asked, "client", client, server);
        let serving = self.take(asked, "server", client, server);
        client.check(&asking);
        server.check(&serving);
        assert_eq!(asking.id, serving.id, "{asking:#?} {serving:#?}");
        assert_eq!(asking.client, serving.client, "{asking:#?} {serving:#?}");
        assert_eq!(
            asking.query_bytes, serving.query_bytes,
            "{asking:#?} {serving:#?}"
        );
        assert_eq!(
            asking.answer_bytes, serving.answer_bytes,
            "{asking:#?} {serving:#?}"
        );
        assert_eq!(asking.answers, serving.answers, "{asking:#?} {serving:#?}");
        assert_eq!(
            asking.truncated, serving.truncated,
            "{asking:#?} {serving:#?}"
        );
        let bits = |record: &Record| (record.authoritative, record.recursion_available);
        assert_eq!(bits(&asking), bits(&serving), "{asking:#?} {serving:#?}");
        // The server has the query later and lets the answer go earlier.
        assert!(
            serving.latency_ns <= asking.latency_ns,
            "{asking:#?} {serving:#?}"
        );
        asking
    }

    /// Nothing was seen that the test did not ask for, and nothing twice.
    pub(crate) fn nothing_else(&self) {
        assert!(
            self.records.is_empty(),
            "more than was asked: {:#?}",
            self.records
        );
    }

    fn take(&mut self, asked: Asked<'_>, role: &str, client: Side<'_>, server: Side<'_>) -> Record {
        let fits = |r: &mut Record| {
            r.role == role
                && r.name.as_deref() == Some(asked.name)
                && r.kind.as_deref() == Some(asked.kind)
                && r.transport == asked.transport
                && r.client.ip == client.ip
                && r.server.ip == server.ip
        };
        let all = format!("{:#?}", self.records);
        let found: Vec<Record> = self.records.extract_if(.., fits).collect();
        assert_eq!(
            found.len(),
            1,
            "records by the {role} of {asked:?} among {all}"
        );
        let record = found.into_iter().next().expect("one");
        self.check(&record, asked);
        record
    }

    fn check(&self, record: &Record, asked: Asked<'_>) {
        assert_eq!(record.outcome, "answered", "{record:#?}");
        assert_eq!(record.rcode.as_deref(), Some(asked.rcode), "{record:#?}");
        assert_eq!(record.class.as_deref(), Some("IN"), "{record:#?}");
        assert_eq!(record.attempt, 1, "{record:#?}");
        assert!(record.id.is_some(), "{record:#?}");
        assert_eq!(record.server.port, self.port, "{record:#?}");
        assert!(
            record.client.port > 0 && record.client.port != self.port,
            "{record:#?}"
        );
        let latency = Duration::from_nanos(record.latency_ns.expect("an answer's latency"));
        assert!(
            !latency.is_zero() && latency < self.at_most,
            "{:?} {record:#?}",
            self.at_most
        );
        // Header, the name's octets with their lengths, type and class.
        let least = u32::try_from(12 + asked.name.len() + 2 + 4).expect("a message's size");
        assert!(record.query_bytes >= Some(least), "{record:#?}");
        assert!(record.answer_bytes >= Some(least), "{record:#?}");
        let time = humantime::parse_rfc3339(&record.time).expect("checked when read");
        assert!(self.within.contains(&time), "{:?} {record:#?}", self.within);
    }
}
