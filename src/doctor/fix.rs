//! What to do about a finding, in order.

use crate::shell::Command;

/// Steps; see [`super::Finding::fix`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fix(Vec<String>);

impl Fix {
    /// A step in words. A command in them stands in the source as it is.
    pub(super) fn say(mut self, text: impl Into<String>) -> Self {
        self.0.push(text.into());
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

    pub(super) fn into_steps(self) -> Vec<String> {
        self.0
    }
}
