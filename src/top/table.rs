//! The tables: their columns, and their lines from what is shown.

use std::cmp::Ordering;
use std::collections::VecDeque;

use super::failure::Failure;
use super::picture::Finding;
use super::picture::Picture;
use super::picture::Row;
use super::tab::Tab;
use crate::units;

/// A line of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// What it is about.
    pub(super) key: String,
    /// One for each column.
    pub(super) cells: Vec<String>,
    /// What columns with figures are sorted by.
    figures: Vec<f64>,
    /// What went wrong for it, and how long it waited: of who is hurt alike, that counts.
    hurt: (f64, f64),
    /// `!` where something is wrong, and ` ` where not: colour never tells it alone.
    pub(super) sign: char,
}

impl Line {
    fn new(key: String, cells: Vec<(String, f64)>, is_hurt: bool) -> Self {
        let (cells, figures): (Vec<_>, Vec<_>) = cells.into_iter().unzip();
        let first = vec![key.clone()];
        Self {
            key,
            cells: first.into_iter().chain(cells).collect(),
            // The first column of each table with figures.
            hurt: (figures.first().copied().unwrap_or(0.0), 0.0),
            figures,
            sign: if is_hurt { '!' } else { ' ' },
        }
    }

    /// All that is written in it.
    pub(super) fn text(&self) -> String {
        self.cells.join(" ")
    }

    /// By a column, the most first; by the first one, which has no figures, the most hurt.
    pub(super) fn order(&self, other: &Self, column: usize) -> Ordering {
        let of = |line: &Self| match column.checked_sub(1) {
            Some(at) => (line.figures.get(at).copied().unwrap_or(0.0), 0.0),
            None => line.hurt,
        };
        let (one, other_one) = (of(self), of(other));
        let by_figure = other_one.0.total_cmp(&one.0);
        let by_figure = by_figure.then_with(|| other_one.1.total_cmp(&one.1));
        by_figure.then_with(|| self.key.cmp(&other.key))
    }
}

/// The heads of a table's columns behind the first, in which it says what it is about.
pub(super) fn columns(tab: Tab) -> &'static [&'static str] {
    match tab {
        Tab::Findings => &["queries", "time lost"],
        Tab::Workloads => &["failed", "queries", "errors", "P99", "time lost"],
        Tab::Servers | Tab::Processes => &["failed", "queries", "errors", "P50", "P99"],
        Tab::Names => &["failed", "errors", "slow"],
        Tab::Causes => &["failed", "slow", "time lost"],
        Tab::Failures => &["question", "who asked", "result", "server"],
    }
}

/// The head of the first column.
pub(super) fn subject(tab: Tab) -> &'static str {
    match tab {
        Tab::Findings => "finding",
        Tab::Workloads => "workload",
        Tab::Servers => "server",
        Tab::Processes => "process",
        Tab::Names => "name",
        Tab::Causes => "cause",
        Tab::Failures => "time",
    }
}

/// All lines, in no order.
pub(super) fn lines(
    picture: Option<&Picture>,
    failures: &VecDeque<Failure>,
    tab: Tab,
) -> Vec<Line> {
    if tab == Tab::Failures {
        return failures.iter().map(failure).collect();
    }
    let Some(picture) = picture else {
        return Vec::new();
    };
    let dns = &picture.dns;
    match tab {
        Tab::Findings => (1..)
            .zip(&picture.findings)
            .map(|(n, it)| finding(n, it))
            .collect(),
        Tab::Workloads => dns.by_workload.iter().map(|row| whose(row, true)).collect(),
        Tab::Servers => dns.by_server.iter().map(|row| whose(row, false)).collect(),
        Tab::Processes => dns.by_process.iter().map(|row| whose(row, false)).collect(),
        Tab::Names => picture.troubled_names.iter().map(name).collect(),
        Tab::Causes => causes(picture),
        Tab::Failures => Vec::new(),
    }
}

fn count(number: u64) -> (String, f64) {
    (units::count(number), number as f64)
}

fn duration(ns: Option<u64>) -> (String, f64) {
    let text = ns.map_or_else(|| "-".to_owned(), units::duration);
    (text, ns.unwrap_or(0) as f64)
}

fn seconds(seconds: f64) -> (String, f64) {
    let ns = (seconds.clamp(0.0, 1e9) * 1e9) as u64;
    match ns {
        0 => ("0".to_owned(), 0.0),
        ns => (units::duration(ns), seconds),
    }
}

fn failed(failed: u64, of: u64) -> (String, f64) {
    let text = match failed {
        0 => "0".to_owned(),
        _ => format!("{} ({})", units::count(failed), units::percent(failed, of)),
    };
    (text, failed as f64)
}

fn whose(row: &Row, is_workload: bool) -> Line {
    let latency =
        |of: fn(&super::picture::Latency) -> u64| duration(row.latency_ns.as_ref().map(of));
    let mut cells = vec![
        failed(row.failed(), row.queries),
        count(row.queries),
        count(row.errors()),
    ];
    match is_workload {
        true => cells.extend([latency(|it| it.p99), seconds(row.lookups.seconds_lost)]),
        false => cells.extend([latency(|it| it.p50), latency(|it| it.p99)]),
    }
    let hurt = row.failed() + row.errors();
    let line = Line::new(row.whom(), cells, hurt > 0);
    // The last column is of time.
    let waited = line.figures.last().copied().unwrap_or(0.0);
    Line {
        hurt: (hurt as f64, waited),
        ..line
    }
}

fn finding(number: usize, it: &Finding) -> Line {
    let sign = match &*it.severity {
        "critical" => '!',
        "warning" => '~',
        _ => ' ',
    };
    let title = format!("{number}. {}", it.title);
    let mut line = Line::new(
        title,
        vec![count(it.queries), seconds(it.seconds_lost)],
        true,
    );
    line.sign = sign;
    line
}

fn name(it: &super::picture::Name) -> Line {
    let cells = vec![count(it.failed), count(it.errors), count(it.slow)];
    Line {
        hurt: ((it.failed + it.errors + it.slow) as f64, 0.0),
        ..Line::new(format!("{} {}", it.name, it.rtype), cells, true)
    }
}

fn causes(picture: &Picture) -> Vec<Line> {
    let (failures, slow) = (
        &picture.accounting.failures_by_cause,
        &picture.accounting.slow_by_cause,
    );
    let lost = &picture.lookups.lost_by_cause;
    let rules = failures.keys().chain(slow.keys()).chain(lost.keys());
    let rules: std::collections::BTreeSet<_> = rules.collect();
    let line = |rule: &String| {
        let of = |all: &std::collections::BTreeMap<String, u64>| {
            count(all.get(rule).copied().unwrap_or(0))
        };
        let lost = seconds(lost.get(rule).copied().unwrap_or(0.0));
        let mut line = Line::new(rule.clone(), vec![of(failures), of(slow), lost], true);
        // In words, too: the first finding of the rule is the worst.
        if let Some(it) = picture.findings.iter().find(|it| it.rule == *rule) {
            line.cells[0] = format!("{rule}: {}", it.title);
        }
        line
    };
    rules.into_iter().map(line).collect()
}

fn failure(it: &Failure) -> Line {
    let texts = [it.question(), it.workload(), it.end(), it.server()];
    let cells = texts.map(|text| (text, 0.0)).to_vec();
    Line::new(it.moment().to_owned(), cells, true)
}
