//! `kerno doctor`.

use std::io;
use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use crossbeam_channel::after;
use crossbeam_channel::never;
use crossbeam_channel::select;
use crossbeam_channel::tick;

use super::progress;
use crate::attribution;
use crate::attribution::Attribution;
use crate::cli::DoctorArgs;
use crate::cli::Output;
use crate::counters::Watches;
use crate::host::Clock;
use crate::host::Facts;
use crate::host::Host;
use crate::host::Signal;
use crate::host::proc::Root;
use crate::host::proc::untrusted;
use crate::kernel::Config;
use crate::kernel::Wake;
use crate::monitor::Ending;
use crate::monitor::Message;
use crate::monitor::Monitor;
use crate::report;
use crate::report::Report;
use crate::sampler::Sampler;
use crate::stop::Stop;
use crate::window::End;
use crate::window::Window;

/// Watches until the time is over or a signal comes, then prints the report.
pub(super) fn run(args: &DoctorArgs, stop: &Stop) -> Result<ExitCode> {
    let config = Config {
        ports: args.watched.ports()?,
        // Who is in a hierarchy of version 1 is known only while it lives.
        wake: match attribution::has_version_1() {
            true => Wake::Newcomers,
            false => Wake::Many,
        },
        count_plain: args.watched.filter().is_all(),
        lookups: true,
        all_hooks: args.watched.all_hooks,
    };
    untrusted::use_helper();
    let host = Host::probe()?;
    let root = host.cgroup().try_clone_to_owned()?;
    // It takes its time where there are many namespaces, so it comes first.
    let watches = Watches::start(args.watched.all_hooks);
    let watched = watches.signals().to_vec();
    let sampler = Sampler::start(Root::default(), watches);
    let monitor = Monitor::start(host, config, args.watched.timeout)?;
    let attribution =
        Attribution::start(monitor.messages().clone(), root, &args.watched.workloads())?;
    log::info!("watching for {}", humantime::format_duration(args.duration));
    let report = watch(args, stop, monitor, attribution, (sampler, watched))?;

    let mut out = anstream::stdout().lock();
    let written = match args.output {
        Output::Json => report.write_json(&mut out),
        Output::Pretty => report.write_pretty(&mut out, report::columns_of_stdout()),
    };
    match written {
        // Who needs only the exit code need not read the report.
        Err(gone) if args.exit_code && gone.kind() == io::ErrorKind::BrokenPipe => {}
        written => written.context("cannot write the report to stdout")?,
    }
    Ok(match args.exit_code {
        true => ExitCode::from(report.verdict.exit_code()),
        false => ExitCode::SUCCESS,
    })
}

fn watch(
    args: &DoctorArgs,
    stop: &Stop,
    monitor: Monitor,
    attribution: Attribution,
    (mut sampler, watched): (Sampler, Vec<Signal>),
) -> Result<Report> {
    let mut window = Window::new(args.watched.filter());
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
            recv(attribution.messages()) -> message => match message {
                Ok(message) => {
                    window.take(&message);
                    match message {
                        Message::Ended(attempts) => {
                            attempts.iter().for_each(|attempt| sampler.meet(attempt));
                        }
                        Message::Plain(plain) => {
                            plain.iter().for_each(|plain| sampler.meet(&plain.example));
                        }
                        Message::Suspects(places) => {
                            places.into_iter().for_each(|asked| sampler.meet_suspect(asked));
                        }
                        Message::Lookups(_) | Message::TurnedAway(_) | Message::Rolled(_) => {}
                        Message::SlowReads(reads) => sampler.meet_readers(&reads),
                        Message::Finished(ending) => break ending,
                    }
                }
                Err(_) => {
                    monitor.join()?;
                    bail!("the poller thread ended without a word");
                }
            },
            // Who waits at the end of the window may still get an answer.
            recv(over) -> _ => monitor.settle(),
            recv(stopped) -> _ => {
                stopped = never();
                duration = duration.min(started.elapsed());
                monitor.stop();
            }
            recv(ticks) -> _ => {
                let queries = format!("{} queries", window.queries());
                progress::show(&progress, started.elapsed(), &queries);
            }
        }
    };
    progress.finish_and_clear();
    let signals = [monitor.signals.clone(), watched].concat();
    monitor.join()?;
    // Before the figures are taken: names that came late are in them.
    let attributed = attribution.finish();
    let closed = window.close(End {
        duration,
        kernel: ending,
        host: sampler.finish(),
        known: attributed.known.clone(),
        signals,
        clock: Some(Clock::start()),
    });
    Ok(Report {
        attribution: Some(attributed),
        ..Report::new(SystemTime::now(), Facts::gather(), &closed)
    })
}

const STEP: Duration = Duration::from_millis(250);
