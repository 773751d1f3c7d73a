//! What the job left on a kernel: kerno's own JSON, read for what is judged.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

/// The files that tests/kernels/job.sh leaves, by name.
pub(crate) type Files = BTreeMap<String, String>;

/// `kerno verify --output json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Verification {
    pub(crate) programs: Vec<Program>,
    pub(crate) signals: Vec<Signal>,
    pub(crate) counters: Vec<Counter>,
}

/// A program of `kerno counters`.
#[derive(Debug, Deserialize)]
pub(crate) struct Counter {
    pub(crate) name: String,
    pub(crate) state: CounterState,
    pub(crate) reason: Option<String>,
    pub(crate) verified_insns: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CounterState {
    Attached,
    NotNeeded,
    Missing,
    Refused,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) verified_insns: Option<u32>,
    pub(crate) load_error: Option<String>,
    pub(crate) attach_error: Option<String>,
    pub(crate) expected: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Signal {
    pub(crate) name: String,
    pub(crate) available: bool,
    pub(crate) reason: Option<String>,
}

/// `kerno chaos --induce dns-mix --output json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Mix {
    pub(crate) rounds: u64,
    pub(crate) slowest_answer_ns: u64,
    pub(crate) total: Counted,
    pub(crate) parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Part {
    pub(crate) part: String,
    pub(crate) transport: String,
    pub(crate) server: Endpoint,
    #[serde(flatten)]
    pub(crate) counted: Counted,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Endpoint {
    pub(crate) ip: IpAddr,
    pub(crate) port: u16,
}

/// What the mix itself counted.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Counted {
    pub(crate) queries: u64,
    pub(crate) answered: u64,
    pub(crate) unanswered: u64,
    pub(crate) refused: u64,
    pub(crate) unheard: u64,
}

/// `kerno doctor --output json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Diagnosis {
    pub(crate) dns: Dns,
    pub(crate) findings: Vec<Finding>,
    pub(crate) accounting: Accounting,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Dns {
    pub(crate) latency_ns: Option<Latency>,
    pub(crate) by_server: Vec<OneServer>,
    pub(crate) server_side: Outcomes,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OneServer {
    #[serde(flatten)]
    pub(crate) server: Endpoint,
    #[serde(flatten)]
    pub(crate) outcomes: Outcomes,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub(crate) struct Outcomes {
    pub(crate) queries: u64,
    pub(crate) answered: u64,
    pub(crate) unanswered: u64,
    pub(crate) refused: u64,
    pub(crate) late: u64,
    pub(crate) dropped: u64,
    pub(crate) superseded: u64,
    pub(crate) answered_after_resend: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50: u64,
    pub(crate) max: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Finding {
    pub(crate) rule: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Accounting {
    pub(crate) lost: u64,
    pub(crate) in_flight: u64,
}

/// Everything that came of a job, or for each part why it did not.
#[derive(Debug)]
pub(crate) struct Reported {
    /// `uname -r`.
    pub(crate) kernel: String,
    pub(crate) verification: Result<Verification, String>,
    pub(crate) mix: Result<Mix, String>,
    pub(crate) diagnosis: Result<Diagnosis, String>,
    /// Programs in the kernel after `kerno verify`, while the doctor watched,
    /// and at the end; `None` on a kernel that others use too.
    pub(crate) programs_in_kernel: Option<[u64; 3]>,
}

impl Reported {
    /// Whether nobody else's queries and programs were there.
    pub(crate) fn is_alone(&self) -> bool {
        self.programs_in_kernel.is_some()
    }

    pub(crate) fn read(files: &Files) -> Self {
        let number = |name: &str| files.get(name)?.trim().parse().ok();
        let counts = || {
            Some([
                number("programs.after_verify")?,
                number("programs.watching")?,
                number("programs.at_the_end")?,
            ])
        };
        Self {
            kernel: files
                .get("kernel")
                .map_or("?", |name| name.trim())
                .to_owned(),
            verification: read(files, "verify"),
            mix: read(files, "chaos"),
            diagnosis: read(files, "doctor"),
            programs_in_kernel: counts(),
        }
    }
}

/// The JSON that a command printed, or what it said instead.
fn read<T: for<'de> Deserialize<'de>>(files: &Files, command: &str) -> Result<T, String> {
    let file = |kind: &str| {
        files
            .get(&format!("{command}.{kind}"))
            .map_or("", String::as_str)
    };
    serde_json::from_str(file("json")).map_err(|error| match file("err").trim() {
        "" if file("code").is_empty() => format!("kerno {command} did not end"),
        "" => format!("kerno {command} printed no report: {error}"),
        said => said.lines().last().unwrap_or(said).to_owned(),
    })
}
