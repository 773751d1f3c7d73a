//! In which forms a report is told.

/// For whom it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// One JSON object, for a program.
    #[default]
    Json,
    /// For a person at a terminal.
    Pretty {
        /// Lines have at most so many.
        columns: usize,
        /// With ANSI colours.
        colours: bool,
    },
    /// For an issue or a chat.
    Markdown,
    /// One file to send around.
    Html,
}

impl Form {
    /// As `Content-Type` has it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Pretty { .. } => "text/plain; charset=utf-8",
            // RFC 7763.
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
        }
    }
}
