//! `kerno doctor`.

use std::io;
use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use anyhow::Result;
use crossbeam_channel::after;
use crossbeam_channel::never;
use crossbeam_channel::select;
use crossbeam_channel::tick;

use super::progress;
use crate::cli::DoctorArgs;
use crate::host::Facts;
use crate::host::privileges;
use crate::monitor::Ending;
use crate::monitor::Message;
use crate::report::Report;
use crate::stop::Stop;
use crate::watching::Watching;

/// Watches until the time is over or a signal comes, then prints the report.
pub(super) fn run(args: &DoctorArgs, stop: &Stop) -> Result<ExitCode> {
    args.output.must_fit_stdout()?;
    privileges::lower(&[]);
    let watching = Watching::start(args.watched.options()?)?;
    log::info!("watching for {}", humantime::format_duration(args.duration));
    let report = watch(args, stop, watching)?;

    let written = report.write(args.output.form(), &mut io::stdout().lock());
    let code = report.verdict.exit_code();
    super::reported(written, args.exit_code.then_some(code))
}

fn watch(args: &DoctorArgs, stop: &Stop, mut watching: Watching) -> Result<Report> {
    let started = Instant::now();
    let mut duration = args.duration;
    let over = after(args.duration);
    let progress = progress::bar("watching DNS", args.duration);
    let mut stopped = stop.channel().clone();
    // Nobody is to be woken for a line that nobody sees.
    let ticks = match progress.is_hidden() {
        true => never(),
        false => tick(STEP),
    };
    let ending: Ending = loop {
        select! {
            recv(watching.messages()) -> message => match message {
                Ok(Message::Finished(ending)) => break ending,
                Ok(message) => watching.take(message),
                Err(_) => return Err(watching.fault()),
            },
            recv(over) -> _ => watching.settle(),
            recv(stopped) -> _ => {
                stopped = never();
                duration = duration.min(started.elapsed());
                watching.stop();
            }
            recv(ticks) -> _ => {
                let queries = format!("{} queries", watching.queries());
                progress::show(&progress, started.elapsed(), &queries);
            }
        }
    };
    progress.finish_and_clear();
    let filter = watching.filter().options();
    let closed = watching.close(ending, duration)?;
    Ok(Report {
        filter,
        ..Report::new(SystemTime::now(), Facts::gather(), closed)
    })
}

const STEP: Duration = Duration::from_millis(250);
