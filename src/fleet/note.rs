//! The report for a person.

use std::collections::BTreeSet;
use std::io;
use std::time::SystemTime;

use anstyle::Style;

use super::Report;
use super::finding::Finding;
use super::place::listed;
use super::since::Began;
use super::table::Name;
use super::table::Severity;
use super::words;
use crate::doctor;
use crate::doctor::Verdict;
use crate::report::note::Note;
use crate::report::note::Told;
use crate::report::page::BOLD;
use crate::report::page::CYAN;
use crate::report::page::DIM;
use crate::report::page::GREEN;
use crate::report::page::PLAIN;
use crate::report::page::Page;
use crate::report::page::RED;
use crate::report::page::YELLOW;
use crate::shell::Command;
use crate::units;

/// Findings that the first sentence tells.
const TOLD: usize = 2;
/// Nodes that are named in a line.
const NAMES: usize = 5;

pub(super) fn write(report: &Report, out: &mut dyn io::Write, columns: usize) -> io::Result<()> {
    let mut page = Page::new(out, columns);
    let (style, head) = headline(report);
    page.flowing((style, &head), &sentence(report))?;
    page.blank()?;
    page.line(&[(DIM, &about(report))])?;
    for (number, finding) in report.findings.iter().enumerate() {
        page.blank()?;
        write_finding(&mut page, report, number + 1, finding)?;
    }
    if !report.missing.is_empty() {
        page.blank()?;
        page.line(&[(BOLD, "Not seen")])?;
        for sentence in &report.missing {
            page.paragraph((PLAIN, "  - "), (PLAIN, sentence))?;
        }
    }
    Ok(())
}

/// Nodes that have a finding, or what comes of one.
pub(super) fn hurt(findings: &[Finding]) -> BTreeSet<&Name> {
    let theirs = |it| {
        let it: &Finding = it;
        it.nodes
            .iter()
            .chain(it.explains.iter().flat_map(|symptom| &symptom.nodes))
    };
    findings.iter().flat_map(theirs).collect()
}

fn headline(report: &Report) -> (Style, String) {
    let seen = report.table.seen().count() as u64;
    let of_all = |verb| {
        let hurt = hurt(&report.findings).len() as u64;
        match (hurt, seen) {
            (1, 1) => format!("DNS {verb} THE ONE NODE THAT REPORTS. "),
            (hurt, seen) if hurt == seen => {
                format!("DNS {verb} ALL {} NODES. ", units::count(seen))
            }
            (hurt, seen) => {
                let nodes = if seen == 1 { "NODE" } else { "NODES" };
                format!(
                    "DNS {verb} {} OF {} {nodes}. ",
                    units::count(hurt),
                    units::count(seen)
                )
            }
        }
    };
    match report.verdict {
        Verdict::Critical => (RED, of_all("HURTS")),
        Verdict::Warning => (YELLOW, of_all("NEEDS ATTENTION ON")),
        Verdict::Healthy => (GREEN, "DNS IS HEALTHY ON ALL NODES. ".to_owned()),
        Verdict::Unknown => (YELLOW, "DNS CANNOT BE JUDGED ON ALL NODES. ".to_owned()),
        Verdict::NoTraffic => (BOLD, "NO DNS TRAFFIC SEEN. ".to_owned()),
    }
}

fn sentence(report: &Report) -> String {
    let last = humantime::format_duration(report.last);
    let seen = report.table.seen().count() as u64;
    let reported = units::counted(seen, "node reports", "nodes report");
    match report.verdict {
        Verdict::Critical | Verdict::Warning => {
            let told = report.findings.iter().take(TOLD).map(in_short);
            let more = report.findings.len().saturating_sub(TOLD) as u64;
            let more = (more > 0)
                .then(|| units::counted(more, "more cause below", "more causes below") + ".");
            told.chain(more).collect::<Vec<_>>().join(" ")
        }
        Verdict::Healthy => format!("{reported}, and none had a finding in the last {last}."),
        Verdict::Unknown => format!(
            "{reported}, and none had a finding in the last {last}, but of others nothing is known: see the \
             end of this note."
        ),
        Verdict::NoTraffic => {
            format!("{reported}, and no program there asked anything in the last {last}.")
        }
    }
}

/// `A firewall discards DNS queries on node-17 and node-18, all in zone b.`
fn in_short(finding: &Finding) -> String {
    let names: Vec<_> = finding.nodes.iter().map(|it| &*it.0).collect();
    let on = listed(&names, 3);
    let where_ = finding.place.in_short();
    let where_ = where_.map_or(String::new(), |it| format!(", {it}"));
    let felt: BTreeSet<_> = finding.explains.iter().flat_map(|it| &it.nodes).collect();
    let felt = match felt.len() as u64 {
        0 => String::new(),
        n => format!(" {} it.", units::counted(n, "node feels", "nodes feel")),
    };
    format!("{} on {on}{where_}.{felt}", words::title(&finding.rule))
}

fn about(report: &Report) -> String {
    let seen = || report.table.seen().map(|(_, node)| node);
    let count = |n: f64| n.round().max(0.0) as u64;
    let lookups = count(seen().map(|it| it.lookups).sum());
    let failed = count(seen().map(|it| it.lookups_failed).sum());
    let queries = count(seen().map(|it| it.queries()).sum());
    format!(
        "{} until {}: {} of {}, {} failed; {}",
        humantime::format_duration(report.last),
        humantime::format_rfc3339_seconds(report.to),
        units::counted(lookups, "lookup", "lookups"),
        units::counted(seen().count() as u64, "node", "nodes"),
        units::count(failed),
        units::queries(queries),
    )
}

