//! Metrics: a view of closed windows. Each is added once to running totals, after the doctor
//! has judged it; nothing is computed in a second way, and asking changes nothing.

mod books;
mod bounded;
mod counted;
mod families;
mod labels;
mod own;
mod standing;
mod totals;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::SystemTime;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use self::books::Books;
use self::counted::Counted;
use self::labels::Labels;
use self::labels::Server;
pub(super) use self::standing::Standing;
use self::totals::Totals;
use super::open::Open;
use crate::counters::Workload;
use crate::doctor::Rule;
use crate::doctor::Severity;
use crate::doctor::Verdict;
use crate::host::Signal;
use crate::report::Report;

/// The two formats that scrapers ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus's own text, 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// As `Content-Type` says it.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All figures, up to the last ten seconds that are over.
#[derive(Clone, Debug, Default)]
struct Figures {
    totals: Totals,
    books: Books,
    /// Those that are open, and the server that each names: whether it has series of its own is
    /// known when its ten seconds are counted, which may be later.
    findings: Vec<(Labels, Option<Server>)>,
    /// What they explain, by rule.
    finding_queries: BTreeMap<Rule, u64>,
    verdict: Option<Verdict>,
    signals: Vec<Signal>,
    standing: Standing,
    /// Counters beside DNS, where they are asked for.
    counted: Option<Counted>,
}

/// The metrics of an agent.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<Figures>);

impl Metrics {
    /// With the hooks that are active.
    pub(super) fn new(signals: Vec<Signal>) -> Self {
        Self(Mutex::new(Figures {
            signals,
            ..Figures::default()
        }))
    }

    /// Adds ten seconds that are over, as the doctor has judged them.
    pub(super) fn take(&self, to: SystemTime, report: &Report) {
        let mut figures = self.lock();
        figures.totals.add(report);
        figures.books.add(&report.accounting, to);
        figures.signals.clone_from(&report.signals);
    }

    /// What is open now, and that in one word: the same that the log tells.
    pub(super) fn tell(&self, open: &[Open], verdict: Verdict) {
        let mut figures = self.lock();
        figures.verdict = Some(verdict);
        figures.tell_findings(open);
    }

    /// Counters beside DNS are told as well: each program, and whether it runs.
    pub(super) fn begin_to_count(&self, programs: Vec<(&'static str, bool)>) {
        self.lock().counted = Some(Counted::new(programs));
    }

    /// Adds what they counted in ten seconds, and how often there was no room since the start.
    pub(super) fn count(
        &self,
        rows: &[Workload],
        lost: BTreeMap<(&'static str, &'static str), u64>,
    ) {
        if let Some(counted) = &mut self.lock().counted {
            counted.add(rows, lost);
        }
    }

    /// All of it as text.
    pub(super) fn write(self: &Arc<Self>, format: Format, standing: Standing) -> String {
        self.lock().standing = standing;
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Arc::clone(self)));
        let mut out = String::new();
        let written = match format {
            Format::Text => prometheus_text::encode(&mut out, &registry),
            Format::OpenMetrics => text::encode(&mut out, &registry),
        };
        if written.is_err() {
            log::error!("the metrics cannot be written");
            out.clear();
        }
        out
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Figures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Figures {
    fn tell_findings(&mut self, open: &[Open]) {
        self.findings.clear();
        self.finding_queries.clear();
        for Open { finding, worst, .. } in open {
            let labels: Labels = vec![
                ("rule", finding.rule.name().to_owned()),
                ("severity", severity(*worst).to_owned()),
            ];
            let server = finding.scope.server.as_ref();
            let server = server.map(|it| std::net::SocketAddr::new(it.ip, it.port));
            self.findings.push((labels, server.map(Server::At)));
            let queries = self.finding_queries.entry(finding.rule).or_default();
            *queries = queries.saturating_add(finding.queries);
        }
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

#[cfg(test)]
mod tests;
