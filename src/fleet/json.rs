//! `kerno.fleet.v1`.

use std::io;
use std::time::SystemTime;

use serde::Serialize;

use super::Report;
use super::finding::Finding;
use super::place::Place;
use super::since::Began;
use super::table::Name;
use super::table::Severity;
use super::words;
use crate::doctor::Verdict;

pub(super) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &object(report))?;
    out.write_all(b"\n")
}

/// The same in as little room as there can be.
pub(super) fn compact(report: &Report) -> serde_json::Result<String> {
    serde_json::to_string(&object(report))
}

fn object(report: &Report) -> ReportJson<'_> {
    let table = &report.table;
    let seen = || table.seen().map(|(_, node)| node);
    let from = report
        .to
        .checked_sub(report.last)
        .unwrap_or(SystemTime::UNIX_EPOCH);
    ReportJson {
        schema: "kerno.fleet.v1",
        window: WindowJson {
            from: time(from),
            to: time(report.to),
        },
        verdict: report.verdict,
        nodes: NodesJson {
            seen: seen().count() as u64,
            hurt: super::note::hurt(&report.findings).len() as u64,
            silent: table.silent().iter().map(|name| name.0.clone()).collect(),
        },
        lookups: LookupsJson {
            count: seen().map(|it| it.lookups).sum::<f64>().round() as u64,
            failed: seen().map(|it| it.lookups_failed).sum::<f64>().round() as u64,
            seconds_lost: rounded(table.lost_time.values().sum()),
        },
        findings: report.findings.iter().map(finding).collect(),
        missing: &report.missing,
    }
}

fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}

fn names<'a>(nodes: impl IntoIterator<Item = &'a Name>) -> Vec<&'a str> {
    nodes.into_iter().map(|name| &*name.0).collect()
}

fn finding(it: &Finding) -> FindingJson<'_> {
    FindingJson {
        rule: &it.rule,
        severity: match it.severity {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Info => "info",
        },
        title: words::title(&it.rule),
        place: &it.place,
        nodes: names(&it.nodes),
        open: it.is_open,
        since: it.since.map(|began| time(began.moment())),
        since_or_before: matches!(it.since, Some(Began::Before(_))),
        servers: it.servers.iter().map(|it| &**it).collect(),
        workloads: it
            .workloads
            .iter()
            .map(|(name, queries_failed)| WorkloadJson {
                name,
                queries_failed: *queries_failed,
            })
            .collect(),
        queries_failed: it.queries_failed,
        lookups_failed: it.lookups_failed,
        seconds_lost: rounded(it.seconds_lost),
        explains: it
            .explains
            .iter()
            .map(|symptom| SymptomJson {
                rule: &symptom.rule,
                nodes: names(&symptom.nodes),
                server: symptom.server.as_deref(),
            })
            .collect(),
        fix: words::fix(&it.rule),
    }
}

#[derive(Serialize)]
struct ReportJson<'a> {
    schema: &'static str,
    window: WindowJson,
    verdict: Verdict,
    nodes: NodesJson,
    lookups: LookupsJson,
    findings: Vec<FindingJson<'a>>,
    missing: &'a [String],
}

#[derive(Serialize)]
struct WindowJson {
    from: String,
    to: String,
}

#[derive(Serialize)]
struct NodesJson {
    seen: u64,
    hurt: u64,
    silent: Vec<String>,
}

#[derive(Serialize)]
struct LookupsJson {
    count: u64,
    failed: u64,
    seconds_lost: f64,
}

#[derive(Serialize)]
struct FindingJson<'a> {
    rule: &'a str,
    severity: &'static str,
    title: String,
    place: &'a Place,
    nodes: Vec<&'a str>,
    open: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// It was there already when what is kept begins.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    since_or_before: bool,
    servers: Vec<&'a str>,
    workloads: Vec<WorkloadJson<'a>>,
    queries_failed: u64,
    lookups_failed: u64,
    seconds_lost: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    explains: Vec<SymptomJson<'a>>,
    fix: &'static str,
}

#[derive(Serialize)]
struct WorkloadJson<'a> {
    name: &'a str,
    queries_failed: u64,
}

#[derive(Serialize)]
struct SymptomJson<'a> {
    rule: &'a str,
    nodes: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<&'a str>,
}
