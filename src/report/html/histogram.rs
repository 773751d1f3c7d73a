//! How long answers took in all, on a logarithmic axis.

use super::page::Html;
use super::plot;
use super::plot::Area;
use crate::collect::Figures;
use crate::collect::LatencyFigures;
use crate::report::figures;
use crate::thresholds::LATENCY_CRITICAL_NS;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::units;

pub(super) fn write(html: &mut Html, client: &Figures) {
    if client.queries() == 0 {
        return;
    }
    html.raw("<section aria-labelledby=\"latency\"><h2 id=\"latency\">How long answers took</h2>");
    if let Some(latency) = &client.latency {
        bars(html, latency);
    }
    if let Some(told) = figures::said(client) {
        html.raw("<p><strong>What they said:</strong> ")
            .text(told)
            .raw("</p>");
    }
    html.raw("<details><summary>As a table</summary><table><thead><tr><th scope=\"col\">took</th><th scope=\"col\">queries</th><th scope=\"col\">share</th></tr></thead><tbody>");
    let parts = figures::parts(client);
    let all = parts.iter().map(|part| part.count).sum();
    for part in &parts {
        html.raw("<tr>")
            .element("td", &part.name)
            .element("td", units::count(part.count));
        html.element("td", units::percent(part.count, all))
            .raw("</tr>");
    }
    html.raw("</tbody></table></details>");
    if let Some(text) = figures::not_shown(client) {
        html.element("p class=\"muted small\"", text);
    }
    html.raw("</section>");
}

fn bars(html: &mut Html, latency: &LatencyFigures) {
    let buckets: Vec<_> = latency.spread.buckets().filter(|it| it.2 > 0).collect();
    // The first and the last bucket are open: they are drawn an octave wide.
    let ends = |(above, up_to, answers): (u64, u64, u64)| {
        let from = if above == 0 { up_to / 2 } else { above };
        let to = if up_to == u64::MAX { above * 2 } else { up_to };
        (from, to, answers)
    };
    let buckets: Vec<_> = buckets.into_iter().map(ends).collect();
    let first = buckets.first().map_or(1_000_000, |it| it.0);
    let last = buckets.last().map_or(0, |it| it.1);
    let axis = (first, last.max(LATENCY_CRITICAL_NS * 2));
    let most = buckets.iter().map(|it| it.2).max().unwrap_or(1);
    let area = Area::new(230.0);
    html.element("h3", "Answers, by how long each took");
    area.begin(html, "Answers by how long they took, on a logarithmic axis");
    let end = plot::round_up(most as f64);
    for share in [0.5, 1.0] {
        area.level(html, share, "grid", &plot::figure(end * share));
    }
    for &(from, to, answers) in &buckets {
        let (x, to_x) = (
            area.x(plot::log_share(from, axis)),
            area.x(plot::log_share(to, axis)),
        );
        let top = area.y(answers as f64 / end);
        html.raw("<rect class=\"f0\"")
            .number("x", x)
            .number("width", (to_x - x - 1.0).max(1.0));
        html.number("y", top.min(area.y(0.0) - 1.0))
            .number("height", (area.y(0.0) - top).max(1.0));
        let text = format!(
            "up to {}: {} answers",
            plot::edge(to),
            units::count(answers)
        );
        html.raw(">").element("title", text).raw("</rect>");
    }
    for ns in plot::decades(axis) {
        let share = plot::log_share(ns, axis);
        area.mark(html, share);
        area.below(html, share, &plot::edge(ns));
    }
    area.level(html, 0.0, "axis", "");
    for ns in [LATENCY_WARNING_NS, LATENCY_CRITICAL_NS] {
        area.upright(html, plot::log_share(ns, axis), "limit");
    }
    for (name, ns, row) in [("P50", latency.p50_ns, 0.97), ("P99", latency.p99_ns, 0.85)] {
        let share = plot::log_share(ns, axis);
        area.upright(html, share, "mark");
        let (offset, anchor) = if share > 0.8 {
            (-6.0, "end")
        } else {
            (6.0, "start")
        };
        let word = format!("{name} {}", units::duration(ns));
        area.word(html, (area.x(share) + offset, area.y(row)), anchor, &word);
    }
    Area::end(html);
    html.raw("<figcaption class=\"small\">Dotted: half of the answers (P50) and 99 % (P99) took no longer. Dashed: the thresholds of a warning (100 ms) and of a critical finding (500 ms).</figcaption></figure>");
}
