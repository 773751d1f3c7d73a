//! What people feel: lookups, and the time that they lost.

use std::io;

use super::Report;
use super::page::BOLD;
use super::page::DIM;
use super::page::PLAIN;
use super::page::Page;
use crate::doctor::ForOthers;
use crate::doctor::Rule;
use crate::units;

/// Causes of lost time that are named.
const CAUSES: usize = 4;
/// For who has not met the word.
pub(super) const WHAT: &str =
    "A lookup is what a program wanted to know once, with all its queries.";

/// The first figures of the report, if a lookup was over.
pub(super) fn write(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let Some(told) = told(report) else {
        return Ok(());
    };
    page.blank()?;
    page.paragraph((BOLD, "Lookups    "), (PLAIN, &told))?;
    page.paragraph((BOLD, "Time lost  "), (PLAIN, &lost(report)))?;
    page.paragraph((DIM, "           "), (PLAIN, WHAT))
}

/// How many they were, how many failed, and how long they took; `None` if none was over.
pub(super) fn told(report: &Report) -> Option<String> {
    let lookups = &report.dns.client.lookups;
    let latency = lookups.latency.as_ref()?;
    let failed = match lookups.failed {
        0 => none_failed(report).to_owned(),
        n => format!(
            "{} failed ({})",
            units::count(n),
            units::percent(n, lookups.count)
        ),
    };
    let told = format!(
        "{}, {failed}. Half took up to {}, 95 % up to {}, 99 % up to {}, the longest {}. \
         {:.1} queries a lookup.",
        counted(lookups.count),
        units::duration(latency.p50_ns),
        units::duration(latency.p95_ns),
        units::duration(latency.p99_ns),
        units::duration(latency.max_ns),
        units::ratio(lookups.queries, lookups.count),
    );
    Some(match for_others(report) {
        Some(more) => format!("{told} {more}"),
        None => told,
    })
}

/// Lookups of resolvers, that the same people waited for.
fn for_others(report: &Report) -> Option<String> {
    let ForOthers {
        lookups, failed, ..
    } = report.for_others;
    let failed = match failed {
        0 => "none failed".to_owned(),
        n => format!("{} failed", units::count(n)),
    };
    (lookups > 0).then(|| {
        format!(
            "{} of these, of which {failed}, were made by programs that answer others here.",
            units::count(lookups)
        )
    })
}

/// Who has no file descriptor left fails before he asks, and kerno does not see that.
pub(super) fn none_failed(report: &Report) -> &'static str {
    let mut findings = report.findings.iter();
    match findings.any(|it| it.rule == Rule::DescriptorsFull) {
        true => "none that came to a query failed",
        false => "none failed",
    }
}

/// `1 lookup`, `2,000 lookups`
pub(super) fn counted(lookups: u64) -> String {
    units::counted(lookups, "lookup", "lookups")
}

/// `61 s: dns_dead_server 60 s, dns_search_amplification 1.0 s.`
pub(super) fn lost(report: &Report) -> String {
    let by_cause = &report.losses.by_cause;
    let sum: u64 = by_cause.values().sum();
    if sum == 0 {
        return "none.".to_owned();
    }
    let mut causes: Vec<_> = by_cause.iter().collect();
    causes.sort_by_key(|(_, ns)| std::cmp::Reverse(**ns));
    let shown = causes.iter().take(CAUSES);
    let mut told: Vec<_> = shown
        .map(|(rule, ns)| format!("{} {}", rule.name(), units::duration(**ns)))
        .collect();
    if let Some(more) = causes.len().checked_sub(CAUSES).filter(|more| *more > 0) {
        told.push(format!(
            "and {}",
            units::counted(more as u64, "more cause", "more causes")
        ));
    }
    let for_others = match report.for_others.lost_ns {
        0 => String::new(),
        ns => format!(
            " {} of it by programs that answer others here, whose clients waited meanwhile.",
            units::duration(ns)
        ),
    };
    format!("{}: {}.{for_others}", units::duration(sum), told.join(", "))
}
