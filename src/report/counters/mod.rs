//! What `kerno counters` prints: `kerno.counters.v1`, and the same for a person.

mod bounds;
mod json;
mod pretty;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use std::time::SystemTime;

use crate::counters::Placed;
use crate::counters::Workload;
use crate::host::Facts;

/// Everything that the counters counted in one window.
#[derive(Clone, Debug)]
pub struct CountersReport {
    /// When the window ended.
    pub time: SystemTime,
    /// Where.
    pub host: Facts,
    /// How long was counted.
    pub window: Duration,
    /// What ran, and what this kernel cannot give.
    pub programs: Vec<ProgramState>,
    /// The figures, busiest first.
    pub workloads: Vec<Workload>,
    /// Whose the figures are.
    pub placed: Placed,
    /// By program and map: how often it had no room.
    pub lost: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// What could not be found out about whose they are, as sentences.
    pub not_known: Vec<String>,
}

/// One program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramState {
    /// Its name.
    pub name: &'static str,
    /// Why it did not run; `None` if it did.
    pub reason: Option<String>,
    /// Each of its counters that this kernel cannot give, and why.
    pub missing: Vec<(&'static str, String)>,
}

impl CountersReport {
    /// Writes one JSON object by the contract, with a line feed at the end.
    pub fn write_json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        json::write(self, out)
    }

    /// Writes it for a person, in lines of at most so many columns, with ANSI colours.
    pub fn write_pretty(&self, out: &mut dyn io::Write, columns: usize) -> io::Result<()> {
        pretty::write(self, out, columns)
    }

    /// What makes the figures less than everything that happened, as sentences.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        for (program, maps) in &self.lost {
            for (map, lost) in maps.iter().filter(|(_, lost)| **lost > 0) {
                gaps.push(format!(
                    "The map {map} of {program} had no room {}: that much was not counted.",
                    crate::units::counted(*lost, "time", "times")
                ));
            }
        }
        gaps
    }
}
