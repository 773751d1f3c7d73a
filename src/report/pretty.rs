//! The report as a doctor's note: the verdict first, what it rests on after.

use std::io;
use std::time::Duration;

use super::Report;
use super::accounting;
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
use crate::doctor::Finding;
use crate::doctor::Severity;
use crate::doctor::Verdict;
use crate::host::Signal;
use crate::host::SignalName;
use crate::thresholds::SAMPLE_MIN;
use crate::units;

pub(super) fn write(report: &Report, out: &mut dyn io::Write, width: usize) -> io::Result<()> {
    let page = &mut Page::new(out, width);
    let (style, label) = headline::label(report);
    page.flowing((style, label), &headline::sentence(report))?;
    origin(page, report)?;
    lookups::write(page, report)?;
    if report.verdict == Verdict::NoTraffic {
        page.blank()?;
        next_steps(page, report)?;
    }
    for (number, finding) in (1..).zip(&report.findings) {
        page.blank()?;
        write_finding(page, number, finding, explained::is_brief(report, finding))?;
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
    picture(page, report)
}

fn origin(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let host = &report.host;
    let text = format!(
        "{} (Linux {}, {}), watched for {} until {}",
        host.name,
        host.kernel,
        host.arch,
        headline::window(report),
        humantime::format_rfc3339_seconds(report.time)
    );
    page.paragraph((DIM, ""), (DIM, &text))
}

/// A summary that stands below the causes says how much went wrong, and no more.
fn write_finding(
    page: &mut Page<'_>,
    number: usize,
    finding: &Finding,
    brief: bool,
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
    let mut head = "   Evidence  ";
    for line in &finding.evidence {
        page.paragraph((DIM, &format!("{head}• ")), (PLAIN, line))?;
        head = "             ";
    }
    if brief {
        let text = format!(
            "{}: overall figures; the causes are above",
            finding.rule.name()
        );
        return page.paragraph((DIM, "   Rule      "), (DIM, &text));
    }
    if finding.lost_ns > 0 {
        let text = format!("{} of lookups", units::duration(finding.lost_ns));
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

/// A command at the end stands in lines of its own, ready to be copied. No command
/// has a backtick in it: see [`crate::shell`].
fn write_step(page: &mut Page<'_>, head: &str, step: &str) -> io::Result<()> {
    let Some((text, command)) = step
        .strip_suffix('`')
        .and_then(|step| step.rsplit_once('`'))
    else {
        return page.paragraph((DIM, head), (PLAIN, step));
    };
    page.paragraph((DIM, head), (PLAIN, text.trim_end()))?;
    page.command(head.chars().count() + 2, CYAN, command)
}

fn next_steps(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    page.line(&[(BOLD, "What to do next")])?;
    let accounting = &report.accounting;
    let waits = "Queries are waiting; watch for longer than --timeout to see their end.";
    let loosen = "Loosen the filters (--pid, --comm, --name, --role, --pod, --container, --unit).";
    let mut steps = Vec::new();
    steps.extend((accounting.in_flight > 0).then_some(waits));
    steps.extend((accounting.queries_seen > accounting.in_flight).then_some(loosen));
    steps.extend([
        "Ask something while kerno watches, to see that it works: `dig example.com`",
        "Watch longer, or while the program that has trouble runs: `kerno doctor --duration 5m`",
        "DNS on other ports than 53 is seen only if you name them: \
         `kerno doctor --port 53 --port 1053`",
        "kerno cannot see encrypted DNS (DoH in browsers, DoT, DoQ), lookups that are answered \
         from a cache inside the program, or the way from glibc to systemd-resolved over D-Bus \
         (nss-resolve); it sees what systemd-resolved then asks its servers.",
    ]);
    for (number, step) in (1..).zip(steps) {
        write_step(page, &format!("  {number}. "), step)?;
    }
    Ok(())
}

fn seconds(duration: Duration) -> String {
    units::duration(duration.as_nanos().try_into().unwrap_or(u64::MAX))
}

/// What was looked at for a part of the time, and for how long.
fn looked_at(signal: &Signal) -> Option<String> {
    let attached = signal.attached?;
    let what = match signal.name {
        SignalName::Reads => "answers that lie unread",
        SignalName::FailedSends => "sends that fail",
        // Connects are looked at all the time.
        SignalName::Denials => "sends that a control group denies",
        SignalName::RunQueue => "waits for a CPU",
        _ => &signal.shows,
    };
    let how_long = match attached.is_zero() {
        true => "not at all".to_owned(),
        false => format!("for {}", seconds(attached)),
    };
    Some(format!("{what} {how_long}"))
}

/// How far the figures can be trusted.
fn picture(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let accounting = &report.accounting;
    let seen = accounting::seen(accounting, &report.dns);
    let gaps = accounting.gaps();
    if gaps.is_empty() {
        page.flowing(
            (DIM, "The picture is complete: "),
            &format!("{seen} None was lost."),
        )?;
    } else {
        page.flowing((YELLOW, "The picture is incomplete: "), &seen)?;
        for gap in &gaps {
            page.paragraph((PLAIN, "  • "), (PLAIN, gap))?;
        }
    }
    for signal in &report.signals {
        if let Some(why) = &signal.missing {
            let text = format!("{} ({}): {why}", signal.name.hook(), signal.shows);
            page.flowing((YELLOW, "Not visible here: "), &text)?;
        }
    }
    let on_demand: Vec<String> = report.signals.iter().filter_map(looked_at).collect();
    if !on_demand.is_empty() {
        let window = seconds(report.window);
        let text = format!(
            "{}, of {window}; --all-hooks looks all the time.",
            on_demand.join(", ")
        );
        page.flowing((DIM, "Looked at while there was a reason: "), &text)?;
    }
    for sentence in &report.not_read {
        page.flowing((DIM, "Not read: "), &format!("{sentence}."))?;
    }
    for note in &report.notes {
        page.flowing((YELLOW, "Not seen: "), &format!("{note}."))?;
    }
    for complaint in report.attribution.iter().flat_map(|it| &it.complaints) {
        page.flowing((YELLOW, "Not known here: "), complaint)?;
    }
    let queries = report.dns.client.queries();
    if report.verdict == Verdict::Healthy && queries > 0 && queries < SAMPLE_MIN {
        let text = format!(
            "Only {} came to an end, which is little to judge by; watch longer with --duration 5m.",
            units::queries(queries)
        );
        page.flowing((YELLOW, "Small sample: "), &text)?;
    }
    Ok(())
}
