//! What each program may cost the verifier: the record, and how far from it a
//! program may grow before somebody has to say that it is meant.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context as _;
use anyhow::Result;

/// The record.
const PATH: &str = "tests/kernels/budget.txt";

/// Growth that needs nobody's consent, in percent. A field or a check more costs
/// a few; a loop that the verifier walks through anew doubles the number, and
/// the kernel's limit is a million.
const GROWTH: u64 = 25;

const HEAD: &str = "\
# Instructions that the verifier walks through, by program and kernel. A program
# that needs 25 % more than this on any kernel fails `make bpf-verify`, which
# writes this file anew, on purpose, as `make bpf-verify RECORD=yes`.
";

/// Instructions by kernel series and program.
#[derive(Debug, Default)]
pub(crate) struct Budget(BTreeMap<(String, String), u64>);

impl Budget {
    /// Reads the record: a heading with the kernels, then a line per program.
    pub(crate) fn read() -> Result<Self> {
        let text = fs::read_to_string(PATH).with_context(|| format!("cannot read {PATH}"))?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut budget = Self::default();
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let series: Vec<&str> = lines
            .next()
            .unwrap_or("")
            .split_whitespace()
            .skip(1)
            .collect();
        for line in lines {
            let mut fields = line.split_whitespace();
            let program = fields.next().unwrap_or("");
            for (series, insns) in series.iter().zip(fields) {
                if let Ok(insns) = insns.parse() {
                    budget.set(series, program, insns);
                }
            }
        }
        budget
    }

    pub(crate) fn set(&mut self, series: &str, program: &str, insns: u64) {
        self.0
            .insert((series.to_owned(), program.to_owned()), insns);
    }

    /// Why the number is not within the budget: in a word, and as a sentence.
    pub(crate) fn complaint(
        &self,
        series: &str,
        program: &str,
        insns: u64,
    ) -> Option<(&'static str, String)> {
        let Some(&recorded) = self.0.get(&(series.to_owned(), program.to_owned())) else {
            let why = format!(
                "{PATH} has no number for {program} on {series}: record it with \
                 `make bpf-verify RECORD=yes` and commit the file"
            );
            return Some(("NEW", why));
        };
        (insns * 100 > recorded * (100 + GROWTH)).then(|| {
            let why = format!(
                "the verifier walks through {insns} instructions, {} % more than the {recorded} in \
                 {PATH}: make the program cheaper, or record the new number on purpose with \
                 `make bpf-verify RECORD=yes`",
                (insns - recorded) * 100 / recorded.max(1)
            );
            ("OVER", why)
        })
    }

    /// Writes the record for these kernels, in this order.
    pub(crate) fn write(&self, series: &[&str]) -> Result<()> {
        let mut programs: Vec<&str> = self.0.keys().map(|(_, program)| program.as_str()).collect();
        programs.sort_unstable();
        programs.dedup();
        let width = programs.iter().map(|name| name.len()).max().unwrap_or(0);
        let mut text = format!("{HEAD}{:width$}", "program");
        text.extend(series.iter().map(|series| format!(" {series:>8}")));
        text.push('\n');
        for program in programs {
            text.push_str(&format!("{program:width$}"));
            for series in series {
                let insns = self.0.get(&((*series).to_owned(), program.to_owned()));
                let insns = insns.map_or_else(|| "-".to_owned(), u64::to_string);
                text.push_str(&format!(" {insns:>8}"));
            }
            text.push('\n');
        }
        fs::write(PATH, text).with_context(|| format!("cannot write {PATH}"))
    }
}
