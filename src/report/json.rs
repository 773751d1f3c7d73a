//! The shapes of `kerno doctor --output json`. A field is absent, never null.

mod timeline;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use self::timeline::TimelineJson;
use super::Report;
use super::TroubledName;
use super::explained;
use super::headline;
use crate::attempt::identity::Labels;
use crate::attempt::identity::WorkloadId;
use crate::attribution;
use crate::collect::Accounting;
use crate::collect::Figures;
use crate::collect::LatencyFigures;
use crate::collect::LookupFigures;
use crate::collect::OutcomeTotals;
use crate::collect::ProcessKey;
use crate::collect::Row;
use crate::doctor::Finding;
use crate::doctor::ForOthers;
use crate::doctor::LostByCause;
use crate::doctor::Rule;
use crate::doctor::Verdict;
use crate::host::Facts;
use crate::host::Signal;
use crate::units;

pub(super) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &object(report))?;
    out.write_all(b"\n")
}

/// The same in as little room as there can be.
pub(super) fn compact(report: &Report) -> serde_json::Result<String> {
    serde_json::to_string(&object(report))
}

fn object(report: &Report) -> ReportJson<'_> {
    let by_name = |causes: &BTreeMap<Rule, u64>| {
        let named = causes.iter().map(|(rule, n)| (rule.name(), *n));
        named.collect()
    };
    let gaps = report.accounting.gaps();
    ReportJson {
        schema: "kerno.doctor.v1",
        time: humantime::format_rfc3339_nanos(report.time).to_string(),
        headline: headline::whole(report),
        host: &report.host,
        window: report.since.map(|since| WindowJson {
            from: humantime::format_rfc3339_nanos(since).to_string(),
            to: humantime::format_rfc3339_nanos(report.time).to_string(),
        }),
        window_seconds: rounded_seconds(report.window),
        filter: report.filter.as_deref(),
        signals: report.signals.iter().map(signal).collect(),
        lookups: AllLookupsJson {
            all: lookups(&report.dns.client.lookups, &report.losses.by_cause),
            for_others: (report.for_others.lookups > 0).then(|| for_others(&report.for_others)),
        },
        dns: dns(report),
        findings: (report.findings.iter())
            .map(|it| finding(report, it))
            .collect(),
        verdict: report.verdict,
        timeline: timeline::told(report),
        troubled_names: report.troubled_names.iter().map(name).collect(),
        picture: PictureJson {
            complete: gaps.is_empty(),
            gaps,
            not_read: &report.not_read,
            notes: &report.notes,
        },
        accounting: AccountingJson {
            counts: &report.accounting,
            failures_by_cause: by_name(&report.failures_by_cause),
            slow_by_cause: by_name(&report.slow_by_cause),
            workloads: report.attribution.as_ref().map(|it| AttributionJson {
                counts: &it.counts,
                not_known: &it.complaints,
            }),
        },
    }
}

#[derive(Serialize)]
struct ReportJson<'a> {
    schema: &'static str,
    time: String,
    headline: String,
    host: &'a Facts,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<WindowJson>,
    window_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<&'a str>,
    signals: Vec<SignalJson<'a>>,
    lookups: AllLookupsJson,
    dns: DnsJson,
    findings: Vec<FindingJson<'a>>,
    verdict: Verdict,
    timeline: TimelineJson,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    troubled_names: Vec<NameJson<'a>>,
    picture: PictureJson<'a>,
    accounting: AccountingJson<'a>,
}

#[derive(Serialize)]
struct FindingJson<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    causes_above: bool,
}

fn finding<'a>(report: &Report, finding: &'a Finding) -> FindingJson<'a> {
    FindingJson {
        finding,
        causes_above: explained::is_brief(report, finding),
    }
}

#[derive(Serialize)]
struct NameJson<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    rtype: &'a str,
    failed: u64,
    errors: u64,
    slow: u64,
}

#[derive(Serialize)]
struct WindowJson {
    from: String,
    to: String,
}

#[derive(Serialize)]
struct PictureJson<'a> {
    complete: bool,
    gaps: Vec<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    not_read: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
}

#[derive(Serialize)]
struct AccountingJson<'a> {
    #[serde(flatten)]
    counts: &'a Accounting,
    failures_by_cause: BTreeMap<&'static str, u64>,
    slow_by_cause: BTreeMap<&'static str, u64>,
    /// Windows that an older kerno wrote say nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    workloads: Option<AttributionJson<'a>>,
}

#[derive(Serialize)]
struct AttributionJson<'a> {
    #[serde(flatten)]
    counts: &'a attribution::Counts,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    not_known: &'a [String],
}

#[derive(Serialize)]
struct SignalJson<'a> {
    name: &'a str,
    shows: &'a str,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attached: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attached_seconds: Option<f64>,
}

#[derive(Serialize)]
struct DnsJson {
    #[serde(flatten)]
    client: FiguresJson,
    by_process: Vec<ProcessJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_processes: Option<FiguresJson>,
    by_workload: Vec<WorkloadJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_workloads: Option<FiguresJson>,
    by_server: Vec<ServerJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_servers: Option<FiguresJson>,
    server_side: FiguresJson,
}

#[derive(Serialize)]
struct ProcessJson {
    #[serde(skip_serializing_if = "String::is_empty")]
    comm: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(flatten)]
    figures: FiguresJson,
}

#[derive(Serialize)]
struct WorkloadJson {
    kind: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(flatten)]
    labels: Labels,
    queries_per_second: f64,
    lookups: LookupsJson,
    #[serde(flatten)]
    figures: FiguresJson,
}

