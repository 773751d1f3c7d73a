//! The report as a doctor's note: the verdict first, what it rests on after.

use std::io;

use super::Report;
use super::busiest;
use super::explained;
use super::figures;
use super::headline;
use super::lookups;
use super::page::BOLD;
use super::page::CYAN;
use super::page::DIM;
use super::page::PLAIN;
use super::page::Page;
use super::page::RED;
use super::page::YELLOW;
use super::picture;
use super::seen;
use super::step;
use crate::doctor::Finding;
use crate::doctor::Severity;
use crate::doctor::Verdict;
use crate::units;

pub(super) fn write(report: &Report, out: &mut dyn io::Write, width: usize) -> io::Result<()> {
    let page = &mut Page::new(out, width);
    let (style, label) = headline::label(report);
    page.flowing((style, label), &headline::sentence(report))?;
    page.paragraph((DIM, ""), (DIM, &picture::origin(report)))?;
    lookups::write(page, report)?;
    if report.verdict == Verdict::NoTraffic {
        page.blank()?;
        next_steps(page, report)?;
    }
    for (number, finding) in (1..).zip(&report.findings) {
        page.blank()?;
        write_finding(page, number, finding, report)?;
    }
    if report.dns.client.queries() > 0 {
        page.blank()?;
        figures::bars(page, &report.dns.client)?;
        page.blank()?;
        busiest::tables(page, &report.dns)?;
    }
    // Without any queries of its own, the host's headline says this.
    let server = &report.dns.server_side;
    if server.queries() > 0 && report.dns.client.queries() > 0 {
        page.blank()?;
        page.flowing((BOLD, "As a DNS server "), &headline::as_server(server))?;
    }
    page.blank()?;
    write_picture(page, report)
}

/// A summary that stands below the causes says how much went wrong, and no more.
fn write_finding(
    page: &mut Page<'_>,
    number: usize,
    finding: &Finding,
    report: &Report,
) -> io::Result<()> {
    let (style, word) = match finding.severity {
        Severity::Critical => (RED, "CRITICAL"),
        Severity::Warning => (YELLOW, "WARNING"),
        Severity::Info => (BOLD, "NOTE"),
    };
    page.paragraph(
        (style, &format!("{number}. {word}  ")),
        (BOLD, &finding.title),
    )?;
    if let Some(seen) = seen::told(report, finding) {
        page.paragraph((DIM, "   Seen      "), (PLAIN, &seen))?;
    }
    if let Some(whom) = &finding.hit_hardest {
        page.paragraph((DIM, "   Hit most  "), (PLAIN, whom))?;
    }
    let mut head = "   Evidence  ";
    for line in &finding.evidence {
        page.paragraph((DIM, &format!("{head}• ")), (PLAIN, line))?;
        head = "             ";
    }
    if explained::is_brief(report, finding) {
        let text = format!(
            "{}: overall figures; the causes are above",
            finding.rule.name()
        );
        return page.paragraph((DIM, "   Rule      "), (DIM, &text));
    }
    if finding.lost_ns > 0 {
        let text = format!("{}, all lookups added up", units::duration(finding.lost_ns));
        page.paragraph((DIM, "   Time lost "), (PLAIN, &text))?;
    }
    page.paragraph((DIM, "   Cause     "), (PLAIN, &finding.cause))?;
    page.paragraph((DIM, "   Impact    "), (PLAIN, &finding.impact))?;
    let mut head = "   Fix       ";
    for (number, step) in (1..).zip(&finding.fix) {
        write_step(page, &format!("{head}{number}. "), step)?;
        head = "             ";
    }
    page.line(&[(DIM, "   Rule      "), (DIM, finding.rule.name())])
}

/// A command at the end stands in lines of its own, ready to be copied.
fn write_step(page: &mut Page<'_>, head: &str, step: &str) -> io::Result<()> {
    let (words, command) = step::parts(step);
    page.paragraph((DIM, head), (PLAIN, words))?;
    match command {
        Some(command) => page.command(head.chars().count() + 2, CYAN, command),
        None => Ok(()),
    }
}

fn next_steps(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    page.line(&[(BOLD, "What to do next")])?;
    for (number, step) in (1..).zip(picture::next_steps(report)) {
        write_step(page, &format!("  {number}. "), step)?;
    }
    Ok(())
}

/// How far the figures can be trusted.
fn write_picture(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    for remark in picture::of(report) {
        let style = if remark.is_warning { YELLOW } else { DIM };
        page.flowing((style, &format!("{}: ", remark.head)), &remark.text)?;
        for item in &remark.items {
            page.paragraph((PLAIN, "  • "), (PLAIN, item))?;
        }
    }
    Ok(())
}
