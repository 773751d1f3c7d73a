//! A line of `kerno watch --failed`, with or without `--lookups`, as the screen needs it.

use serde::Deserialize;

use crate::units;

/// A query that failed, or a lookup.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(super) struct Failure {
    pub(super) time: String,
    outcome: String,
    rcode: Option<String>,
    reason: Option<String>,
    latency_ns: Option<u64>,
    waited_ns: Option<u64>,
    pub(super) name: Option<String>,
    #[serde(rename = "type")]
    rtype: Option<String>,
    /// Of a lookup, as the next two.
    types: Vec<String>,
    duration_ns: Option<u64>,
    queries: u64,
    server: Option<Address>,
    pid: Option<u32>,
    comm: Option<String>,
    unit: Option<String>,
    container: Option<Container>,
    pod: Option<Pod>,
    /// How many were lost, if that is what the line says.
    pub(super) lost: Option<u64>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
struct Address {
    ip: std::net::IpAddr,
    port: u16,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Container {
    id: String,
    name: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Pod {
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
}

impl Failure {
    /// Of a line of `kerno watch`; `None` if it is none.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// `12:03:04`
    pub(super) fn moment(&self) -> &str {
        self.time.get(11..19).unwrap_or("")
    }

    /// The workload, as the report's table of workloads names it.
    pub(super) fn workload(&self) -> String {
        if let Some(pod) = &self.pod {
            return match (&pod.namespace, &pod.name, &pod.uid) {
                (Some(namespace), Some(name), _) => format!("{namespace}/{name}"),
                (_, _, uid) => uid.clone().unwrap_or_default(),
            };
        }
        if let Some(container) = &self.container {
            let id = container.id.get(..12).unwrap_or(&container.id);
            return container.name.clone().unwrap_or_else(|| id.to_owned());
        }
        self.unit.clone().unwrap_or_else(|| self.process())
    }

    /// The process, as the report's table of processes names it.
    pub(super) fn process(&self) -> String {
        match (&self.comm, self.pid) {
            (Some(comm), Some(pid)) => format!("{comm} ({pid})"),
            _ => "unknown".to_owned(),
        }
    }

    pub(super) fn server(&self) -> String {
        let server = self.server.as_ref();
        server.map_or(String::new(), |it| {
            std::net::SocketAddr::new(it.ip, it.port).to_string()
        })
    }

    /// What was asked.
    pub(super) fn question(&self) -> String {
        let name = self.name.as_deref().unwrap_or("(no question)");
        let types = self.rtype.iter().chain(&self.types);
        types.fold(name.to_owned(), |asked, it| asked + " " + it)
    }

    /// `failed after 5.0 s, 2 queries`, `unanswered after 5.0 s`, `SERVFAIL in 2.0 ms`, `refused: ECONNREFUSED`
    pub(super) fn end(&self) -> String {
        let took = |ns: Option<u64>, word: &str| {
            ns.map_or(String::new(), |ns| {
                format!(" {word} {}", units::duration(ns))
            })
        };
        if self.duration_ns.is_some() {
            let queries = units::queries(self.queries);
            return format!("failed{}, {queries}", took(self.duration_ns, "after"));
        }
        match (&self.rcode, &self.reason) {
            (Some(rcode), _) => {
                let late = if self.outcome == "late" { ", late" } else { "" };
                format!("{rcode}{}{late}", took(self.latency_ns, "in"))
            }
            (None, Some(reason)) => format!("{}: {reason}", self.outcome),
            (None, None) => format!("{}{}", self.outcome, took(self.waited_ns, "after")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_asked_what_and_how_it_ended() {
        let line =
            br#"{"schema":"kerno.dns.v1","time":"2026-11-27T12:03:04.5Z","outcome":"unanswered",
            "waited_ns":5000000000,"name":"a.example","type":"A","pid":7,"comm":"curl",
            "server":{"ip":"2001:db8::1","port":53},"pod":{"namespace":"shop","name":"web-1"}}"#;
        let failure = Failure::parse(line).expect("a line");
        assert_eq!(failure.moment(), "12:03:04");
        assert_eq!(failure.workload(), "shop/web-1");
        assert_eq!(failure.process(), "curl (7)");
        assert_eq!(failure.server(), "[2001:db8::1]:53");
        assert_eq!(failure.question(), "a.example A");
        assert_eq!(failure.end(), "unanswered after 5.0 s");
    }

    #[test]
    fn a_lookup_says_what_it_took() {
        let line = br#"{"schema":"kerno.lookup.v1","time":"2026-11-27T12:03:04.5Z","name":"db",
            "types":["A","AAAA"],"result":"failed","duration_ns":1500000000,"queries":2,
            "waited_by_cause":{"dns_unknown":1500000000},"exact":true,"pid":7,"comm":"curl",
            "server":{"ip":"10.0.0.1","port":53}}"#;
        let failure = Failure::parse(line).expect("a line");
        assert_eq!(failure.question(), "db A AAAA");
        assert_eq!(failure.end(), "failed after 1.5 s, 2 queries");
        assert_eq!(failure.server(), "10.0.0.1:53");
    }

    #[test]
    fn anything_is_taken() {
        assert_eq!(Failure::parse(b"{"), None);
        let lost = Failure::parse(br#"{"schema":"kerno.loss.v1","lost":7}"#).expect("a line");
        assert_eq!(lost.lost, Some(7));
        let odd = Failure::parse(br#"{"time":"x","outcome":"refused","reason":"EPERM"}"#);
        let odd = odd.expect("a line");
        assert_eq!((odd.moment(), odd.end()), ("", "refused: EPERM".to_owned()));
        assert_eq!(odd.workload(), "unknown");
    }
}