#[derive(Serialize)]
struct AllLookupsJson {
    #[serde(flatten)]
    all: LookupsJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    for_others: Option<ForOthersJson>,
}

#[derive(Serialize)]
struct ForOthersJson {
    count: u64,
    failed: u64,
    seconds_lost: f64,
}

#[derive(Serialize)]
struct LookupsJson {
    count: u64,
    failed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ns: Option<LatencyJson>,
    queries_per_lookup: f64,
    seconds_lost: f64,
    lost_by_cause: BTreeMap<&'static str, f64>,
}

#[derive(Serialize)]
struct ServerJson {
    ip: IpAddr,
    port: u16,
    #[serde(flatten)]
    figures: FiguresJson,
}

#[derive(Serialize)]
struct FiguresJson {
    queries: u64,
    #[serde(flatten)]
    outcomes: OutcomeTotals,
    failure_percent: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ns: Option<LatencyJson>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    answers_by_latency: BTreeMap<u64, u64>,
    rcodes: BTreeMap<String, u64>,
    answered_after_resend: u64,
}

#[derive(Serialize)]
struct LatencyJson {
    p50: u64,
    p95: u64,
    p99: u64,
    max: u64,
}

/// To a millisecond.
fn rounded_seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).round() / 1e3
}

fn signal(signal: &Signal) -> SignalJson<'_> {
    SignalJson {
        name: signal.name.hook(),
        shows: &signal.shows,
        active: signal.missing.is_none(),
        reason: signal.missing.as_deref(),
        attached: signal.attached.map(|_| "on demand"),
        attached_seconds: signal.attached.map(rounded_seconds),
    }
}

fn dns(report: &Report) -> DnsJson {
    let dns = &report.dns;
    let by_workload = dns.by_workload.rows.iter();
    DnsJson {
        client: figures(&dns.client),
        by_process: dns.by_process.rows.iter().map(process).collect(),
        other_processes: dns.by_process.others.as_ref().map(figures),
        by_workload: by_workload.map(|row| workload(row, report)).collect(),
        other_workloads: dns.by_workload.others.as_ref().map(figures),
        by_server: dns.by_server.rows.iter().map(server).collect(),
        other_servers: dns.by_server.others.as_ref().map(figures),
        server_side: figures(&dns.server_side),
    }
}

fn process(row: &Row<ProcessKey>) -> ProcessJson {
    ProcessJson {
        comm: row.whom.comm.to_string(),
        pid: row.whom.pid,
        figures: figures(&row.figures),
    }
}

fn workload(row: &Row<WorkloadId>, report: &Report) -> WorkloadJson {
    let lost = report.losses.by_workload.get(&row.whom);
    let per_second = row.figures.queries() as f64 / report.window.as_secs_f64().max(1e-3);
    WorkloadJson {
        kind: row.whom.kind(),
        name: row.whom.name(),
        pid: match row.whom {
            WorkloadId::Process(pid, _) => pid,
            _ => None,
        },
        labels: row.whom.labels(),
        queries_per_second: (per_second * 1e3).round() / 1e3,
        lookups: lookups(&row.figures.lookups, lost.unwrap_or(&LostByCause::new())),
        figures: figures(&row.figures),
    }
}

fn name(it: &TroubledName) -> NameJson<'_> {
    NameJson {
        name: &it.name,
        rtype: &it.rtype,
        failed: it.failed,
        errors: it.errors,
        slow: it.slow,
    }
}

fn lookups(figures: &LookupFigures, lost: &LostByCause) -> LookupsJson {
    let per_lookup = units::ratio(figures.queries, figures.count);
    LookupsJson {
        count: figures.count,
        failed: figures.failed,
        latency_ns: figures.latency.as_ref().map(latency),
        queries_per_lookup: (per_lookup * 1e3).round() / 1e3,
        seconds_lost: units::seconds(lost.values().sum()),
        lost_by_cause: (lost.iter())
            .map(|(rule, ns)| (rule.name(), units::seconds(*ns)))
            .collect(),
    }
}

fn for_others(sum: &ForOthers) -> ForOthersJson {
    ForOthersJson {
        count: sum.lookups,
        failed: sum.failed,
        seconds_lost: units::seconds(sum.lost_ns),
    }
}

fn latency(latency: &LatencyFigures) -> LatencyJson {
    LatencyJson {
        p50: latency.p50_ns,
        p95: latency.p95_ns,
        p99: latency.p99_ns,
        max: latency.max_ns,
    }
}

fn server(row: &Row<SocketAddr>) -> ServerJson {
    ServerJson {
        ip: row.whom.ip(),
        port: row.whom.port(),
        figures: figures(&row.figures),
    }
}

fn figures(figures: &Figures) -> FiguresJson {
    let percent = units::ratio(figures.outcomes.failed(), figures.queries()) * 100.0;
    FiguresJson {
        queries: figures.queries(),
        outcomes: figures.outcomes,
        failure_percent: (percent * 1e3).round() / 1e3,
        latency_ns: figures.latency.as_ref().map(latency),
        answers_by_latency: (figures.latency.iter())
            .flat_map(|it| it.spread.buckets())
            .filter(|(_, _, answers)| *answers > 0)
            .map(|(_, up_to, answers)| (up_to, answers))
            .collect(),
        rcodes: figures.rcodes_by_name(),
        answered_after_resend: figures.answered_after_resend,
    }
}
