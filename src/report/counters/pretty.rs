//! The counters for a person: what each program counted, and for whom.

use std::collections::BTreeSet;
use std::io;

use kerno_counters::Figure;
use kerno_counters::Figures;

use super::CountersReport;
use super::ProgramState;
use super::bounds::below;
use crate::attempt::identity::WorkloadId;
use crate::counters::Workload;
use crate::counters::events;
use crate::report::page::BOLD;
use crate::report::page::CYAN;
use crate::report::page::DIM;
use crate::report::page::PLAIN;
use crate::report::page::Page;
use crate::report::page::YELLOW;
use crate::units;

/// Workloads of each program; the JSON has them all.
const ROWS: usize = 8;

pub(super) fn write(
    report: &CountersReport,
    out: &mut dyn io::Write,
    columns: usize,
) -> io::Result<()> {
    let page = &mut Page::new(out, columns);
    let host = &report.host;
    let origin = format!(
        "What the kernel counted on {} (Linux {}, {}) in {} until {}",
        host.name,
        host.kernel,
        host.arch,
        units::duration(report.window.as_nanos().try_into().unwrap_or(u64::MAX)),
        humantime::format_rfc3339_seconds(report.time)
    );
    page.paragraph((DIM, ""), (DIM, &origin))?;
    for state in &report.programs {
        page.blank()?;
        program(page, report, state)?;
    }
    page.blank()?;
    picture(page, report)
}

fn program(page: &mut Page<'_>, report: &CountersReport, state: &ProgramState) -> io::Result<()> {
    if let Some(reason) = &state.reason {
        return page.flowing((YELLOW, &format!("{} did not run: ", state.name)), reason);
    }
    page.line(&[(BOLD, state.name)])?;
    let mut all: Vec<(&Workload, &Figures)> = report
        .workloads
        .iter()
        .filter_map(|it| Some((it, it.figures.get(state.name)?)))
        .collect();
    all.sort_by_key(|(it, _)| std::cmp::Reverse(it.events(state.name)));
    if all.is_empty() {
        page.paragraph((DIM, "  "), (DIM, "nothing happened that it counts"))?;
    }
    let shown = chosen(&all);
    for (workload, figures) in shown.iter().map(|at| all[*at]) {
        page.line(&[(PLAIN, "  "), (CYAN, &name(workload))])?;
        page.paragraph((PLAIN, "      "), (PLAIN, &told(figures)))?;
    }
    let hidden = all.len() - shown.len();
    if hidden > 0 {
        let text = format!(
            "{} more; --output json has every one",
            units::count(hidden as u64)
        );
        page.paragraph((DIM, "  … and "), (DIM, &text))?;
    }
    for (counter, reason) in &state.missing {
        let head = format!("  Not counted here, {counter}: ");
        page.flowing((YELLOW, &head), reason)?;
    }
    Ok(())
}

/// Whoever has most of any counter, however quiet otherwise, then the busiest.
fn chosen(all: &[(&Workload, &Figures)]) -> BTreeSet<usize> {
    let counters: BTreeSet<&String> = all.iter().flat_map(|(_, it)| it.keys()).collect();
    let most = |counter: &String| {
        let with = |at: &usize| all[*at].1.get(counter).map_or(0, events);
        // Of equals the busiest, which comes first.
        (0..all.len()).rev().max_by_key(with)
    };
    let mut shown = BTreeSet::new();
    for at in counters.into_iter().filter_map(most).chain(0..all.len()) {
        if shown.len() < ROWS {
            shown.insert(at);
        }
    }
    shown
}

fn name(workload: &Workload) -> String {
    let processes = units::count(workload.processes);
    match &workload.whom {
        WorkloadId::Process(None, comm) if workload.cgroup_id.is_some() => {
            format!("{comm} ({processes} processes, ended)")
        }
        WorkloadId::Process(None, _) => "sockets of unknown processes".to_owned(),
        whom if workload.has_ended => format!("{whom}, ended"),
        whom => whom.to_string(),
    }
}

fn told(figures: &Figures) -> String {
    let told = figures.iter().map(|(counter, figure)| match figure {
        Figure::Count(count) if counter.ends_with("_ns") => {
            format!("{counter} {}", units::duration(*count))
        }
        Figure::Count(count) => format!("{counter} {}", units::count(*count)),
        Figure::Log2Ns(slots) => {
            let bound = |percent| below(slots, percent).unwrap_or_default();
            format!(
                "{counter} half {}, 99 % {}, all {}",
                bound(50),
                bound(99),
                bound(100)
            )
        }
    });
    told.collect::<Vec<_>>().join("; ")
}

/// How far the figures can be trusted.
fn picture(page: &mut Page<'_>, report: &CountersReport) -> io::Result<()> {
    let placed = &report.placed;
    let seen = format!(
        "{} had figures: {} in pods, containers or units, {} of which only the process is known, \
         {} of nobody who is known.",
        units::counted(
            placed.owners,
            "process or control group",
            "processes and control groups"
        ),
        units::count(placed.in_workloads),
        units::count(placed.processes),
        units::count(placed.unknown)
    );
    let gaps = report.gaps();
    if gaps.is_empty() {
        page.flowing((DIM, "Nothing was lost: "), &seen)?;
    } else {
        page.flowing((YELLOW, "The figures are too low: "), &seen)?;
    }
    for gap in &gaps {
        page.paragraph((PLAIN, "  • "), (PLAIN, gap))?;
    }
    for complaint in &report.not_known {
        page.flowing((YELLOW, "Not known here: "), complaint)?;
    }
    Ok(())
}
