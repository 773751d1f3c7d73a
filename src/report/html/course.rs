//! How it went: queries, failures by cause and P99 by time, and answers as a heat map.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::page::Html;
use super::plot;
use super::plot::Area;
use super::plot::Span;
use crate::doctor::Rule;
use crate::report::Report;
use crate::report::Slice;
use crate::thresholds::LATENCY_CRITICAL_NS;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::units;

/// Causes that have a pattern of their own; those beyond share the next.
const CAUSES: usize = 5;
/// Shades of a heat map.
const SHADES: usize = 6;

/// The fill and the pattern of each cause: told by more than colour.
const FILLS: [&str; CAUSES + 1] = [
    "url(#h1)", "url(#h2)", "url(#h3)", "url(#h4)", "url(#h5)", "url(#h6)",
];
const PATTERNS: &str = "<defs>\
<pattern id=\"h1\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><rect width=\"8\" height=\"8\" class=\"f1\"/></pattern>\
<pattern id=\"h2\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><rect width=\"8\" height=\"8\" class=\"f2\"/><path class=\"hatch\" d=\"M-2 2L2 -2M0 8L8 0M6 10L10 6\"/></pattern>\
<pattern id=\"h3\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><rect width=\"8\" height=\"8\" class=\"f3\"/><path class=\"hatch\" d=\"M0 4H8\"/></pattern>\
<pattern id=\"h4\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><rect width=\"8\" height=\"8\" class=\"f4\"/><path class=\"hatch\" d=\"M4 0V8\"/></pattern>\
<pattern id=\"h5\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><rect width=\"8\" height=\"8\" class=\"f5\"/><circle class=\"dot\" cx=\"4\" cy=\"4\" r=\"2\"/></pattern>\
<pattern id=\"h6\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><rect width=\"8\" height=\"8\" class=\"f6\"/><path class=\"hatch\" d=\"M0 0L8 8M0 8L8 0\"/></pattern>\
</defs>";

pub(super) fn write(html: &mut Html, report: &Report) {
    let Some(span) = span(report) else {
        return;
    };
    html.raw("<section aria-labelledby=\"course\"><h2 id=\"course\">How it went</h2>");
    let step = plot::length(report.timeline.step);
    html.element(
        "p class=\"muted small\"",
        format_args!("A bar is {step}. Each query stands where it ended."),
    );
    html.raw(
        "<p class=\"small narrow\">The plots are wider than this screen: move them sideways.</p>",
    );
    queries(html, report, span);
    failures(html, report, span);
    latency(html, report, span);
    heat(html, report, span);
    table(html, report);
    html.raw("</section>");
}

/// All that was watched; `None` if nothing ended.
fn span(report: &Report) -> Option<Span> {
    let timeline = &report.timeline;
    let (first, last) = (timeline.slices.first()?, timeline.slices.last()?);
    let begin = report.time.checked_sub(report.window);
    let from = report.since.or(begin).unwrap_or(first.from);
    Some(Span {
        from: from.min(first.from),
        to: report.time.max(last.from + timeline.step),
    })
}

/// Where a slice begins, and how wide it is.
fn place(report: &Report, span: Span, area: Area, slice: &Slice) -> (f64, f64) {
    let at = |moment: SystemTime| area.x(span.share(moment));
    let from = at(slice.from);
    (
        from,
        (at(slice.from + report.timeline.step) - from).max(1.5),
    )
}

fn bar(html: &mut Html, (x, width): (f64, f64), (y, height): (f64, f64)) {
    html.number("x", x)
        .number("y", y)
        .number("width", width - 0.5)
        .number("height", height);
}

