//! What a person or a script reads in the end: `kerno.doctor.v1`.

mod accounting;
mod busiest;
pub mod counters;
mod explained;
mod figures;
mod headline;
mod json;
mod lookups;
pub(crate) mod page;
mod pretty;
mod table;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use std::time::SystemTime;

use crate::attribution;
use crate::collect::Accounting;
use crate::collect::Snapshot;
use crate::doctor;
use crate::doctor::Diagnosis;
use crate::doctor::Failures;
use crate::doctor::Finding;
use crate::doctor::Losses;
use crate::doctor::Rule;
use crate::doctor::Verdict;
use crate::host::Facts;
use crate::host::Signal;
use crate::window::ClosedWindow;

/// Everything that the doctor found out in one window.
#[derive(Clone, Debug)]
pub struct Report {
    /// When the window ended.
    pub time: SystemTime,
    /// Where.
    pub host: Facts,
    /// When it began, if it is over for a while: the agent's.
    pub since: Option<SystemTime>,
    /// How long was watched.
    pub window: Duration,
    /// Which hooks were active, and why not where they were not.
    pub signals: Vec<Signal>,
    /// The figures of the attempts that passed the filters.
    pub dns: Snapshot,
    /// What is wrong, worst first.
    pub findings: Vec<Finding>,
    /// Failed attempts by the rule that explains them; the sum is all that failed.
    pub failures_by_cause: BTreeMap<Rule, u64>,
    /// The same by where and whose they were, too.
    pub failures: BTreeMap<Failures, u64>,
    /// The same of slow answers.
    pub slow_by_cause: BTreeMap<Rule, u64>,
    /// What could not be read of the host, in sentences.
    pub not_read: Vec<String>,
    /// What else is worth knowing of what was seen, in sentences.
    pub notes: Vec<String>,
    /// Time that lookups lost, by the rule that explains it.
    pub losses: Losses,
    /// The findings in one word.
    pub verdict: Verdict,
    /// What the program itself saw and lost, without filters.
    pub accounting: Accounting,
    /// How it went to say whose each attempt is, without filters, if the watching is over.
    pub attribution: Option<attribution::Ending>,
}

impl Report {
    /// Examines the figures and puts the report together.
    pub fn new(time: SystemTime, host: Facts, window: &ClosedWindow) -> Self {
        let dns = window.snapshot();
        let evidence = window.evidence();
        let accounting = window.accounting(&evidence);
        let Diagnosis {
            findings,
            failures_by_cause,
            failures,
            slow_by_cause,
            losses,
        } = doctor::diagnose(&dns, &evidence);
        let verdict = Verdict::of(&dns, &findings).given(&accounting);
        Self {
            time,
            host,
            since: None,
            window: window.duration(),
            signals: window.signals(),
            dns,
            findings,
            failures_by_cause,
            failures,
            slow_by_cause,
            not_read: evidence.host.missing.clone(),
            notes: doctor::unseen_clients(&evidence)
                .into_iter()
                .chain(window.names_missing().map(str::to_owned))
                .collect(),
            losses,
            verdict,
            accounting,
            attribution: None,
        }
    }

    /// Writes the report for a script: one JSON object by the contract, with a
    /// line feed at the end.
    pub fn write_json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        json::write(self, out)
    }

    /// Writes the report for a person, in lines of at most so many columns (see
    /// [`columns_of_stdout`]), with ANSI colours (wrap `out` in
    /// `anstream::AutoStream` where it may not be a terminal).
    pub fn write_pretty(&self, out: &mut dyn io::Write, columns: usize) -> io::Result<()> {
        pretty::write(self, out, columns)
    }
}

/// How wide a report is where stdout is no terminal.
const COLUMNS: usize = 100;
/// The narrowest and the widest that it is: a table needs the one, and who reads
/// loses the line beyond the other.
const COLUMNS_BOUNDS: (usize, usize) = (60, 120);

/// How wide a report on stdout is: as its terminal.
pub fn columns_of_stdout() -> usize {
    let terminal = terminal_size::terminal_size_of(io::stdout());
    columns_in(terminal.map(|(width, _)| usize::from(width.0)))
}

fn columns_in(terminal: Option<usize>) -> usize {
    let (least, most) = COLUMNS_BOUNDS;
    terminal.map_or(COLUMNS, |width| width.clamp(least, most))
}

#[cfg(test)]
mod tests;
