//! The commands: each file reads like its own summary.

mod agent;
#[cfg(feature = "chaos")]
mod chaos;
mod counters;
mod doctor;
mod fleet;
mod generate;
mod history;
mod progress;
mod top;
mod verify;
mod watch;

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use anyhow::Context as _;
use anyhow::Result;
use nix::sys::signal;
use serde::Serialize;
use serde_json::Map;

use crate::cli::Cli;
use crate::cli::Command;
use crate::cli::Output;
use crate::host::Signal;
use crate::host::proc::untrusted;
use crate::journal;
use crate::journal::Level;
use crate::stop::Stop;

/// Runs the command; the result is its exit code.
pub fn run(cli: &Cli) -> Result<ExitCode> {
    // A worker of a lab ends when the lab does, and minds no signals.
    #[cfg(feature = "chaos")]
    if matches!(cli.command, Command::LabWorker) {
        kerno_chaos::lab::run_worker();
        return Ok(ExitCode::SUCCESS);
    }
    if matches!(cli.command, Command::ReadFiles) {
        untrusted::serve()?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Command::Generate(args) = &cli.command {
        return generate::run(args);
    }
    let stop = match cli.command {
        // Its terminal is to be given back, also where that is hung up.
        Command::Top(_) => Stop::on(&[signal::SIGINT, signal::SIGTERM, signal::SIGHUP])?,
        _ => Stop::on_signals()?,
    };
    match &cli.command {
        Command::Doctor(args) if args.past.is_named() => history::report(args),
        Command::Doctor(args) => doctor::run(args, &stop),
        Command::Agent(args) => agent::run(args, &stop),
        Command::History(args) => history::run(args),
        Command::Fleet(args) => fleet::run(args),
        Command::Top(args) => top::run(args, &stop),
        Command::Watch(args) => watch::run(args, &stop),
        Command::Counters(args) => counters::run(args, &stop),
        #[cfg(feature = "chaos")]
        Command::Chaos(args) => chaos::run(args, &stop),
        Command::Verify(args) => verify::run(args),
        Command::ReadFiles | Command::Generate(_) => unreachable!("it was dealt with above"),
        #[cfg(feature = "chaos")]
        Command::LabWorker => unreachable!("it was dealt with above"),
    }
}

/// What this kernel can't show is said, and the rest works.
fn say_missing(signals: &[Signal]) {
    for missing in signals.iter().filter_map(|signal| signal.missing.as_ref()) {
        say(missing);
    }
}

/// Writes a result for a program or for a person.
fn print(
    output: Output,
    result: &impl Serialize,
    as_text: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
    out: &mut dyn io::Write,
) -> Result<()> {
    match output {
        Output::Json => serde_json::to_writer_pretty(&mut *out, result)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out)),
        Output::Pretty => as_text(out),
    }
    .context("cannot write to stdout")
}

/// Ends a command that has written a report; the code is the verdict's, if it is asked for.
fn reported(written: io::Result<()>, code: Option<u8>) -> Result<ExitCode> {
    match written {
        // Who needs only the exit code need not read the report.
        Err(gone) if code.is_some() && gone.kind() == io::ErrorKind::BrokenPipe => {}
        written => written.context("cannot write the report to stdout")?,
    }
    Ok(code.map_or(ExitCode::SUCCESS, ExitCode::from))
}

/// One line on stderr.
pub fn say(message: impl Display) {
    journal::tell(Level::Info, message, Map::new());
}