fn queries(html: &mut Html, report: &Report, span: Span) {
    let seconds = report.timeline.step.as_secs_f64().max(1e-3);
    let rate = |slice: &Slice| slice.moment.outcomes.queries() as f64 / seconds;
    let slices = &report.timeline.slices;
    let most = plot::round_up(slices.iter().map(rate).fold(0.0, f64::max));
    let area = Area::new(170.0);
    html.element("h3", "Queries a second");
    area.begin(html, "Queries a second by time");
    for share in [0.5, 1.0] {
        area.level(html, share, "grid", &plot::figure(most * share));
    }
    for slice in slices {
        let height = area.y(0.0) - area.y(rate(slice) / most);
        html.raw("<rect class=\"f0\"");
        bar(
            html,
            place(report, span, area, slice),
            (area.y(0.0) - height, height),
        );
        let text = format!(
            "{}: {}, {} failed",
            units::time_of_day(slice.from),
            units::queries(slice.moment.outcomes.queries()),
            units::count(slice.moment.outcomes.failed())
        );
        html.raw(">").element("title", text).raw("</rect>");
    }
    span.axis(html, area);
    Area::end(html);
    html.raw("</figure>");
}

/// The causes with most failures, each with its place among the fills, and all of them.
fn ranked(report: &Report) -> Vec<(Option<Rule>, u64)> {
    let mut sums: BTreeMap<Rule, u64> = BTreeMap::new();
    let mut others = 0;
    for slice in &report.timeline.slices {
        for (rule, number) in &slice.causes {
            *sums.entry(*rule).or_default() += number;
        }
        others += slice.not_kept();
    }
    let mut ranked: Vec<_> = sums.into_iter().map(|(rule, n)| (Some(rule), n)).collect();
    ranked.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    let rest = ranked.split_off(ranked.len().min(CAUSES));
    others += rest.iter().map(|(_, number)| number).sum::<u64>();
    ranked.extend((others > 0).then_some((None, others)));
    ranked
}

fn failures(html: &mut Html, report: &Report, span: Span) {
    html.element("h3", "Failed queries by cause");
    let ranked = ranked(report);
    if ranked.is_empty() {
        html.raw("<p>None failed.</p>");
        return;
    }
    let slices = &report.timeline.slices;
    let failed = |slice: &Slice| slice.moment.outcomes.failed() as f64;
    let most = plot::round_up(slices.iter().map(failed).fold(0.0, f64::max));
    let area = Area::new(170.0);
    area.begin(html, "Failed queries by cause and time");
    html.raw(PATTERNS);
    for share in [0.5, 1.0] {
        area.level(html, share, "grid", &plot::figure(most * share));
    }
    for slice in slices {
        let mut below = 0.0;
        let mut rest = slice.moment.outcomes.failed();
        for (at, (rule, _)) in ranked.iter().enumerate() {
            let number = match rule {
                Some(rule) => slice.causes.get(rule).copied().unwrap_or(0).min(rest),
                None => rest,
            };
            rest -= number;
            if number == 0 {
                continue;
            }
            let fill = if rule.is_none() { CAUSES } else { at };
            let above = below + number as f64;
            let (top, bottom) = (area.y(above / most), area.y(below / most));
            html.raw("<rect fill=\"").raw(FILLS[fill]).raw("\"");
            bar(html, place(report, span, area, slice), (top, bottom - top));
            let text = format!(
                "{}: {} {}",
                units::time_of_day(slice.from),
                units::count(number),
                name(*rule)
            );
            html.raw(">").element("title", text).raw("</rect>");
            below = above;
        }
    }
    span.axis(html, area);
    Area::end(html);
    html.raw("<ul class=\"legend\">");
    for (at, (rule, number)) in ranked.iter().enumerate() {
        let fill = if rule.is_none() { CAUSES } else { at };
        html.raw("<li><svg viewBox=\"0 0 18 14\" aria-hidden=\"true\"><rect width=\"18\" height=\"14\" fill=\"");
        html.raw(FILLS[fill]).raw("\"/></svg>");
        html.text(format_args!("{} ({})", name(*rule), units::count(*number)))
            .raw("</li>");
    }
    html.raw("</ul></figure>");
}

fn name(rule: Option<Rule>) -> &'static str {
    rule.map_or("other causes", Rule::name)
}

/// The axis of latencies: all that there are, and the thresholds.
fn axis(report: &Report) -> (u64, u64) {
    let moments = report.timeline.slices.iter().map(|it| &it.moment);
    let octaves = || {
        moments
            .clone()
            .flat_map(|it| it.octaves.iter().map(|it| it.0))
    };
    let least = octaves().min().unwrap_or(1 << 20) / 2;
    let most = octaves().max().unwrap_or(1 << 20);
    (least, most.max(LATENCY_CRITICAL_NS * 2))
}

