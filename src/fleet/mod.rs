//! One doctor for all nodes: asks a Prometheus, which scrapes their agents, and says what is
//! wrong, where it sits and what is not affected.

mod finding;
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

    /// One JSON object by the contract, with a line feed at the end.
    pub fn write_json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        json::write(self, out)
    }

    /// For a person, in lines of at most so many columns.
    pub fn write_pretty(&self, out: &mut dyn io::Write, columns: usize) -> io::Result<()> {
        note::write(self, out, columns)
    }
}

#[cfg(test)]
mod tests;
