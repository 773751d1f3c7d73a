//! One doctor for all nodes: asks a Prometheus, which scrapes their agents, and says what is
//! wrong, where it sits and what is not affected.

mod expressions;
mod finding;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod join;
mod json;
mod judge;
mod locate;
mod note;
mod place;
mod prometheus;
mod questions;
mod secrets;
mod series;
mod since;
mod table;
mod words;
mod workload;

use std::io;
use std::time::Duration;
use std::time::SystemTime;

use anyhow::Result;

use self::finding::Finding;
use self::prometheus::Prometheus;
use self::table::Table;
use crate::doctor::Verdict;
use crate::report::Form;

pub use self::prometheus::Source;
pub use self::secrets::Secrets;
pub use self::secrets::read as read_secret;

/// What the doctor of a fleet has to say.
#[derive(Debug)]
pub struct Report {
    /// When the time that is looked at ends, and how long it is.
    to: SystemTime,
    last: Duration,
    table: Table,
    findings: Vec<Finding>,
    verdict: Verdict,
    /// What was not seen, in sentences.
    missing: Vec<String>,
}

impl Report {
    /// Asks, and judges what is told.
    pub fn ask(source: &Source, to: SystemTime, last: Duration) -> Result<Self> {
        let mut prometheus = Prometheus::new(source)?;
        let table = questions::ask(&mut prometheus, to, last)?;
        let missing = prometheus.complaints();
        Ok(Self::of(table, missing, to, last))
    }

    fn of(table: Table, complaints: Vec<String>, to: SystemTime, last: Duration) -> Self {
        let findings = judge::findings(&table);
        let missing = judge::missing(&table, complaints);
        let verdict = judge::verdict(&table, &findings, &missing);
        Self {
            to,
            last,
            table,
            findings,
            verdict,
            missing: missing.sentences,
        }
    }

    /// As the doctor's.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Writes the report, with a line feed at the end.
    pub fn write(&self, form: Form, out: &mut dyn io::Write) -> io::Result<()> {
        match form {
            Form::Json => json::write(self, out),
            Form::Pretty { columns, colours } => {
                let mut text = Vec::new();
                note::write(self, &mut text, columns)?;
                match colours {
                    true => out.write_all(&text),
                    false => out.write_all(&anstream::adapter::strip_bytes(&text).into_vec()),
                }
            }
            Form::Markdown => note::of(self, String::new()).write_markdown(out),
            Form::Html => note::of(self, json::compact(self)?).write_html(out),
        }
    }
}

#[cfg(test)]
mod tests;
