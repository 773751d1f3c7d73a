//! The way of a query as a map: who asks, which hop, where it fails.

use std::collections::BTreeMap;

use super::page::Html;
use crate::collect::Table;
use crate::doctor::Finding;
use crate::doctor::Rule;
use crate::doctor::Severity;
use crate::report::Report;
use crate::units;

/// Names that a hop has.
const NAMES: usize = 3;
/// Characters of one.
const NAME: usize = 60;
/// Characters of a finding's title.
const TITLE: usize = 100;

/// A hop of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Hop {
    /// The program that asks: its sockets, its limits, how it asks.
    Asker,
    /// The kernel of this host, between its sockets and its interfaces.
    Host,
    /// What lies between this host's kernel and the server, and what cannot be told apart
    /// from it.
    Network,
    /// The server that is asked, here or elsewhere.
    Server,
    /// What that server asks itself.
    Upstream,
}

impl Hop {
    const ALL: [Self; 5] = [
        Self::Asker,
        Self::Host,
        Self::Network,
        Self::Server,
        Self::Upstream,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Asker => "The program that asks",
            Self::Host => "This host's kernel",
            Self::Network => "The way to the server",
            Self::Server => "The server",
            Self::Upstream => "What the server asks",
        }
    }

    /// Where it fails of which the rule tells; a summary tells of none.
    fn of(rule: Rule) -> Option<Self> {
        match rule {
            Rule::ClientOverflow
            | Rule::Storm
            | Rule::ClientGaveUp
            | Rule::SocketUnread
            | Rule::LateReader
            | Rule::SearchAmplification
            | Rule::DescriptorsFull => Some(Self::Asker),
            Rule::SendDenied
            | Rule::ConntrackFull
            | Rule::ConntrackRace
            | Rule::ConntrackStale
            | Rule::NoRoute
            | Rule::PolicyDrop
            | Rule::KernelDrop => Some(Self::Host),
            Rule::TcpBlocked
            | Rule::AnswerTooBig
            | Rule::TcpLossy
            | Rule::EdnsDropped
            | Rule::CaseDropped
            | Rule::TypeDropped
            | Rule::OneTransport
            | Rule::SecondQuery
            | Rule::SlowWay
            | Rule::AnswerIgnored
            | Rule::ZoneUnanswered
            | Rule::RateLimit
            | Rule::ClientCutOff
            | Rule::Unknown => Some(Self::Network),
            Rule::ServerOomKilled
            | Rule::ForwardingLoop
            | Rule::PrivateReverse
            | Rule::ServerThrottled
            | Rule::ServerSaturated
            | Rule::ServerOverflow
            | Rule::ServerSlow
            | Rule::WrongSource
            | Rule::NobodyListening
            | Rule::AaaaBroken
            | Rule::ClientsIgnored
            | Rule::BadReplica
            | Rule::InFlightLimit
            | Rule::ServerAway
            | Rule::DeadServer
            | Rule::Servfail
            | Rule::RefusedRcode
            | Rule::OtherRcode
            | Rule::NoRecursion
            | Rule::AnswerEmptied
            | Rule::Contradiction => Some(Self::Server),
            Rule::UpstreamSlow => Some(Self::Upstream),
            Rule::FailureRate | Rule::HighLatency => None,
        }
    }
}

/// The section, if anybody asked.
pub(super) fn write(html: &mut Html, report: &Report) {
    if report.dns.client.queries() == 0 {
        return;
    }
    let mut failing: BTreeMap<Hop, Vec<(usize, &Finding)>> = BTreeMap::new();
    for (number, finding) in (1..).zip(&report.findings) {
        let is_trouble = finding.severity > Severity::Info;
        if let Some(hop) = hop_of(finding).filter(|_| is_trouble) {
            failing.entry(hop).or_default().push((number, finding));
        }
    }
    html.raw("<section aria-labelledby=\"way\"><h2 id=\"way\">The way of a query</h2>");
    html.raw("<ol class=\"way\">");
    for hop in Hop::ALL {
        let fails = failing.get(&hop);
        html.raw(if fails.is_some() {
            "<li class=\"fails\">"
        } else {
            "<li>"
        });
        html.element("strong", hop.name());
        for name in names(hop, report) {
            html.element("span class=\"small\"", name);
        }
        for (worst, number, findings) in by_rule(fails) {
            html.raw("<span class=\"mark\">\u{2716} <a");
            html.attribute("href", format_args!("#finding-{number}"));
            let title = units::shorten(&worst.title, TITLE);
            html.raw(">")
                .text(format_args!("{number}. {title}"))
                .raw("</a>");
            if findings > 1 {
                let rule = worst.rule.name();
                html.text(format_args!(" ({rule}, {findings} findings)"));
            }
            html.raw("</span>");
        }
        html.raw("</li>");
    }
    html.raw("</ol><p class=\"muted small\">");
    html.raw(match failing.is_empty() {
        true => "No finding names a hop where queries fail.",
        false => {
            "It breaks where a box is dashed and marked \u{2716}: the findings there say that queries fail or are held up. \
             Where a query leaves this host and no answer comes, kerno cannot tell the way from the server."
        }
    });
    html.raw("</p></section>");
}

/// What nothing explains may be the way or the server; one on this host is known to have had it.
fn hop_of(finding: &Finding) -> Option<Hop> {
    let is_here = finding.title.contains(", on this host,");
    match finding.rule {
        Rule::Unknown if is_here => Some(Hop::Server),
        rule => Hop::of(rule),
    }
}

/// The worst finding of each rule with its number, and how many there are.
fn by_rule<'a>(findings: Option<&Vec<(usize, &'a Finding)>>) -> Vec<(&'a Finding, usize, usize)> {
    let mut rules: Vec<(&Finding, usize, usize)> = Vec::new();
    for &(number, finding) in findings.into_iter().flatten() {
        match rules.iter_mut().find(|it| it.0.rule == finding.rule) {
            Some(known) => known.2 += 1,
            None => rules.push((finding, number, 1)),
        }
    }
    rules
}

/// Who or what a hop is here.
fn names(hop: Hop, report: &Report) -> Vec<String> {
    let dns = &report.dns;
    match hop {
        Hop::Asker if dns.has_workloads() => busiest(&dns.by_workload, ToString::to_string),
        Hop::Asker => busiest(&dns.by_process, |whom| match whom.pid {
            Some(pid) => format!("{} ({pid})", whom.comm),
            None => "unknown".to_owned(),
        }),
        Hop::Host => vec![report.host.name.clone()],
        Hop::Server => busiest(&dns.by_server, ToString::to_string),
        Hop::Network | Hop::Upstream => Vec::new(),
    }
}

/// Those that were hurt most, and how much; then the busiest.
fn busiest<K>(table: &Table<K>, name: impl Fn(&K) -> String) -> Vec<String> {
    let mut rows: Vec<_> = table.rows.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.figures.outcomes.failed()));
    let named = rows.iter().take(NAMES).map(|row| {
        let name = units::shorten(&name(&row.whom), NAME);
        match row.figures.outcomes.failed() {
            0 => name,
            failed => format!("{name}: {} failed", units::count(failed)),
        }
    });
    with_rest(named.collect(), table.rows.len())
}

fn with_rest(mut names: Vec<String>, all: usize) -> Vec<String> {
    let more = all.saturating_sub(names.len()) as u64;
    names.extend((more > 0).then(|| format!("and {} more", units::count(more))));
    names
}
