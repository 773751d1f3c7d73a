//! The verdict in one sentence, for somebody who was just woken up.

use std::time::Duration;

use anstyle::Style;

use super::Report;
use super::lookups;
use super::page::BOLD;
use super::page::GREEN;
use super::page::RED;
use super::page::YELLOW;
use crate::collect::Figures;
use crate::doctor::Severity;
use crate::doctor::Verdict;
use crate::units;

const CAUSES_SHOWN: usize = 2;
/// Findings of the base rules that it names: there can be several workloads.
const SUMMARIES_SHOWN: usize = 2;

pub(super) fn label(report: &Report) -> (Style, &'static str) {
    match report.verdict {
        Verdict::Critical => (RED, "DNS IS HURTING THIS HOST. "),
        Verdict::Warning => (YELLOW, "DNS NEEDS ATTENTION. "),
        // The rules judge what this host asks; a server's figures stand alone.
        Verdict::Healthy if report.dns.client.queries() == 0 => {
            (BOLD, "NO QUERIES FROM THIS HOST. ")
        }
        Verdict::Healthy => (GREEN, "DNS IS HEALTHY. "),
        Verdict::Unknown => (YELLOW, "DNS CANNOT BE JUDGED. "),
        Verdict::NoTraffic if report.accounting.queries_seen > 0 => (BOLD, "NOTHING TO JUDGE BY. "),
        Verdict::NoTraffic => (BOLD, "NO DNS TRAFFIC SEEN. "),
    }
}

/// Verdict and sentence.
pub(super) fn whole(report: &Report) -> String {
    format!("{}{}", label(report).1, sentence(report))
}

pub(super) fn sentence(report: &Report) -> String {
    match report.verdict {
        Verdict::Critical | Verdict::Warning => troubled(report),
        Verdict::Healthy => healthy(report),
        Verdict::Unknown => unseen(report),
        Verdict::NoTraffic => silent(report),
    }
}

fn troubled(report: &Report) -> String {
    let titles = |summaries: bool, shown: usize, (one, many)| {
        let findings = report.findings.iter();
        let mut titles: Vec<_> = findings
            .filter(|finding| finding.severity > Severity::Info)
            .filter(|finding| finding.rule.is_summary() == summaries)
            .map(|finding| finding.title.clone())
            .collect();
        let more = titles.len().saturating_sub(shown) as u64;
        titles.truncate(shown);
        titles.extend((more > 0).then(|| units::counted(more, one, many) + " below"));
        titles
    };
    let mut all = titles(false, CAUSES_SHOWN, ("more cause", "more causes"));
    all.extend(titles(
        true,
        SUMMARIES_SHOWN,
        ("more finding", "more findings"),
    ));
    let first = report.findings.first();
    let whom = first.and_then(|finding| finding.hit_hardest.as_ref());
    let whom = whom.map_or(String::new(), |whom| format!(" Hit hardest is {whom}."));
    format!("{}.{whom}", all.join(". "))
}

fn healthy(report: &Report) -> String {
    let window = window(report);
    let client = &report.dns.client;
    let server = &report.dns.server_side;
    if client.queries() == 0 {
        return format!(
            "No program here asked anything in {window}. As a DNS server {}",
            as_server(server)
        );
    }
    let queries = units::queries(client.queries());
    let failed = match client.outcomes.failed() {
        0 => lookups::none_failed(report).to_owned(),
        n => format!(
            "{} failed ({})",
            units::count(n),
            units::percent(n, client.queries())
        ),
    };
    if let Some(latency) = &client.lookups.latency {
        let failed = match client.lookups.failed {
            0 => lookups::none_failed(report).to_owned(),
            n => format!("{} failed", units::count(n)),
        };
        return format!(
            "{} in {window}, {failed}, 99 % took up to {}.",
            lookups::counted(client.lookups.count),
            units::duration(latency.p99_ns)
        );
    }
    match &client.latency {
        Some(latency) => format!(
            "{queries} in {window}, {failed}, 99 % of answers came within {}.",
            units::duration(latency.p99_ns)
        ),
        None => format!("{queries} in {window}, {failed}."),
    }
}

fn unseen(report: &Report) -> String {
    let client = &report.dns.client;
    if client.fails_by_halves() && !report.accounting.may_hide_failures() {
        let lookups = &client.lookups;
        let (failed, of) = match lookups.count {
            0 => (client.outcomes.failed(), units::queries(client.queries())),
            count => (lookups.failed, lookups::counted(count)),
        };
        return format!(
            "{} of {of} in {} failed: too few to say more, and no reason to call it healthy.",
            units::count(failed),
            window(report),
        );
    }
    format!(
        "kerno saw nothing wrong in {} with {}, but so much escaped it that all may not be well. The \
         end of this note says what.",
        window(report),
        units::queries(report.accounting.queries_seen)
    )
}

fn silent(report: &Report) -> String {
    let window = window(report);
    let accounting = &report.accounting;
    if accounting.queries_seen == 0 {
        format!(
            "In {window} no program on this host sent or received a DNS query that kerno can see."
        )
    } else if accounting.queries_seen == accounting.in_flight {
        format!(
            "{} sent in {window}, and none had come to an end when the watching stopped.",
            units::counted(accounting.queries_seen, "query was", "queries were")
        )
    } else {
        format!(
            "None of the {} seen in {window} matched what you asked for, or came to an end.",
            units::queries(accounting.queries_seen)
        )
    }
}

/// How this host did as a DNS server: the rest of a sentence.
pub(super) fn as_server(figures: &Figures) -> String {
    let failed = figures.outcomes.failed();
    let mut text = format!(
        "this host was asked {}; {} of them without an answer in time ({})",
        units::queries(figures.queries()),
        units::count(failed),
        units::percent(failed, figures.queries())
    );
    if let Some(latency) = &figures.latency {
        text += &format!(
            ", 99 % of its answers left within {}, half within {}",
            units::duration(latency.p99_ns),
            units::duration(latency.p50_ns)
        );
    }
    text + "."
}

/// The window: `30 s`, `5m 12s`.
pub(super) fn window(report: &Report) -> String {
    let seconds = report.window.as_secs();
    if seconds >= 120 {
        humantime::format_duration(Duration::from_secs(seconds)).to_string()
    } else {
        units::duration(u64::try_from(report.window.as_nanos()).unwrap_or(u64::MAX))
    }
}
