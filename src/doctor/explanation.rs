//! What a rule says, sentence by sentence.

use super::finding::Finding;
use super::finding::Severity;
use super::finding::Subject;
use super::finding::Unit;
use super::rule::Rule;
use crate::shell::Command;

/// What a lost query or answer does to a program, where nothing was measured.
pub(super) const USUAL_WAIT: &str = "By default glibc waits 5 s and musl 2.5 s for an answer, and \
                                     asks again. A lookup whose every try is lost fails.";

/// The words of a [`Finding`].
#[derive(Clone, Debug)]
pub(super) struct Explanation {
    title: String,
    cause: String,
    impact: String,
    evidence: Vec<String>,
    fix: Vec<String>,
}

impl Explanation {
    /// The title (a sentence without a full stop), why it is so, and what it does to
    /// programs.
    pub(super) fn of(
        title: impl Into<String>,
        cause: impl Into<String>,
        impact: impl Into<String>,
    ) -> Self {
        Self {
            title: title.into(),
            cause: cause.into(),
            impact: impact.into(),
            evidence: Vec::new(),
            fix: Vec::new(),
        }
    }

    /// Another title, made of this one.
    pub(super) fn titled(mut self, title: impl FnOnce(&str) -> String) -> Self {
        self.title = title(&self.title);
        self
    }

    /// Another word on what it does to programs.
    pub(super) fn impact(mut self, impact: &str) -> Self {
        impact.clone_into(&mut self.impact);
        self
    }

    /// More about what it does to programs.
    pub(super) fn impacts(mut self, more: Option<String>) -> Self {
        if let Some(text) = more {
            if !self.impact.is_empty() {
                self.impact.push(' ');
            }
            self.impact.push_str(&text);
        }
        self
    }

    /// More about why it is so.
    pub(super) fn causes<'t>(mut self, texts: impl IntoIterator<Item = &'t str>) -> Self {
        for text in texts {
            self.cause.push(' ');
            self.cause.push_str(text);
        }
        self
    }

    pub(super) fn line(mut self, line: impl Into<String>) -> Self {
        self.evidence.push(line.into());
        self
    }

    pub(super) fn lines(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(lines);
        self
    }

    /// Goes on as this function has it.
    pub(super) fn with(self, more: impl FnOnce(Self) -> Self) -> Self {
        more(self)
    }

    /// A step in words of what to do. A command in them stands in the source as it is.
    pub(super) fn say(mut self, text: impl Into<String>) -> Self {
        self.fix.push(text.into());
        self
    }

    /// A step that ends with a command, and is nothing without it.
    pub(super) fn run(self, text: &'static str, command: Command) -> Self {
        self.run_amid(text, &[command], "")
    }

    /// The same with several commands, and words behind them.
    pub(super) fn run_amid(
        self,
        before: &'static str,
        commands: &[Command],
        after: &'static str,
    ) -> Self {
        let quoted = commands
            .iter()
            .map(|command| command.text().map(|text| format!("`{text}`")));
        match quoted.collect::<Option<Vec<_>>>() {
            Some(quoted) => self.say(format!("{before} {}{after}", quoted.join(", "))),
            None => self,
        }
    }

    /// As a finding about the clients of this host, with what was measured and what
    /// it was compared with.
    pub(super) fn finding(self, rule: Rule, severity: Severity, measured: Measured) -> Finding {
        let finding = Finding {
            rule,
            severity,
            title: self.title,
            cause: self.cause,
            impact: self.impact,
            hit_hardest: None,
            evidence: self.evidence,
            fix: self.fix,
            value: measured.value,
            threshold: measured.threshold,
            unit: measured.unit,
            scope: Subject::default(),
            queries: 0,
            lost_ns: 0,
        };
        #[cfg(test)]
        super::overheard::tell(super::overheard::texts(&finding));
        finding
    }
}

/// What was measured, and what it was compared with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    value: f64,
    threshold: f64,
    unit: Unit,
}

impl Measured {
    /// One query is enough.
    pub(super) fn queries(value: u64) -> Self {
        Self {
            value: value as f64,
            threshold: 1.0,
            unit: Unit::Queries,
        }
    }

    /// A share with three decimals.
    pub(super) fn percent(ratio: f64, threshold: u64) -> Self {
        Self {
            value: (ratio * 1e5).round() / 1e3,
            threshold: threshold as f64,
            unit: Unit::Percent,
        }
    }

    /// Nanoseconds, told in milliseconds.
    pub(super) fn ms(value_ns: u64, threshold_ns: u64) -> Self {
        Self {
            value: value_ns as f64 / 1e6,
            threshold: threshold_ns as f64 / 1e6,
            unit: Unit::Ms,
        }
    }
}