fn write_finding(
    page: &mut Page<'_>,
    report: &Report,
    number: usize,
    it: &Finding,
) -> io::Result<()> {
    let (style, severity) = match it.severity {
        Severity::Critical => (RED, "critical"),
        Severity::Warning => (YELLOW, "warning"),
        Severity::Info => (PLAIN, "info"),
    };
    let title = format!("{number}. {}", words::title(&it.rule));
    let over = if it.is_open { "" } else { ", over by now" };
    page.line(&[
        (BOLD, &title),
        (style, &format!("  {severity}{over}")),
        (DIM, &format!("  {}", it.rule)),
    ])?;
    let mut row =
        |head: &str, text: &str| page.paragraph((DIM, &format!("   {head:<10}")), (PLAIN, text));
    for (head, text) in rows(report, it) {
        row(head, &text)?;
    }
    if let Some((words, command)) = look(report, it) {
        row("look", &words)?;
        page.command(13, CYAN, &command)?;
    }
    Ok(())
}

/// What is known of it, each with a word for it.
fn rows(report: &Report, it: &Finding) -> Vec<(&'static str, String)> {
    let mut rows = vec![("where", it.place.told())];
    let names: Vec<_> = it.nodes.iter().map(|name| &*name.0).collect();
    if it.place.dimension != super::place::NODE || names.len() > NAMES {
        rows.push(("nodes", listed(&names, NAMES)));
    }
    if let Some(began) = it.since {
        rows.push(("since", since(began, report.to)));
    }
    rows.push(("cost", cost(it)));
    if !it.workloads.is_empty() {
        let all = it.workloads.iter();
        let all: Vec<_> = all
            .map(|(name, n)| format!("{name} ({})", units::count(*n)))
            .collect();
        rows.push(("whom", listed(&all, NAMES)));
    }
    rows.extend(it.explains.iter().map(|symptom| ("felt", felt(symptom))));
    rows.push(("not hit", not_affected(report, it)));
    rows.push(("fix", words::fix(&it.rule).to_owned()));
    rows
}

/// On which node to look closer, and how.
fn look(report: &Report, it: &Finding) -> Option<(String, String)> {
    let last = humantime::format_duration(report.last).to_string();
    let look = Command::new("sudo kerno doctor --last").word(last.replace(' ', ""));
    let node = it.nodes.first()?;
    Some((format!("on {}:", node.0), look.text()?.to_owned()))
}

/// All of it as plain data.
pub(super) fn of(report: &Report, json: String) -> Note {
    let told = |it: &Finding| Told {
        severity: match it.severity {
            Severity::Critical => doctor::Severity::Critical,
            Severity::Warning => doctor::Severity::Warning,
            Severity::Info => doctor::Severity::Info,
        },
        title: match it.is_open {
            true => words::title(&it.rule),
            false => format!("{} (over by now)", words::title(&it.rule)),
        },
        rule: it.rule.clone(),
        rows: rows(report, it),
        look: look(report, it),
    };
    Note {
        verdict: report.verdict,
        label: headline(report).1,
        sentence: sentence(report),
        about: about(report),
        findings: report.findings.iter().map(told).collect(),
        missing: report.missing.clone(),
        json,
    }
}

fn since(began: Began, now: SystemTime) -> String {
    let moment = began.moment();
    let ago = now.duration_since(moment).unwrap_or_default();
    let ago = humantime::format_duration(std::time::Duration::from_secs(ago.as_secs() / 60 * 60));
    let at = humantime::format_rfc3339_seconds(moment);
    match began {
        Began::At(_) if now.duration_since(moment).unwrap_or_default().as_secs() < 60 => {
            at.to_string()
        }
        Began::At(_) => format!("{at}, {ago} ago"),
        Began::Before(_) => format!("{at} or earlier"),
    }
}

fn cost(it: &Finding) -> String {
    let mut parts = Vec::new();
    if it.lookups_failed > 0 {
        parts.push(format!(
            "about {} failed",
            units::counted(it.lookups_failed, "lookup", "lookups")
        ));
    }
    if it.queries_failed > 0 {
        parts.push(format!(
            "about {} failed",
            units::queries(it.queries_failed)
        ));
    }
    let lost_ns = (it.seconds_lost.clamp(0.0, 1e9) * 1e9) as u64;
    if lost_ns > 0 {
        parts.push(format!("programs lost {}", units::duration(lost_ns)));
    }
    match parts.is_empty() {
        true => "no query failed by it, and no time was lost".to_owned(),
        false => parts.join(", "),
    }
}

fn felt(symptom: &super::finding::Symptom) -> String {
    let names: Vec<_> = symptom.nodes.iter().map(|it| &*it.0).collect();
    let nodes = units::counted(names.len() as u64, "node has", "nodes have");
    let title = words::title(&symptom.rule);
    let names = listed(&names, 3);
    match &symptom.server {
        Some(server) => {
            format!("{nodes} because of it ({names}): {title}; both name the server {server}")
        }
        None => format!("{nodes}, most likely because of it ({names}): {title}"),
    }
}

/// Who could have it and has not.
fn not_affected(report: &Report, it: &Finding) -> String {
    let place = &it.place;
    let asked = report
        .table
        .seen()
        .filter(|(name, node)| node.queries() > 0.0 && !it.nodes.contains(*name));
    let rest = asked.count() as u64;
    let nodes = match rest {
        0 => "no other node asked anything".to_owned(),
        n => format!(
            "{} that asked too have it not",
            units::counted(n, "other node", "other nodes")
        ),
    };
    let here = place.of - place.affected;
    let inside = match &*place.dimension {
        super::place::NODE | super::place::ALL => String::new(),
        _ if here > 0 => format!(", {} of them within the same place", units::count(here)),
        _ => String::new(),
    };
    format!("{nodes}{inside}")
}
