//! The report for an issue or a chat, in GitHub Flavored Markdown
//! (<https://github.github.com/gfm/>), of which others read the most.

mod text;

use std::io;

use self::text::cell;
use self::text::fenced;
use self::text::prose;
use super::Report;
use super::busiest;
use super::busiest::Busiest;
use super::explained;
use super::figures;
use super::headline;
use super::lookups;
use super::note::Note;
use super::picture;
use super::seen;
use super::step;
use crate::collect::Figures;
use crate::doctor::Finding;
use crate::doctor::Severity;
use crate::doctor::Verdict;
use crate::units;

pub(super) fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let (_, label) = headline::label(report);
    let label = prose(label.trim_end());
    writeln!(out, "**{label}** {}\n", prose(&headline::sentence(report)))?;
    writeln!(out, "{}", prose(&picture::origin(report)))?;
    if let Some(told) = lookups::told(report) {
        writeln!(out, "\n**Lookups:** {}  ", prose(&told))?;
        writeln!(out, "**Time lost:** {}", prose(&lookups::lost(report)))?;
    }
    if report.verdict == Verdict::NoTraffic {
        writeln!(out, "\n### What to do next\n")?;
        write_steps(out, picture::next_steps(report))?;
    }
    for (number, finding) in (1..).zip(&report.findings) {
        write_finding(out, report, number, finding)?;
    }
    let client = &report.dns.client;
    if client.queries() > 0 {
        write_figures(out, client)?;
        for table in busiest::of(&report.dns) {
            write_busiest(out, &table)?;
        }
    }
    let server = &report.dns.server_side;
    if server.queries() > 0 && client.queries() > 0 {
        let told = prose(&headline::as_server(server));
        writeln!(out, "\n**As a DNS server** {told}")?;
    }
    writeln!(out)?;
    for remark in picture::of(report) {
        writeln!(out, "- **{}:** {}", remark.head, prose(&remark.text))?;
        for item in &remark.items {
            writeln!(out, "  - {}", prose(item))?;
        }
    }
    Ok(())
}

/// A note of many hosts.
pub(super) fn write_note(note: &Note, out: &mut dyn io::Write) -> io::Result<()> {
    let label = prose(note.label.trim_end());
    writeln!(out, "**{label}** {}\n", prose(&note.sentence))?;
    writeln!(out, "{}", prose(&note.about))?;
    for (number, it) in (1..).zip(&note.findings) {
        let word = word(it.severity);
        writeln!(out, "\n### {number}. {word}: {}\n", prose(&it.title))?;
        for (head, text) in &it.rows {
            writeln!(out, "- **{head}:** {}", prose(text))?;
        }
        if let Some((words, command)) = &it.look {
            writeln!(out, "\n{}\n\n{}", prose(words), fenced("sh", command))?;
        }
        writeln!(out, "Rule: {}", prose(&it.rule))?;
    }
    if !note.missing.is_empty() {
        writeln!(out, "\n**Not seen:**\n")?;
        for sentence in &note.missing {
            writeln!(out, "- {}", prose(sentence))?;
        }
    }
    Ok(())
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "CRITICAL",
        Severity::Warning => "WARNING",
        Severity::Info => "NOTE",
    }
}

fn write_finding(
    out: &mut dyn io::Write,
    report: &Report,
    number: usize,
    finding: &Finding,
) -> io::Result<()> {
    let word = word(finding.severity);
    writeln!(out, "\n### {number}. {word}: {}\n", prose(&finding.title))?;
    let seen = seen::told(report, finding).map(|seen| ("Seen", seen));
    let whom = finding.hit_hardest.clone();
    let rows = seen.into_iter().chain(whom.map(|it| ("Hit hardest", it)));
    for (head, text) in rows {
        writeln!(out, "**{head}:** {}\n", prose(&text))?;
    }
    for line in &finding.evidence {
        writeln!(out, "- {}", prose(line))?;
    }
    let rule = finding.rule.name();
    if explained::is_brief(report, finding) {
        return writeln!(
            out,
            "\nRule: `{rule}` (overall figures; the causes are above)"
        );
    }
    if finding.lost_ns > 0 {
        let lost = units::duration(finding.lost_ns);
        writeln!(out, "\n**Time lost:** {lost}, all lookups added up")?;
    }
    writeln!(out, "\n**Cause:** {}", prose(&finding.cause))?;
    writeln!(out, "\n**Impact:** {}", prose(&finding.impact))?;
    if !finding.fix.is_empty() {
        writeln!(out, "\n**Fix:**\n")?;
        write_steps(out, finding.fix.iter().map(|step| &**step))?;
    }
    writeln!(out, "\nRule: `{rule}`")
}

fn write_steps<'a>(
    out: &mut dyn io::Write,
    steps: impl IntoIterator<Item = &'a str>,
) -> io::Result<()> {
    for (number, step) in (1..).zip(steps) {
        let (words, command) = step::parts(step);
        let head = format!("{number}. ");
        writeln!(out, "{head}{}", prose(words))?;
        if let Some(command) = command {
            writeln!(out)?;
            let indent = " ".repeat(head.len());
            for line in fenced("sh", command).lines() {
                writeln!(out, "{indent}{line}")?;
            }
        }
    }
    Ok(())
}

fn write_figures(out: &mut dyn io::Write, client: &Figures) -> io::Result<()> {
    let parts = figures::parts(client);
    let of = parts.iter().map(|part| part.count).sum();
    let rows: Vec<_> = parts
        .into_iter()
        .map(|part| {
            let share = units::percent(part.count, of);
            vec![part.name, units::count(part.count), share]
        })
        .collect();
    writeln!(out)?;
    write_table(out, &["how long answers took", "queries", "share"], &rows)?;
    if let Some(text) = figures::not_shown(client) {
        writeln!(out, "\n{}", prose(&text))?;
    }
    match figures::said(client) {
        Some(told) => writeln!(out, "\n**What they said:** {}", prose(&told)),
        None => Ok(()),
    }
}

fn write_busiest(out: &mut dyn io::Write, table: &Busiest) -> io::Result<()> {
    let heads: Vec<_> = table.columns.iter().map(|(head, _)| *head).collect();
    writeln!(out)?;
    write_table(out, &heads, &table.rows)?;
    match &table.more {
        Some(more) => writeln!(out, "\n… {}", prose(more)),
        None => Ok(()),
    }
}

/// The first column to the left, figures to the right.
fn write_table(out: &mut dyn io::Write, heads: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let heads: Vec<_> = heads.iter().map(|head| cell(head)).collect();
    writeln!(out, "| {} |", heads.join(" | "))?;
    let ruler: Vec<_> = (0..heads.len())
        .map(|at| if at == 0 { "---" } else { "---:" })
        .collect();
    writeln!(out, "| {} |", ruler.join(" | "))?;
    for row in rows {
        let cells: Vec<_> = row.iter().map(|text| cell(text)).collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}
