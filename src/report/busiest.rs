//! Who asks and who is asked: tables of the busiest.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;

use domain::base::iana::OptRcode;

use super::page::DIM;
use super::page::Page;
use super::table;
use super::table::Column;
use crate::collect;
use crate::collect::Figures;
use crate::collect::OutcomeTotals;
use crate::collect::ProcessKey;
use crate::collect::Snapshot;
use crate::collect::Table;
use crate::units;

/// Rows of the tables of processes and servers; the JSON report has them all.
const ROWS: usize = 5;
/// Rows of the table of workloads: a node has some dozens of pods.
const WORKLOADS: usize = 10;
/// Processes of one name that asked no more than this much each are a crowd: a
/// script that starts a program for each lookup. One by one they say nothing.
const CROWD_QUERIES: u64 = 3;

/// A row, of one or of several together.
#[derive(Debug)]
struct Row {
    name: String,
    outcomes: OutcomeTotals,
    /// Answers that say that the server could not or would not.
    errors: u64,
    /// 50th and 99th percentile and the slowest, in nanoseconds.
    latency: Option<[u64; 3]>,
}

impl Row {
    fn new(name: String, figures: &Figures) -> Self {
        let latency = figures.latency.as_ref();
        Self {
            name,
            outcomes: figures.outcomes,
            errors: errors(figures),
            latency: latency.map(|it| [it.p50_ns, it.p99_ns, it.max_ns]),
        }
    }

    fn cells(self, with_errors: bool) -> Vec<String> {
        let (queries, failed) = (self.outcomes.queries(), self.outcomes.failed());
        let failed = match failed {
            0 => "0".to_owned(),
            _ => format!(
                "{} ({})",
                units::count(failed),
                units::percent(failed, queries)
            ),
        };
        let mut cells = vec![self.name, units::count(queries), failed];
        if with_errors {
            cells.push(units::count(self.errors));
        }
        match self.latency {
            Some(latency) => cells.extend(latency.map(units::duration)),
            None => cells.extend(std::iter::repeat_n("–".to_owned(), 3)),
        }
        cells
    }
}

pub(super) fn errors(figures: &Figures) -> u64 {
    let fine = [Some(OptRcode::NOERROR), Some(OptRcode::NXDOMAIN)];
    let rcodes = figures.rcodes.iter();
    rcodes
        .filter(|(rcode, _)| !fine.contains(rcode))
        .map(|(_, count)| count)
        .sum()
}

/// A table of the busiest, as text.
#[derive(Debug)]
pub(super) struct Busiest {
    pub(super) columns: Vec<Column<'static>>,
    pub(super) rows: Vec<Vec<String>>,
    /// What is left out of it, in a sentence.
    pub(super) more: Option<String>,
}

/// Workloads where there are any, processes and servers.
pub(super) fn of(dns: &Snapshot) -> Vec<Busiest> {
    let mut tables = Vec::new();
    // Where everybody is a process, it would be the same table again.
    if dns.has_workloads() {
        let rows = rows(&dns.by_workload);
        let others = dns.by_workload.others.as_ref();
        tables.push(table_of("who asks: workload", rows, others, WORKLOADS));
    }
    let others = dns.by_process.others.as_ref();
    let asking = processes(&dns.by_process.rows);
    tables.push(table_of("who asks: process (pid)", asking, others, ROWS));
    let asked = rows(&dns.by_server);
    let others = dns.by_server.others.as_ref();
    tables.push(table_of("who is asked: server", asked, others, ROWS));
    tables
}

pub(super) fn tables(page: &mut Page<'_>, dns: &Snapshot) -> io::Result<()> {
    for (number, it) in of(dns).iter().enumerate() {
        if number > 0 {
            page.blank()?;
        }
        table::write(page, &it.columns, &it.rows)?;
        if let Some(more) = &it.more {
            page.paragraph((DIM, "  … "), (DIM, more))?;
        }
    }
    Ok(())
}

fn rows<K: ToString>(table: &Table<K>) -> Vec<Row> {
    let rows = table.rows.iter();
    rows.map(|row| Row::new(row.whom.to_string(), &row.figures))
        .collect()
}

/// Busiest first, crowds together.
fn processes(all: &[collect::Row<ProcessKey>]) -> Vec<Row> {
    let is_small = |row: &&collect::Row<ProcessKey>| row.figures.queries() <= CROWD_QUERIES;
    let mut by_name: BTreeMap<String, Vec<&Figures>> = BTreeMap::new();
    for row in all.iter().filter(is_small) {
        let figures = by_name.entry(row.whom.comm.to_string()).or_default();
        figures.push(&row.figures);
    }
    by_name.retain(|_, all| all.len() > ROWS);
    let alone = all
        .iter()
        .filter(|row| !is_small(row) || !by_name.contains_key(&row.whom.comm.to_string()))
        .map(|row| {
            let name = units::shorten(&row.whom.comm.to_string(), 30);
            let name = match row.whom.pid {
                Some(pid) => format!("{name} ({pid})"),
                None => "unknown".to_owned(),
            };
            Row::new(name, &row.figures)
        });
    let mut rows: Vec<_> = alone.collect();
    rows.extend(by_name.iter().map(|(name, all)| {
        let name = units::shorten(name, 30);
        let number = units::count(all.len() as u64);
        let together = Figures::together(all.iter().copied());
        Row::new(format!("{name} ({number} processes)"), &together)
    }));
    rows.sort_by_key(|row| std::cmp::Reverse(row.outcomes.queries()));
    rows
}

