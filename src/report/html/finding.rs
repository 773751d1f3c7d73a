//! A finding: what is wrong, how it is known, and what to do.

use super::page::Html;
use crate::doctor::Finding;
use crate::doctor::Severity;
use crate::report::Report;
use crate::report::explained;
use crate::report::note::Told;
use crate::report::step;
use crate::units;

pub(super) fn write(html: &mut Html, report: &Report, number: usize, finding: &Finding) {
    begin(html, number, finding.severity, &finding.title);
    if let Some((first, last)) = report.timeline.rules.get(&finding.rule) {
        let (first, last) = (units::time_of_day(*first), units::time_of_day(*last));
        let findings = report.findings.iter();
        let several = findings.filter(|it| it.rule == finding.rule).count() > 1;
        html.raw("<dt>Seen</dt><dd>");
        match first == last {
            true => html.text(format_args!("at {first}")),
            false => html.text(format_args!("from {first} to {last}")),
        };
        html.raw(if several {
            " (all findings of this rule)</dd>"
        } else {
            "</dd>"
        });
    }
    html.raw("<dt>Evidence</dt><dd><ul>");
    for line in &finding.evidence {
        html.element("li", line);
    }
    html.raw("</ul></dd>");
    if explained::is_brief(report, finding) {
        html.raw("<dt>Cause</dt><dd>These are overall figures; the causes are above.</dd>");
    } else {
        if finding.lost_ns > 0 {
            let lost = units::duration(finding.lost_ns);
            html.raw("<dt>Time lost</dt>")
                .element("dd", format_args!("{lost} of lookups"));
        }
        html.raw("<dt>Cause</dt>").element("dd", &finding.cause);
        html.raw("<dt>Impact</dt>").element("dd", &finding.impact);
        if !finding.fix.is_empty() {
            html.raw("<dt>Fix</dt><dd>");
            steps(html, finding.fix.iter().map(|step| &**step));
            html.raw("</dd>");
        }
    }
    html.raw("<dt>Rule</dt><dd>")
        .element("code", finding.rule.name());
    html.raw("</dd></dl></article>");
}

/// Opens it, up to its rows.
fn begin(html: &mut Html, number: usize, severity: Severity, title: &str) {
    let (class, word) = match severity {
        Severity::Critical => ("critical", "\u{2716} CRITICAL"),
        Severity::Warning => ("warning", "! WARNING"),
        Severity::Info => ("info", "i NOTE"),
    };
    html.raw("<article").attribute("class", class);
    html.attribute("id", format_args!("finding-{number}"));
    html.raw("><h3>").element("span class=\"badge\"", word);
    html.text(format_args!("{number}. {title}"));
    html.raw("</h3><dl class=\"facts\">");
}

/// One of many hosts.
pub(super) fn write_told(html: &mut Html, number: usize, it: &Told) {
    begin(html, number, it.severity, &it.title);
    for (head, text) in &it.rows {
        html.element("dt", head).element("dd", text);
    }
    if let Some((words, command)) = &it.look {
        html.raw("<dt>look</dt><dd>").text(words);
        write_command(html, command);
        html.raw("</dd>");
    }
    html.raw("<dt>rule</dt><dd>").element("code", &it.rule);
    html.raw("</dd></dl></article>");
}

/// With a button to copy it.
fn write_command(html: &mut Html, command: &str) {
    html.raw("<div class=\"command\">")
        .element("pre tabindex=\"0\"", command);
    html.raw("<button type=\"button\" class=\"copy\" hidden=\"hidden\">Copy</button></div>");
}

/// What stands between backticks is code, if each has its other one.
fn words_with_code(html: &mut Html, words: &str) {
    let is_paired = words.matches('`').count().is_multiple_of(2);
    if !is_paired {
        html.text(words);
        return;
    }
    for (at, part) in words.split('`').enumerate() {
        match at % 2 {
            1 => html.element("code", part),
            _ => html.text(part),
        };
    }
}

/// Steps in their order, each command with a button to copy it.
pub(super) fn steps<'a>(html: &mut Html, steps: impl IntoIterator<Item = &'a str>) {
    html.raw("<ol>");
    for step in steps {
        let (words, command) = step::parts(step);
        html.raw("<li>");
        words_with_code(html, words);
        if let Some(command) = command {
            write_command(html, command);
        }
        html.raw("</li>");
    }
    html.raw("</ol>");
}
