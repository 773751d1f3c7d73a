//! `--output` of the reports.

use std::io;
use std::io::IsTerminal as _;

use clap::ValueEnum;

use crate::report;
use crate::report::Form;

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person at a terminal.
    Pretty,
    /// For a program.
    Json,
    /// For an issue or a chat.
    Markdown,
    /// One file to send around: write it to a file.
    Html,
}

impl Format {
    /// An error where stdout is a terminal, and this is none of its business.
    pub fn must_fit_stdout(self) -> Result<(), clap::Error> {
        match self == Self::Html && io::stdout().is_terminal() {
            false => Ok(()),
            true => Err(clap::Error::raw(
                clap::error::ErrorKind::ArgumentConflict,
                "--output html is for a file or a pipe: add >report.html\n",
            )),
        }
    }

    /// As stdout takes it: as wide as its terminal, with colours if it has any.
    pub fn form(self) -> Form {
        match self {
            Self::Pretty => Form::Pretty {
                columns: report::columns_of_stdout(),
                colours: anstream::AutoStream::choice(&io::stdout())
                    != anstream::ColorChoice::Never,
            },
            Self::Json => Form::Json,
            Self::Markdown => Form::Markdown,
            Self::Html => Form::Html,
        }
    }
}
