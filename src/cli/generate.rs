//! `kerno gen`: what is made of the command line itself.

use std::path::PathBuf;

use clap::Args;
use clap::ValueEnum;

pub(super) const EXAMPLES: &str = "\
Examples:
  kerno gen man man1                         kerno.1 and a page for each command
  kerno gen completions .                    kerno.bash, _kerno, kerno.fish
  SOURCE_DATE_EPOCH=0 kerno gen man man1     with that date, for packages";

/// `kerno gen`.
#[derive(Args, Debug)]
pub struct GenerateArgs {
    /// What to write.
    #[arg(value_enum)]
    pub what: Generated,
    /// A folder that is there.
    pub folder: PathBuf,
}

/// What can be made of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Generated {
    /// Manual pages.
    Man,
    /// Completions for bash, zsh and fish.
    Completions,
}