fn levels(html: &mut Html, area: Area, axis: (u64, u64)) {
    for ns in plot::decades(axis) {
        area.level(html, plot::log_share(ns, axis), "grid", &plot::edge(ns));
    }
}

fn latency(html: &mut Html, report: &Report, span: Span) {
    html.element("h3", "99 % of the answers came within (P99)");
    if report.dns.client.latency.is_none() {
        html.raw("<p>There was no answer in time.</p>");
        return;
    }
    let axis = axis(report);
    let area = Area::new(190.0);
    area.begin(html, "P99 of the answers by time, on a logarithmic axis");
    levels(html, area, axis);
    for ns in [LATENCY_WARNING_NS, LATENCY_CRITICAL_NS] {
        area.level(html, plot::log_share(ns, axis), "limit", "");
    }
    let point = |slice: &Slice| {
        let p99_ns = slice.moment.p99_ns?;
        let (x, width) = place(report, span, area, slice);
        Some((
            x + width / 2.0,
            area.y(plot::log_share(p99_ns, axis)),
            p99_ns,
        ))
    };
    html.raw("<path class=\"p99\" d=\"");
    let mut before: Option<SystemTime> = None;
    for slice in &report.timeline.slices {
        if let Some((x, y, _)) = point(slice) {
            // Where nothing was answered for a while there is no line.
            let goes_on = before == Some(slice.from);
            html.raw(if goes_on { "L" } else { "M" })
                .figure(x)
                .raw(" ")
                .figure(y);
            before = Some(slice.from + report.timeline.step);
        }
    }
    html.raw("\"/>");
    for slice in &report.timeline.slices {
        if let Some((x, y, p99_ns)) = point(slice) {
            html.raw("<circle class=\"p99\" r=\"3\"")
                .number("cx", x)
                .number("cy", y)
                .raw(">");
            let text = format!(
                "{}: {}",
                units::time_of_day(slice.from),
                units::duration(p99_ns)
            );
            html.element("title", text).raw("</circle>");
        }
    }
    span.axis(html, area);
    Area::end(html);
    html.raw("<figcaption class=\"small\">Dashed: the thresholds of a warning (100 ms) and of a critical finding (500 ms). A point is up to an eighth too high.</figcaption></figure>");
}

fn heat(html: &mut Html, report: &Report, span: Span) {
    let slices = &report.timeline.slices;
    let most = slices
        .iter()
        .flat_map(|it| &it.moment.octaves)
        .map(|it| it.1)
        .max();
    let Some(most) = most else { return };
    let axis = axis(report);
    let area = Area::new(230.0);
    html.element("h3", "How long answers took, by time");
    area.begin(
        html,
        "Answers by time and by how long they took, on a logarithmic axis",
    );
    let mut cells: [Vec<[f64; 4]>; SHADES] = Default::default();
    for slice in slices {
        let (x, width) = place(report, span, area, slice);
        for &(up_to, answers) in &slice.moment.octaves {
            let (top, bottom) = (
                area.y(plot::log_share(up_to, axis)),
                area.y(plot::log_share(up_to / 2, axis)),
            );
            cells[shade(answers, most)].push([x, top, width, bottom - top]);
        }
    }
    for (shade, cells) in cells.iter().enumerate().filter(|(_, it)| !it.is_empty()) {
        html.raw("<path class=\"heat\" shape-rendering=\"crispEdges\"");
        opacity(html, shade).raw(" d=\"");
        for [x, y, width, height] in cells {
            html.raw("M")
                .figure(*x)
                .raw(" ")
                .figure(*y)
                .raw("h")
                .figure(*width);
            html.raw("v")
                .figure(*height)
                .raw("h")
                .figure(-width)
                .raw("z");
        }
        html.raw("\"/>");
    }
    levels(html, area, axis);
    span.axis(html, area);
    Area::end(html);
    scale(html, most);
    html.raw("</figure>");
}

