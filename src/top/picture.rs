//! A report as the screen needs it, read from its JSON: whoever made it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use anyhow::Result;
use serde::Deserialize;
use serde_json::Value;

/// What is on the screen.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Picture {
    pub(super) time: String,
    pub(super) headline: String,
    pub(super) verdict: String,
    pub(super) window_seconds: f64,
    pub(super) lookups: Lookups,
    pub(super) dns: Dns,
    pub(super) findings: Vec<Finding>,
    pub(super) timeline: Timeline,
    pub(super) troubled_names: Vec<Name>,
    pub(super) picture: Trust,
    pub(super) accounting: Accounting,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Lookups {
    pub(super) count: u64,
    pub(super) failed: u64,
    pub(super) seconds_lost: f64,
    pub(super) lost_by_cause: BTreeMap<String, f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Dns {
    pub(super) queries: u64,
    pub(super) by_process: Vec<Row>,
    pub(super) by_workload: Vec<Row>,
    pub(super) by_server: Vec<Row>,
}

/// Who asks or is asked, with figures.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Row {
    name: String,
    comm: String,
    pid: Option<u32>,
    ip: Option<std::net::IpAddr>,
    port: u16,
    pub(super) queries: u64,
    unanswered: u64,
    late: u64,
    refused: u64,
    dropped: u64,
    pub(super) latency_ns: Option<Latency>,
    pub(super) answers_by_latency: BTreeMap<String, u64>,
    rcodes: BTreeMap<String, u64>,
    pub(super) lookups: Lookups,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Latency {
    pub(super) p50: u64,
    pub(super) p99: u64,
    pub(super) max: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Finding {
    pub(super) rule: String,
    pub(super) severity: String,
    pub(super) title: String,
    pub(super) cause: String,
    pub(super) impact: String,
    pub(super) hit_hardest: Option<String>,
    pub(super) evidence: Vec<String>,
    pub(super) fix: Vec<String>,
    pub(super) scope: Value,
    pub(super) queries: u64,
    pub(super) seconds_lost: f64,
    pub(super) causes_above: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Timeline {
    pub(super) step_seconds: f64,
    pub(super) slices: Vec<Slice>,
    pub(super) rules: BTreeMap<String, Times>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Slice {
    pub(super) from: String,
    pub(super) queries: u64,
    pub(super) failed: u64,
    pub(super) seconds_lost: f64,
    pub(super) p99_ns: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Times {
    pub(super) first: String,
    pub(super) last: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Name {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) rtype: String,
    pub(super) failed: u64,
    pub(super) errors: u64,
    pub(super) slow: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Trust {
    pub(super) complete: bool,
    pub(super) gaps: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Accounting {
    /// Whatever options choose.
    pub(super) queries_seen: u64,
    pub(super) in_flight: u64,
    pub(super) failures_by_cause: BTreeMap<String, u64>,
    pub(super) slow_by_cause: BTreeMap<String, u64>,
}

impl Picture {
    pub(super) fn of(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).context("a report that cannot be read")
    }
}

impl Row {
    pub(super) fn failed(&self) -> u64 {
        self.unanswered + self.late + self.refused + self.dropped
    }

    /// Answers that say that the server could not or would not.
    pub(super) fn errors(&self) -> u64 {
        let rcodes = self.rcodes.iter();
        let errors = rcodes.filter(|(name, _)| !["NOERROR", "NXDOMAIN"].contains(&&***name));
        errors.map(|(_, number)| number).sum()
    }

    /// The pod, container, unit or process; the process with its id; the address.
    pub(super) fn whom(&self) -> String {
        match (self.ip, self.pid) {
            (Some(ip), _) => std::net::SocketAddr::new(ip, self.port).to_string(),
            (None, Some(pid)) if self.name.is_empty() => format!("{} ({pid})", self.comm),
            (None, Some(pid)) => format!("{} ({pid})", self.name),
            (None, None) if self.name.is_empty() => "unknown".to_owned(),
            (None, None) => self.name.clone(),
        }
    }
}

impl Finding {
    /// Whether it speaks of somebody with this name.
    pub(super) fn names(&self, whom: &str) -> bool {
        let process = whom.strip_suffix(')').and_then(|it| it.rsplit_once(" ("));
        let texts = [&self.title, &self.cause].into_iter().chain(&self.evidence);
        let mut texts = texts.chain(&self.hit_hardest);
        match process {
            Some((comm, pid)) => {
                let told = format!("{comm} (pid {pid})");
                texts.any(|text| text.contains(&told))
                    || self.scope["pid"].as_u64() == pid.parse().ok()
            }
            None => texts.any(|text| text.contains(whom)),
        }
    }
}

/// `12:03:04` of an RFC 3339 time.
pub(super) fn moment(time: &str) -> &str {
    time.get(11..19).unwrap_or("")
}