fn table_of(kind: &'static str, rows: Vec<Row>, others: Option<&Figures>, max: usize) -> Busiest {
    let (rows, hidden) = chosen(rows, max);
    let with_errors = rows.iter().any(|row| row.errors > 0);
    let mut columns = vec![(kind, 0), ("queries", 0), ("failed", 0)];
    columns.extend(with_errors.then_some(("errors", 0)));
    columns.extend([("half within", 3), ("99 % within", 1), ("slowest", 2)]);
    let others = others.map(|figures| Row::new("many quieter ones together".to_owned(), figures));
    let cells = rows.into_iter().chain(others);
    let cells = cells.map(|row| row.cells(with_errors)).collect();
    let more = (!hidden.is_empty()).then(|| {
        let queries = hidden.iter().map(|row| row.outcomes.queries()).sum();
        format!(
            "and {} more with {} in all; --output json has every one",
            units::count(hidden.len() as u64),
            units::queries(queries)
        )
    });
    Busiest {
        columns,
        rows: cells,
        more,
    }
}

/// The busiest, and in their last places those that are hit hardest, however quiet
/// they are.
fn chosen(rows: Vec<Row>, max: usize) -> (Vec<Row>, Vec<Row>) {
    let hurt = |row: &Row| row.outcomes.failed() + row.errors;
    let mut worst: Vec<_> = (0..rows.len()).filter(|&at| hurt(&rows[at]) > 0).collect();
    worst.sort_by_key(|&at| std::cmp::Reverse(hurt(&rows[at])));
    let by_size = (0..rows.len()).take(max - max / 2);
    let mut shown = BTreeSet::new();
    for at in by_size.chain(worst).chain(0..rows.len()) {
        if shown.len() < max {
            shown.insert(at);
        }
    }
    let mut places = 0..;
    let is_shown = |_: &Row| places.next().is_some_and(|at| shown.contains(&at));
    rows.into_iter().partition(is_shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::Comm;
    use crate::collect::LatencyFigures;
    use crate::collect::Spread;

    fn figures(queries: u64, failed: u64) -> Figures {
        let mut spread = Spread::default();
        (failed..queries).for_each(|_| spread.record(150_000));
        Figures {
            outcomes: OutcomeTotals {
                answered: queries - failed,
                unanswered: failed,
                ..OutcomeTotals::default()
            },
            latency: (queries > failed).then(|| LatencyFigures {
                p50_ns: 150_000,
                p95_ns: 150_000,
                p99_ns: 150_000,
                max_ns: 150_000,
                sum_ns: 150_000 * (queries - failed),
                near_resend: Default::default(),
                spread,
            }),
            ..Figures::default()
        }
    }

    fn process(comm: &[u8], pid: u32, queries: u64) -> collect::Row<ProcessKey> {
        collect::Row {
            whom: ProcessKey {
                pid: Some(pid),
                comm: Comm::new(comm),
            },
            figures: figures(queries, 0),
        }
    }

    fn names(rows: &[Row]) -> Vec<&str> {
        rows.iter().map(|row| row.name.as_str()).collect()
    }

    #[test]
    fn a_crowd_of_short_lived_processes_is_one_row() {
        let mut all = vec![process(b"curl", 1, 20)];
        all.extend((2..32).map(|pid| process(b"curl", pid, 1)));
        all.extend((50..53).map(|pid| process(b"dig", pid, 2)));
        let rows = processes(&all);
        assert_eq!(
            names(&rows),
            [
                "curl (30 processes)",
                "curl (1)",
                "dig (50)",
                "dig (51)",
                "dig (52)"
            ]
        );
        assert_eq!(rows[0].outcomes.queries(), 30);
        // The upper edge of 200 µs is beyond the slowest.
        assert_eq!(rows[0].latency, Some([150_000; 3]));
    }

    #[test]
    fn whoever_is_hit_is_shown_however_quiet() {
        let row = |at: u64| {
            let failed = u64::from(at == 90);
            Row::new(at.to_string(), &figures(100 - at + failed, failed))
        };
        let (shown, hidden) = chosen((0..99).map(row).collect(), 4);
        assert_eq!(names(&shown), ["0", "1", "2", "90"]);
        assert_eq!(hidden.len(), 95);
        let (shown, hidden) = chosen((0..3).map(row).collect(), 4);
        assert_eq!((shown.len(), hidden.len()), (3, 0));
    }

    #[test]
    fn error_answers_have_a_column_where_there_are_any() {
        let told = |rcode: OptRcode| {
            let mut figures = figures(10, 0);
            figures.rcodes.insert(Some(rcode), 10);
            let rows = vec![Row::new("shop".to_owned(), &figures)];
            let columns = table_of("who", rows, None, ROWS).columns;
            columns.iter().any(|(head, _)| *head == "errors")
        };
        assert!(told(OptRcode::SERVFAIL));
        assert!(!told(OptRcode::NXDOMAIN));
    }
}
