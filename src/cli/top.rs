//! The options of `kerno top`.

use clap::Args;

use super::SocketArg;
use super::WatchedArgs;

pub(super) const EXAMPLES: &str = "\
Examples:
  sudo kerno top                             watches this host
  sudo kerno top --comm nginx --port 53,1053
  sudo kerno top --agent                     what `kerno agent` sees; left goes back in time
  NO_COLOR=1 LANG=C sudo -E kerno top        for a terminal with neither

Keys: ? for all of them, Tab for the next table, Enter for all about a line, / to filter,
o to sort, p to pause, s to save the report as HTML, q to quit. From 60 columns and 15 lines
on; docs/top.md has a picture.";

/// `kerno top`.
#[derive(Args, Debug)]
pub struct TopArgs {
    /// Look at what the agent sees, instead of watching.
    #[arg(long)]
    pub agent: bool,
    /// Where the agent is asked.
    #[command(flatten)]
    pub socket: SocketArg,
    /// What to watch.
    #[command(flatten)]
    pub watched: WatchedArgs,
}
