//! A finding: what is wrong, how it is known, and what to do.

use super::page::Html;
use crate::doctor::Finding;
use crate::doctor::Severity;
use crate::report::Report;
use crate::report::code;
use crate::report::explained;
use crate::report::note::Told;
use crate::report::seen;
use crate::report::step;
use crate::units;

pub(super) fn write(html: &mut Html, report: &Report, number: usize, finding: &Finding) {
    begin(html, number, finding.severity, &finding.title);
    if let Some(seen) = seen::told(report, finding) {
        html.raw("<dt>Seen</dt>").element("dd", seen);
    }
    if let Some(whom) = &finding.hit_hardest {
        html.raw("<dt>Hit hardest</dt>").element("dd", whom);
    }
    html.raw("<dt>Evidence</dt><dd><ul>");
    for line in &finding.evidence {
        html.raw("<li>");
        words_with_code(html, line);
        html.raw("</li>");
    }
    html.raw("</ul></dd>");
    if explained::is_brief(report, finding) {
        html.raw("<dt>Cause</dt><dd>These are overall figures; the causes are above.</dd>");
    } else {
        if finding.lost_ns > 0 {
            let lost = units::duration(finding.lost_ns);
            html.raw("<dt>Time lost</dt>")
                .element("dd", format_args!("{lost}, all lookups added up"));
        }
        for (head, text) in [("Cause", &finding.cause), ("Impact", &finding.impact)] {
            html.element("dt", head).raw("<dd>");
            words_with_code(html, text);
            html.raw("</dd>");
        }
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
        html.element("dt", head).raw("<dd>");
        words_with_code(html, text);
        html.raw("</dd>");
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

fn words_with_code(html: &mut Html, words: &str) {
    for (is_code, part) in code::parts(words) {
        match is_code {
            true => html.element("code", part),
            false => html.text(part),
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
