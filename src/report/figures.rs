//! The figures as a reader wants them: tables of the busiest, and bars.

use std::cmp::Reverse;
use std::io;

use super::page::BOLD;
use super::page::DIM;
use super::page::PLAIN;
use super::page::Page;
use super::page::RED;
use super::page::YELLOW;
use super::table;
use crate::collect::Figures;
use crate::collect::Snapshot;
use crate::doctor::thresholds::LATENCY_WARNING_NS;
use crate::units;

/// Rows of each table; the JSON report has them all.
const ROWS: usize = 5;
/// Columns of the longest bar.
const BAR: u64 = 50;

/// The busiest processes and servers.
pub(super) fn tables(page: &mut Page<'_>, dns: &Snapshot) -> io::Result<()> {
    let processes: Vec<_> = dns
        .by_process
        .iter()
        .map(|row| {
            let name = match row.pid {
                Some(pid) => format!("{} ({pid})", units::shorten(&row.comm.to_string(), 30)),
                None => "unknown".to_owned(),
            };
            (name, &row.figures)
        })
        .collect();
    let workloads: Vec<_> = dns
        .by_workload
        .iter()
        .map(|row| (row.whom.to_string(), &row.figures))
        .collect();
    let servers: Vec<_> = dns
        .by_server
        .iter()
        .map(|row| (row.address.to_string(), &row.figures))
        .collect();
    // Where everybody is a process, it would be the same table again.
    if dns.has_workloads() {
        busiest(
            page,
            "who asks: workload",
            workloads,
            dns.other_workloads.as_ref(),
        )?;
        page.blank()?;
    }
    busiest(
        page,
        "who asks: process (pid)",
        processes,
        dns.other_processes.as_ref(),
    )?;
    page.blank()?;
    busiest(
        page,
        "who is asked: server",
        servers,
        dns.other_servers.as_ref(),
    )
}

fn busiest(
    page: &mut Page<'_>,
    kind: &str,
    rows: Vec<(String, &Figures)>,
    others: Option<&Figures>,
) -> io::Result<()> {
    let hidden = rows.get(ROWS..).unwrap_or_default();
    let hidden_queries: u64 = hidden.iter().map(|(_, figures)| figures.queries()).sum();
    let mut cells: Vec<_> = rows
        .iter()
        .take(ROWS)
        .map(|(name, figures)| row(name.clone(), figures))
        .collect();
    if let Some(figures) = others {
        cells.push(row("many quieter ones together".to_owned(), figures));
    }
    let head = [
        kind,
        "queries",
        "failed",
        "half within",
        "99 % within",
        "slowest",
    ];
    table::write(page, head, &cells)?;
    if !hidden.is_empty() {
        let text = format!(
            "  … and {} more with {} in all; --output json has every one",
            units::count(hidden.len() as u64),
            units::counted(hidden_queries, "query", "queries")
        );
        page.line(&[(DIM, &text)])?;
    }
    Ok(())
}

fn row(name: String, figures: &Figures) -> [String; 6] {
    let failed = figures.outcomes.failed();
    let latency = |pick: fn(&crate::collect::LatencyFigures) -> u64| {
        figures
            .latency
            .as_ref()
            .map_or_else(|| "–".to_owned(), |l| units::duration(pick(l)))
    };
    [
        name,
        units::count(figures.queries()),
        match failed {
            0 => "0".to_owned(),
            _ => format!(
                "{} ({})",
                units::count(failed),
                units::percent(failed, figures.queries())
            ),
        },
        latency(|l| l.p50_ns),
        latency(|l| l.p99_ns),
        latency(|l| l.max_ns),
    ]
}

/// How long answers took, and the queries that have none, as bars.
pub(super) fn bars(page: &mut Page<'_>, client: &Figures) -> io::Result<()> {
    let mut rows = Vec::new();
    if let Some(latency) = &client.latency {
        let buckets: Vec<_> = latency.spread.buckets().collect();
        let used = |bucket: &(u64, u64, u64)| bucket.2 > 0;
        let first = buckets.iter().position(used).unwrap_or(0);
        let last = buckets.iter().rposition(used).unwrap_or(0);
        for &(above, up_to, count) in &buckets[first..=last] {
            let name = match up_to {
                u64::MAX => format!("over {}", edge(above)),
                _ => format!("up to {}", edge(up_to)),
            };
            let style = if above >= LATENCY_WARNING_NS {
                YELLOW
            } else {
                PLAIN
            };
            rows.push((style, name, count));
        }
    }
    let outcomes = &client.outcomes;
    for (name, count) in [
        ("answered too late", outcomes.late),
        ("no answer", outcomes.unanswered),
        ("refused", outcomes.refused),
        ("dropped here", outcomes.dropped),
    ] {
        if count > 0 {
            rows.push((RED, name.to_owned(), count));
        }
    }
    page.line(&[(BOLD, "How long answers took")])?;
    let longest = rows.iter().map(|(_, _, count)| *count).max().unwrap_or(0);
    let width = units::count(longest).len();
    for (style, name, count) in rows {
        let figure = format!("  {name:>17}  {:>width$}", units::count(count));
        page.line(&[(PLAIN, &figure), (style, &bar(count, longest))])?;
    }
    if outcomes.superseded > 0 {
        let text = format!(
            "  Not shown: {} asked of several servers at once, where another one answered first.",
            units::counted(outcomes.superseded, "query", "queries")
        );
        page.line(&[(DIM, &text)])?;
    }
    rcodes(page, client)
}

/// An edge is exact: `100 ms`, `1 s`.
fn edge(ns: u64) -> String {
    units::duration(ns).replace(".0 ", " ")
}

/// What the answers said, most frequent first.
fn rcodes(page: &mut Page<'_>, figures: &Figures) -> io::Result<()> {
    let answers: u64 = figures.rcodes.values().sum();
    let mut rcodes: Vec<_> = figures.rcodes.iter().collect();
    rcodes.sort_by_key(|&(_, &n)| Reverse(n));
    let told: Vec<_> = rcodes
        .into_iter()
        .map(|(name, &n)| {
            format!(
                "{name} {} ({})",
                units::count(n),
                units::percent(n, answers)
            )
        })
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    page.blank()?;
    page.flowing((BOLD, "What they said: "), &told.join(", "))
}

/// In proportion, but never nothing for something.
fn bar(count: u64, longest: u64) -> String {
    if count == 0 {
        return String::new();
    }
    let columns = u128::from(count) * u128::from(BAR) / u128::from(longest.max(1));
    format!(
        "  {}",
        "█".repeat(usize::try_from(columns).unwrap_or(0).max(1))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion_and_show_the_smallest() {
        assert_eq!(bar(0, 100), "");
        assert_eq!(bar(1, 1_000_000), "  █");
        assert_eq!(bar(50, 100).chars().count(), 2 + 25);
        assert_eq!(bar(u64::MAX, u64::MAX).chars().count(), 2 + 50);
    }
}