/// Which shade stands for so many answers, by their logarithm: 0 is the faintest.
fn shade(answers: u64, most: u64) -> usize {
    let share = ((answers + 1) as f64).ln() / ((most + 1) as f64).ln();
    let shade = (share * SHADES as f64).ceil() as usize;
    shade.clamp(1, SHADES) - 1
}

fn opacity(html: &mut Html, shade: usize) -> &mut Html {
    let opacity = (shade + 1) as f64 / SHADES as f64;
    html.attribute("fill-opacity", format_args!("{opacity:.2}"))
}

/// For how many answers each shade stands.
fn scale(html: &mut Html, most: u64) {
    html.raw("<p class=\"small\">Answers in a field:</p><ul class=\"legend\">");
    for (shade, (least, most)) in shades(most) {
        html.raw("<li><svg viewBox=\"0 0 18 14\" aria-hidden=\"true\"><rect width=\"18\" height=\"14\" class=\"heat\"");
        opacity(html, shade).raw("/></svg>");
        let least = units::count(least);
        match units::count(most) {
            most if most == least => html.text(least),
            most => html.text(format_args!("{least} to {most}")),
        };
        html.raw("</li>");
    }
    html.raw("</ul>");
}

/// Each shade with the fewest and the most answers that it stands for. Where few are the most,
/// some stand for none.
fn shades(most: u64) -> Vec<(usize, (u64, u64))> {
    // No count below has a stronger shade than one above it.
    let last = |of: usize| {
        let (mut below, mut above) = (0, most);
        while below < above {
            let middle = below + (above - below).div_ceil(2);
            match shade(middle, most) <= of {
                true => below = middle,
                false => above = middle - 1,
            }
        }
        below
    };
    let mut next = 1;
    let mut all = Vec::new();
    for of in 0..SHADES {
        let last = last(of);
        if last >= next {
            all.push((of, (next, last)));
            next = last + 1;
        }
    }
    all
}

/// What the plots show, to be read.
fn table(html: &mut Html, report: &Report) {
    html.raw("<details><summary>These plots as a table</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"How it went, as a table\"><table><thead><tr>");
    let heads = [
        "from",
        "queries",
        "failed",
        "errors",
        "time lost",
        "P50",
        "P99",
        "within 8 ms",
        "within 134 ms",
        "longer",
    ];
    for head in heads {
        html.element("th scope=\"col\"", head);
    }
    html.raw("</tr></thead><tbody>");
    for slice in &report.timeline.slices {
        let moment = &slice.moment;
        let duration = |ns: Option<u64>| ns.map_or_else(|| "\u{2013}".to_owned(), units::duration);
        let between = |from: u64, to: u64| -> u64 {
            let octaves = moment.octaves.iter();
            octaves
                .filter(|it| it.0 > from && it.0 <= to)
                .map(|it| it.1)
                .sum()
        };
        html.raw("<tr>")
            .element("td", units::time_of_day(slice.from));
        for number in [
            moment.outcomes.queries(),
            moment.outcomes.failed(),
            moment.errors,
        ] {
            html.element("td", units::count(number));
        }
        html.element("td", units::duration(moment.lost_ns));
        html.element("td", duration(moment.p50_ns))
            .element("td", duration(moment.p99_ns));
        for (from, to) in [(0, 1 << 23), (1 << 23, 1 << 27), (1 << 27, u64::MAX)] {
            html.element("td", units::count(between(from, to)));
        }
        html.raw("</tr>");
    }
    html.raw("</tbody></table></div></details>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_answers_has_the_shade_that_the_scale_says() {
        for most in (1..300).chain([999, 123_456, u64::MAX >> 12]) {
            let shades = shades(most);
            assert_eq!(shades.last().map(|it| it.1.1), Some(most), "{most}");
            let mut next = 1;
            for (of, (least, last)) in shades {
                assert_eq!(least, next, "{most}: without a gap");
                assert_eq!((shade(least, most), shade(last, most)), (of, of), "{most}");
                next = last + 1;
            }
        }
    }
}
