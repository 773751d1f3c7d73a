//! `kerno top`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use anyhow::anyhow;
use anyhow::bail;

use crate::cli::TopArgs;
use crate::host::privileges;
use crate::stop::Stop;
use crate::top;

/// Shows a live screen until somebody quits it.
pub(super) fn run(args: &TopArgs, stop: &Stop) -> Result<ExitCode> {
    let options = args.watched.options()?;
    if args.agent {
        args.watched.must_be_the_agents()?;
    }
    if !top::is_there() {
        bail!(
            "kerno top is a screen and needs a terminal: start it in one, or let `kerno doctor` \
             write a report"
        );
    }
    // What is on the screen is saved in this folder.
    privileges::lower(&[Path::new(".")]);
    if args.agent {
        top::run(top::ask(&args.socket.socket)?, stop)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (source, watching) = top::watch(options)?;
    let shown = top::run(source, stop);
    // The programs are detached before it ends.
    let watched = watching.join();
    shown?;
    watched.map_err(|_| anyhow!("the thread that watches died"))?;
    Ok(ExitCode::SUCCESS)
}
