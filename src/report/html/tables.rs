//! Who asks, who is asked, and which names: tables that sort.

use super::page::Html;
use crate::collect::Figures;
use crate::collect::Table;
use crate::doctor::LostByCause;
use crate::report::Report;
use crate::report::busiest::errors;
use crate::units;

/// A figure as it is shown, and what it is sorted by; bold if it is of what went wrong.
type Cell = (String, Option<u64>);

/// The columns of those: failed, errors.
const OF_TROUBLE: [usize; 2] = [1, 2];

pub(super) fn write(html: &mut Html, report: &Report) {
    let dns = &report.dns;
    if dns.client.queries() == 0 {
        return;
    }
    html.raw("<section aria-labelledby=\"tables\"><h2 id=\"tables\">Who asks, who is asked</h2>");
    if dns.has_workloads() {
        let lost = |at: usize| {
            let whom = &dns.by_workload.rows[at].whom;
            Some(report.losses.by_workload.get(whom).map_or(0, sum))
        };
        let name = |whom: &crate::attempt::identity::WorkloadId| whom.to_string();
        whose(html, "Workloads that ask", &dns.by_workload, name, lost);
    }
    let name = |whom: &crate::collect::ProcessKey| match whom.pid {
        Some(pid) => format!("{} ({pid})", whom.comm),
        None => "unknown".to_owned(),
    };
    whose(html, "Processes that ask", &dns.by_process, name, |_| None);
    let name = |whom: &std::net::SocketAddr| whom.to_string();
    whose(html, "Servers that are asked", &dns.by_server, name, |_| {
        None
    });
    names(html, report);
    html.raw("</section>");
}

fn sum(lost: &LostByCause) -> u64 {
    lost.values().sum()
}

fn whose<K>(
    html: &mut Html,
    caption: &'static str,
    table: &Table<K>,
    name: impl Fn(&K) -> String,
    lost: impl Fn(usize) -> Option<u64>,
) {
    let has_lost = lost_column(table, &lost);
    let mut heads = vec![
        "name", "queries", "failed", "errors", "P50", "P99", "slowest",
    ];
    heads.extend(has_lost.then_some("time lost"));
    begin(html, caption, &heads);
    for (at, row) in table.rows.iter().enumerate() {
        let lost = lost(at).filter(|_| has_lost);
        write_row(html, &name(&row.whom), &row.figures, lost, has_lost);
    }
    if let Some(others) = &table.others {
        write_row(html, "all others together", others, None, has_lost);
    }
    html.raw("</tbody></table></div>");
}

fn lost_column<K>(table: &Table<K>, lost: &impl Fn(usize) -> Option<u64>) -> bool {
    (0..table.rows.len()).any(|at| lost(at).is_some())
}

fn begin(html: &mut Html, caption: &'static str, heads: &[&'static str]) {
    html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\"")
        .attribute("aria-label", caption);
    html.raw("><table class=\"sorts\">")
        .element("caption", caption);
    html.raw("<thead><tr>");
    for head in heads {
        html.element("th scope=\"col\"", head);
    }
    html.raw("</tr></thead><tbody>");
}

fn write_row(html: &mut Html, name: &str, figures: &Figures, lost: Option<u64>, has_lost: bool) {
    let (queries, failed) = (figures.queries(), figures.outcomes.failed());
    let errors = errors(figures);
    html.raw("<tr>");
    html.element("td", name);
    let failed_told = match failed {
        0 => "0".to_owned(),
        _ => format!(
            "{} ({})",
            units::count(failed),
            units::percent(failed, queries)
        ),
    };
    let latency =
        |of: fn(&crate::collect::LatencyFigures) -> u64| duration(figures.latency.as_ref().map(of));
    let mut cells = vec![
        (units::count(queries), Some(queries)),
        (failed_told, Some(failed)),
        (units::count(errors), Some(errors)),
        latency(|it| it.p50_ns),
        latency(|it| it.p99_ns),
        latency(|it| it.max_ns),
    ];
    cells.extend(has_lost.then(|| duration(lost)));
    write_cells(html, cells, &OF_TROUBLE);
    html.raw("</tr>");
}

/// `trouble` has the places of figures of what went wrong.
fn write_cells(html: &mut Html, cells: Vec<Cell>, trouble: &[usize]) {
    for (at, (text, number)) in cells.into_iter().enumerate() {
        let is_trouble = trouble.contains(&at) && number > Some(0);
        html.raw(if is_trouble {
            "<td class=\"hurt\""
        } else {
            "<td"
        });
        html.attribute("data-n", number.unwrap_or(0));
        html.raw(">").text(text).raw("</td>");
    }
}

fn duration(ns: Option<u64>) -> Cell {
    let text = match ns {
        None => "\u{2013}".to_owned(),
        Some(0) => "0".to_owned(),
        Some(ns) => units::duration(ns),
    };
    (text, ns)
}

fn names(html: &mut Html, report: &Report) {
    if report.troubled_names.is_empty() {
        return;
    }
    begin(
        html,
        "Names that had trouble",
        &["name", "type", "failed", "errors", "slow"],
    );
    for it in &report.troubled_names {
        html.raw("<tr>")
            .element("td", &it.name)
            .element("td", &it.rtype);
        let figures = [it.failed, it.errors, it.slow];
        let cells = figures.map(|n| (units::count(n), Some(n))).to_vec();
        write_cells(html, cells, &[0, 1]);
        html.raw("</tr>");
    }
    html.raw("</tbody></table></div>");
}
