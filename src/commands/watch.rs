//! `kerno watch`.

use std::io;
use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use crossbeam_channel::after;
use crossbeam_channel::never;
use crossbeam_channel::select;
use crossbeam_channel::tick;

use crate::attempt::Attempt;
use crate::attribution::Attribution;
use crate::cli::WatchArgs;
use crate::filter::Filter;
use crate::host::Clock;
use crate::host::Host;
use crate::host::privileges;
use crate::host::proc::untrusted;
use crate::kernel::Config;
use crate::kernel::Wake;
use crate::lookup::Lookup;
use crate::lookup::LookupResult;
use crate::monitor::Ending;
use crate::monitor::Message;
use crate::monitor::Monitor;
use crate::stop::Stop;
use crate::watch::LineWriter;
use crate::watch::LookupRecord;
use crate::watch::Record;
use crate::watch::Waits;
use crate::watch::Written;

/// A reader that goes away is noticed, even if there is nothing to tell it.
const LOOK_FOR_READER: Duration = Duration::from_millis(500);

/// Streams records until the time is over, a signal comes or the reader goes.
pub(super) fn run(args: &WatchArgs, stop: &Stop) -> Result<ExitCode> {
    let config = Config {
        ports: args.watched.ports()?,
        wake: Wake::Each,
        count_plain: false,
        lookups: args.lookups,
        all_hooks: args.watched.all_hooks,
    };
    let filter = args.filter();
    let mut clock = Clock::start();
    privileges::lower(&[]);
    untrusted::use_helper();
    let host = Host::probe()?;
    let root = host.cgroup().try_clone_to_owned()?;
    let monitor = Monitor::start(host, config, args.watched.timeout)?;
    let attribution =
        Attribution::start(monitor.messages().clone(), root, &args.watched.workloads())?;
    super::say_missing(&monitor.signals);
    // Whoever starts kerno in the background waits for this line.
    super::say("watching");

    let end = args.duration.map(|duration| Instant::now() + duration);
    let is_over = || stop.is_set() || end.is_some_and(|end| Instant::now() >= end);
    let mut over = args.duration.map_or_else(never, after);
    let mut stopped = stop.channel().clone();
    let looks = tick(LOOK_FOR_READER);
    let writer = LineWriter::new(io::stdout());
    let mut lines = Vec::new();
    let mut unwritten = 0;
    let mut waits = Waits::default();
    let mut has_room = true;
    loop {
        select! {
            recv(attribution.messages()) -> message => match message {
                Ok(Message::Ended(attempts)) if args.lookups => {
                    attempts.iter().for_each(|attempt| waits.see(attempt));
                }
                Ok(message @ (Message::Ended(_) | Message::Lookups(_))) => {
                    clock.follow();
                    let number = match &message {
                        Message::Lookups(all) => {
                            write_lookups(all, &waits, &filter, &clock, &mut lines)?
                        }
                        Message::Ended(all) => write_lines(all, &filter, &clock, &mut lines)?,
                        _ => 0,
                    };
                    // At the end a reader that stands still is not waited for.
                    let written = match has_room {
                        true => writer.write(&lines, is_over).context("cannot write to stdout")?,
                        false => Written::Stopped,
                    };
                    match written {
                        Written::Whole => {}
                        Written::ReaderGone => return Ok(ExitCode::SUCCESS),
                        Written::Stopped => {
                            has_room = false;
                            unwritten += number;
                        }
                    }
                }
                // An attempt that was answered in time has had its record.
                Ok(Message::SlowReads(_)) => {}
                // They are no attempts.
                Ok(Message::TurnedAway(_) | Message::Suspects(_) | Message::CameSecond(_)) => {}
                // None is counted together with others here.
                Ok(Message::Plain(_) | Message::Questions(_)) => {}
                // It has one window.
                Ok(Message::Rolled(_)) => {}
                Ok(Message::Finished(ending)) => {
                    say_losses(&ending, unwritten);
                    break;
                }
                Err(_) => break,
            },
            recv(looks) -> _ => if writer.reader_is_gone() {
                return Ok(ExitCode::SUCCESS);
            },
            recv(stopped) -> _ => {
                stopped = never();
                monitor.stop();
            }
            recv(over) -> _ => {
                over = never();
                monitor.stop();
            }
        }
    }
    monitor.join()?;
    let attributed = attribution.finish();
    if !attributed.are_logged {
        attributed.books.complaints.iter().for_each(super::say);
    }
    Ok(ExitCode::SUCCESS)
}

fn write_lines(
    attempts: &[Attempt],
    filter: &Filter,
    clock: &Clock,
    lines: &mut Vec<u8>,
) -> Result<u64> {
    lines.clear();
    let mut number = 0;
    for attempt in attempts.iter().filter(|attempt| filter.matches(attempt)) {
        serde_json::to_writer(&mut *lines, &Record::new(attempt, clock))?;
        lines.push(b'\n');
        number += 1;
    }
    Ok(number)
}

fn write_lookups(
    lookups: &[Lookup],
    waits: &Waits,
    filter: &Filter,
    clock: &Clock,
    lines: &mut Vec<u8>,
) -> Result<u64> {
    lines.clear();
    let mut number = 0;
    for (lookup, waited) in lookups.iter().zip(waits.of(lookups)) {
        let failed = lookup.outline.result == LookupResult::Failed;
        let took = Duration::from_nanos(lookup.outline.duration_ns);
        if filter.wants(&lookup.example, lookup.name.as_deref(), failed, took) {
            serde_json::to_writer(&mut *lines, &LookupRecord::new(lookup, waited, clock))?;
            lines.push(b'\n');
            number += 1;
        }
    }
    Ok(number)
}

/// A stream with holes must not look whole.
fn say_losses(ending: &Ending, unwritten: u64) {
    ending.counters.gaps().iter().for_each(super::say);
    if ending.grouped.lookups_cut_short > 0 {
        super::say(format_args!(
            "{} lookups may be told in pieces: there were too many at one time",
            ending.grouped.lookups_cut_short
        ));
    }
    if ending.counters.ring_full > 0 {
        super::say("kerno reads no faster than whoever reads the stream");
    }
    if unwritten > 0 {
        super::say(format_args!(
            "{unwritten} records were not written: the reader stood still at the end"
        ));
    }
}
