//! The shape of `kerno counters --output json`. A field is absent, never null.

use std::collections::BTreeMap;
use std::io;

use kerno_counters::Figure;
use serde::Serialize;

use super::CountersReport;
use super::ProgramState;
use crate::attempt::identity::Labels;
use crate::attempt::identity::WorkloadId;
use crate::counters::Placed;
use crate::counters::Workload;
use crate::host::Facts;

pub(super) fn write(report: &CountersReport, out: &mut dyn io::Write) -> io::Result<()> {
    let gaps = report.gaps();
    let object = ReportJson {
        schema: "kerno.counters.v1",
        time: humantime::format_rfc3339_nanos(report.time).to_string(),
        host: &report.host,
        window_seconds: (report.window.as_secs_f64() * 1e3).round() / 1e3,
        programs: report.programs.iter().map(program).collect(),
        workloads: report.workloads.iter().map(workload).collect(),
        picture: PictureJson {
            complete: gaps.is_empty(),
            gaps,
        },
        accounting: AccountingJson {
            placed: report.placed,
            lost: &report.lost,
            not_known: &report.not_known,
        },
    };
    serde_json::to_writer_pretty(&mut *out, &object)?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct ReportJson<'a> {
    schema: &'static str,
    time: String,
    host: &'a Facts,
    window_seconds: f64,
    programs: Vec<ProgramJson<'a>>,
    workloads: Vec<WorkloadJson<'a>>,
    picture: PictureJson,
    accounting: AccountingJson<'a>,
}

#[derive(Serialize)]
struct ProgramJson<'a> {
    name: &'static str,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<MissingJson<'a>>,
}

#[derive(Serialize)]
struct MissingJson<'a> {
    counter: &'static str,
    reason: &'a str,
}

#[derive(Serialize)]
struct WorkloadJson<'a> {
    kind: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup_id: Option<u64>,
    processes: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
    #[serde(flatten)]
    labels: Labels,
    #[serde(flatten)]
    figures: BTreeMap<&'static str, BTreeMap<&'a str, FigureJson<'a>>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum FigureJson<'a> {
    Count(u64),
    Log2 { log2_ns: &'a [u64] },
}

#[derive(Serialize)]
struct PictureJson {
    complete: bool,
    gaps: Vec<String>,
}

#[derive(Serialize)]
struct AccountingJson<'a> {
    #[serde(flatten)]
    placed: Placed,
    lost: &'a BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    not_known: &'a [String],
}

fn program(state: &ProgramState) -> ProgramJson<'_> {
    let missing = state.missing.iter();
    ProgramJson {
        name: state.name,
        active: state.reason.is_none(),
        reason: state.reason.as_deref(),
        missing: missing
            .map(|(counter, reason)| MissingJson { counter, reason })
            .collect(),
    }
}

fn workload(workload: &Workload) -> WorkloadJson<'_> {
    let figures = workload.figures.iter();
    WorkloadJson {
        kind: workload.whom.kind(),
        name: workload.whom.name(),
        pid: match workload.whom {
            WorkloadId::Process(pid, _) => pid,
            _ => None,
        },
        cgroup_id: workload.cgroup_id,
        processes: workload.processes,
        ended: workload.has_ended,
        labels: workload.whom.labels(),
        figures: figures
            .map(|(program, figures)| {
                let figures = figures.iter().map(|(name, it)| (name.as_str(), figure(it)));
                (*program, figures.collect())
            })
            .collect(),
    }
}

fn figure(figure: &Figure) -> FigureJson<'_> {
    match figure {
        Figure::Count(count) => FigureJson::Count(*count),
        Figure::Log2Ns(slots) => FigureJson::Log2 { log2_ns: slots },
    }
}
