//! The report as one HTML file that needs no other, to attach to a ticket: no network, no
//! script but its own, readable without any.

mod course;
mod finding;
mod head;
mod histogram;
mod page;
mod plot;
mod shown;
mod tables;
mod way;

use std::io;

use self::page::Html;
use super::Report;
use super::headline;
use super::json;
use super::note::Note;
use super::picture;
use crate::doctor::Verdict;

/// No page is larger, but for what a single finding or name takes.
const OCTETS_MAX: usize = 300_000;
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// SHA-256 of both in Base64, as a Content Security Policy has them; a test compares.
const STYLE_HASH: &str = "b2gA9dnpXrfi4IC2jhjx6mZmX4MpWj5I+6W/fM26eFI=";
const SCRIPT_HASH: &str = "grjd5+4QW2Mn+ifigJtThQZS6I+wyarU0sK6yXcW6PI=";

pub(super) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut html = Html::default();
    for shown in shown::SIZES {
        html = page(&shown.of(report), &shown.left_out(report))?;
        if html.len() < OCTETS_MAX {
            break;
        }
    }
    out.write_all(html.as_bytes())
}

fn page(report: &Report, left_out: &[String]) -> io::Result<Html> {
    let label = headline::label(report).1;
    let mut html = begin(&format!("{label}{}", report.host.name));
    head::write(&mut html, report);
    way::write(&mut html, report);
    if report.verdict == Verdict::NoTraffic {
        html.raw("<section><h2>What to do next</h2>");
        finding::steps(&mut html, picture::next_steps(report));
        html.raw("</section>");
    }
    if !report.findings.is_empty() {
        html.raw("<section aria-labelledby=\"findings\"><h2 id=\"findings\">Findings</h2>");
        for (number, it) in (1..).zip(&report.findings) {
            finding::write(&mut html, report, number, it);
        }
        html.raw("</section>");
    }
    course::write(&mut html, report);
    histogram::write(&mut html, &report.dns.client);
    tables::write(&mut html, report);
    server_side(&mut html, report);
    trust(&mut html, report, left_out);
    end(&mut html, "kerno.doctor.v1", &json::compact(report)?);
    Ok(html)
}

/// All before the content.
fn begin(title: &str) -> Html {
    let mut html = Html::default();
    html.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>");
    html.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-");
    html.raw(STYLE_HASH)
        .raw("'; script-src 'sha256-")
        .raw(SCRIPT_HASH);
    html.raw("'; base-uri 'none'; form-action 'none'\"/>");
    html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>");
    html.raw("<meta name=\"referrer\" content=\"no-referrer\"/>")
        .element("title", title);
    html.raw("<style>")
        .raw(STYLE)
        .raw("</style></head><body><main>");
    html
}

/// All behind it.
fn end(html: &mut Html, schema: &'static str, json: &str) {
    html.raw("<footer>Written by kerno ")
        .raw(env!("CARGO_PKG_VERSION"));
    html.raw(". Times are UTC. The figures stand in this file as JSON, too (")
        .raw(schema);
    html.raw(").</footer></main><script type=\"application/json\" id=\"kerno-report\">");
    html.json(json)
        .raw("</script><script>")
        .raw(SCRIPT)
        .raw("</script></body></html>\n");
}

/// A note of many hosts.
pub(super) fn write_note(note: &Note, out: &mut dyn io::Write) -> io::Result<()> {
    let mut html = begin(&note.label);
    head::verdict(
        &mut html,
        note.verdict,
        &note.label,
        &note.sentence,
        &note.about,
    );
    html.raw("</header>");
    if !note.findings.is_empty() {
        html.raw("<section aria-labelledby=\"findings\"><h2 id=\"findings\">Findings</h2>");
        for (number, it) in (1..).zip(&note.findings) {
            finding::write_told(&mut html, number, it);
        }
        html.raw("</section>");
    }
    if !note.missing.is_empty() {
        html.raw("<section><h2>Not seen</h2><ul>");
        for sentence in &note.missing {
            html.element("li", sentence);
        }
        html.raw("</ul></section>");
    }
    end(&mut html, "kerno.fleet.v1", &note.json);
    out.write_all(html.as_bytes())
}

/// Without any queries of its own, the host's headline says this.
fn server_side(html: &mut Html, report: &Report) {
    let server = &report.dns.server_side;
    if server.queries() > 0 && report.dns.client.queries() > 0 {
        html.raw("<section><h2>As a DNS server</h2>");
        html.element("p", headline::as_server(server))
            .raw("</section>");
    }
}

/// How far all that can be trusted.
fn trust(html: &mut Html, report: &Report, left_out: &[String]) {
    html.raw(
        "<section aria-labelledby=\"trust\"><h2 id=\"trust\">What was lost or not seen</h2><ul>",
    );
    for remark in picture::of(report) {
        html.raw("<li>")
            .element("strong", format_args!("{}:", remark.head));
        html.raw(" ").text(&remark.text);
        if !remark.items.is_empty() {
            html.raw("<ul>");
            for item in &remark.items {
                html.element("li", item);
            }
            html.raw("</ul>");
        }
        html.raw("</li>");
    }
    for sentence in left_out {
        html.raw("<li><strong>Not in this file:</strong> ")
            .text(sentence)
            .raw("</li>");
    }
    html.raw("</ul></section>");
}

#[cfg(test)]
mod tests;
