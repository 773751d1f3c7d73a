//! Answers of a Prometheus, from octets: for `crate::fuzzing`.

use std::time::Duration;
use std::time::SystemTime;

use http::StatusCode;

use super::Report;
use super::prometheus;
use super::series::Series;
use super::series::Status;
use super::since;
use super::table::Table;
use crate::report::Form;

const LAST: Duration = Duration::from_secs(300);
const STEP: Duration = Duration::from_secs(60);

/// What the doctor of a fleet says after these answers, as a program reads it and as people do.
/// Each answer is a line; the letter before it says to which question (`KINDS`).
pub(crate) fn told(octets: &[u8]) -> (String, Vec<String>) {
    let mut table = Table::default();
    let mut complaints = Vec::new();
    let mut answers: Vec<_> = octets.split(|&octet| octet == b'\n').collect();
    let kind = |line: &[u8]| KINDS.iter().position(|kind| line.first() == Some(kind));
    answers.retain(|line| kind(line).is_some());
    // In the order in which they are asked.
    answers.sort_by_key(|line| kind(line));
    for line in answers {
        let answer = match prometheus::read(StatusCode::OK, &line[1..]) {
            Ok(answer) => answer,
            Err(why) => {
                complaints.push(why);
                complaints.extend(prometheus::read(StatusCode::NOT_FOUND, &line[1..]).err());
                continue;
            }
        };
        complaints.extend(answer.warnings.iter().map(|it| prometheus::words(it)));
        if answer.status == Status::Error {
            complaints.push(prometheus::words(&answer.error));
        }
        let series = answer.data.map(|data| data.series()).unwrap_or_default();
        add(&mut table, line[0], &series);
    }
    let to = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let mut all = complaints.clone();
    let report = Report::of(table, complaints, to, LAST);
    let json = written(&report, Form::Json);
    for form in [
        Form::Pretty {
            columns: 60,
            colours: false,
        },
        Form::Markdown,
        Form::Html,
    ] {
        let page = written(&report, form);
        // Behind it is the JSON, as it is.
        let shown = page.split("<script type=\"application/json\"").next();
        all.extend(shown.map(str::to_owned));
    }
    (json, all)
}

fn written(report: &Report, form: Form) -> String {
    let mut out = Vec::new();
    report.write(form, &mut out).expect("it is written");
    String::from_utf8(out).expect("UTF-8")
}

/// By which question, in their order: agents, who is down, gone and known, labels, findings
/// and those of now, failures, time lost, queries, lookups, losses, verdicts, whom it hurts,
/// queries of workloads, since when.
const KINDS: &[u8] = b"adgklonftquxvbws";

fn add(table: &mut Table, kind: u8, all: &[Series]) {
    if kind == b'a' {
        return table.add_agents(all);
    }
    let to = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    for series in all {
        match kind {
            b'd' => table.add_down(series),
            b'g' => table.add_gone(series),
            b'k' => table.add_known(series),
            b'l' => table.add_labels(series),
            b'o' => table.add_open(series, false),
            b'n' => table.add_open(series, true),
            b'f' => table.add_failures(series),
            b't' => table.add_lost_time(series),
            b'q' => table.add_queries(series),
            b'u' => table.add_lookups(series),
            b'x' => table.add_losses(series),
            b'v' => table.add_verdict(series),
            b'b' => table.add_blame(series),
            b'w' => table.add_workload_queries(series),
            _ => {
                let Some(rule) = series.label("rule") else {
                    continue;
                };
                let server = series.label("server").map(str::to_owned);
                let began = since::began(series.times(), to - LAST, to, STEP);
                table.began.insert((rule.to_owned(), server), began);
            }
        }
    }
}
