//! What the doctor of many hosts has to say, as plain data that is written like a report.

use crate::doctor::Severity;
use crate::doctor::Verdict;

/// A note: the verdict first, what it rests on after.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    /// In one word.
    pub(crate) verdict: Verdict,
    /// The first words, and the sentence behind them.
    pub(crate) label: String,
    /// See `label`.
    pub(crate) sentence: String,
    /// Where and when was looked.
    pub(crate) about: String,
    /// What is wrong, worst first.
    pub(crate) findings: Vec<Told>,
    /// What was not seen, in sentences.
    pub(crate) missing: Vec<String>,
    /// The same for a program.
    pub(crate) json: String,
}

/// A finding in words.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// How bad it is.
    pub(crate) severity: Severity,
    /// What is wrong.
    pub(crate) title: String,
    /// The rule that says so.
    pub(crate) rule: String,
    /// What is known of it, each with a word for it.
    pub(crate) rows: Vec<(&'static str, String)>,
    /// Where to look closer, and the command for it.
    pub(crate) look: Option<(String, String)>,
}
