//! What a person or a script reads in the end: `kerno.doctor.v1`.

mod accounting;
mod busiest;
mod code;
pub mod counters;
mod explained;
mod figures;
mod form;
mod headline;
mod html;
mod json;
mod lookups;
mod markdown;
pub(crate) mod note;
pub(crate) mod page;
mod picture;
mod pretty;
mod seen;
pub(crate) mod step;
mod table;
mod timeline;
mod troubled;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use std::time::SystemTime;

pub use form::Form;
pub use timeline::Slice;
pub use timeline::Timeline;
pub use troubled::TroubledName;

use note::Note;

use crate::attribution;
use crate::collect::Accounting;
use crate::collect::Snapshot;
use crate::doctor;
use crate::doctor::Diagnosis;
use crate::doctor::Failures;
use crate::doctor::Finding;
use crate::doctor::ForOthers;
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
    /// The options that choose what it is about, if that is not everything.
    pub filter: Option<String>,
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
    /// What of all lookups resolvers on this host made for others.
    pub for_others: ForOthers,
    /// How it went.
    pub timeline: Timeline,
    /// The names that had most trouble.
    pub troubled_names: Vec<TroubledName>,
    /// The findings in one word.
    pub verdict: Verdict,
    /// What the program itself saw and lost, without filters.
    pub accounting: Accounting,
    /// How it went to say whose each attempt is, without filters, where that is known.
    pub attribution: Option<attribution::Books>,
}

impl Report {
    /// Examines the figures and puts the report together.
    pub fn new(time: SystemTime, host: Facts, mut window: ClosedWindow) -> Self {
        let dns = window.snapshot();
        let signals = window.signals();
        let evidence = window.take_evidence();
        let accounting = window.accounting(&evidence);
        let Diagnosis {
            findings,
            failures_by_cause,
            failures,
            slow_by_cause,
            losses,
            for_others,
            explained,
        } = doctor::diagnose(&dns, &evidence);
        let timeline = Timeline::of(&dns.course, &explained, evidence.clock, time);
        let verdict = Verdict::of(&dns, &findings).given(&accounting);
        Self {
            time,
            host,
            since: None,
            window: window.duration(),
            filter: None,
            signals,
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
            for_others,
            timeline,
            troubled_names: troubled::of(&evidence),
            verdict,
            accounting,
            attribution: window.attribution().cloned(),
        }
    }

    /// Writes the report, with a line feed at the end.
    pub fn write(&self, form: Form, out: &mut dyn io::Write) -> io::Result<()> {
        match form {
            Form::Json => json::write(self, out),
            Form::Pretty {
                columns,
                colours: true,
            } => pretty::write(self, out, columns),
            Form::Pretty {
                columns,
                colours: false,
            } => {
                let mut text = Vec::new();
                pretty::write(self, &mut text, columns)?;
                out.write_all(&anstream::adapter::strip_bytes(&text).into_vec())
            }
            Form::Markdown => markdown::write(self, out),
            Form::Html => html::write(self, out),
        }
    }
}

impl Note {
    /// For an issue or a chat.
    pub(crate) fn write_markdown(&self, out: &mut dyn io::Write) -> io::Result<()> {
        markdown::write_note(self, out)
    }

    /// One file to send around.
    pub(crate) fn write_html(&self, out: &mut dyn io::Write) -> io::Result<()> {
        html::write_note(self, out)
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

/// How wide it is on a terminal of this width.
pub(crate) fn columns_in(terminal: Option<usize>) -> usize {
    let (least, most) = COLUMNS_BOUNDS;
    terminal.map_or(COLUMNS, |width| width.clamp(least, most))
}

#[cfg(test)]
pub(crate) mod tests;
