//! The verdict, and the figures that people ask for first.

use super::page::Html;
use crate::doctor::Verdict;
use crate::report::Report;
use crate::report::headline;
use crate::report::lookups;
use crate::report::picture;
use crate::units;

pub(super) fn write(html: &mut Html, report: &Report) {
    let label = headline::label(report).1;
    let (sentence, origin) = (headline::sentence(report), picture::origin(report));
    verdict(html, report.verdict, label, &sentence, &origin);
    tiles(html, report);
    if let Some(told) = lookups::told(report) {
        html.raw("<p class=\"small\"><strong>Lookups:</strong> ")
            .text(told);
        html.raw("<br/><strong>Time lost:</strong> ")
            .text(lookups::lost(report));
        html.raw("<br/><span class=\"muted\">")
            .raw(lookups::WHAT)
            .raw("</span></p>");
    }
    html.raw("</header>");
}

/// Opens the header, with the verdict in words and a sign.
pub(super) fn verdict(
    html: &mut Html,
    verdict: Verdict,
    label: &str,
    sentence: &str,
    origin: &str,
) {
    let (class, sign) = match verdict {
        Verdict::Critical => ("critical", "\u{2716}"),
        Verdict::Warning => ("warning", "!"),
        Verdict::Healthy => ("healthy", "\u{2714}"),
        Verdict::Unknown => ("warning", "?"),
        Verdict::NoTraffic => ("info", "\u{2013}"),
    };
    html.raw("<header").attribute("class", class).raw("><h1>");
    html.element("span class=\"badge\" aria-hidden=\"true\"", sign);
    html.text(label.trim_end()).raw("</h1>");
    html.element("p", sentence);
    html.element("p class=\"muted small\"", origin);
}

fn tiles(html: &mut Html, report: &Report) {
    let client = &report.dns.client;
    if client.queries() == 0 {
        return;
    }
    let lookups = &client.lookups;
    let failed = |failed: u64, all: u64| match failed {
        0 => "0".to_owned(),
        n => {
            // The sign stays with its number.
            let percent = units::percent(n, all).replace(' ', "\u{a0}");
            format!("{} ({percent})", units::count(n))
        }
    };
    let mut tiles = vec![
        ("Queries", units::count(client.queries())),
        (
            "Queries that failed",
            failed(client.outcomes.failed(), client.queries()),
        ),
    ];
    if lookups.count > 0 {
        tiles.push(("Lookups that failed", failed(lookups.failed, lookups.count)));
    }
    if let Some(latency) = &client.latency {
        tiles.push((
            "Half of the answers within",
            units::duration(latency.p50_ns),
        ));
        tiles.push((
            "99 % of the answers within",
            units::duration(latency.p99_ns),
        ));
    }
    let lost_ns: u64 = report.losses.by_cause.values().sum();
    if lost_ns > 0 {
        tiles.push(("Time lost by lookups", units::duration(lost_ns)));
    }
    html.raw("<dl class=\"tiles\">");
    for (name, figure) in tiles {
        html.raw("<div>")
            .element("dt", name)
            .element("dd", figure)
            .raw("</div>");
    }
    html.raw("</dl>");
}
