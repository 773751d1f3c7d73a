//! `kerno watch`.

use std::io;
use std::process::ExitCode;

use anyhow::Context as _;
use anyhow::Result;
use crossbeam_channel::after;
use crossbeam_channel::never;
use crossbeam_channel::select;

use crate::attempt::Attempt;
use crate::cli::WatchArgs;
use crate::filter::Filter;
use crate::host::Clock;
use crate::host::Host;
use crate::kernel::Config;
use crate::kernel::Ending;
use crate::kernel::Message;
use crate::kernel::Monitor;
use crate::stop::Stop;
use crate::watch::LineWriter;
use crate::watch::Record;
use crate::watch::Written;

/// Streams records until the time is over, a signal comes or the reader goes.
pub(super) fn run(args: &WatchArgs, stop: &Stop) -> Result<ExitCode> {
    let config = Config {
        ports: args.watched.ports()?,
        live: true,
    };
    let filter = Filter::for_watch(&args.watched, args.failed, args.slower_than);
    let clock = Clock::start();
    let monitor = Monitor::start(Host::probe()?, config, args.watched.timeout)?;
    super::say_missing(&monitor.signals);
    // Whoever starts kerno in the background waits for this line.
    eprintln!("kerno: watching");

    let over = args.duration.map_or_else(never, after);
    let writer = LineWriter::new(io::stdout());
    let mut lines = Vec::new();
    loop {
        select! {
            recv(monitor.messages()) -> message => match message {
                Ok(Message::Ended(attempts)) => {
                    write_lines(&attempts, &filter, &clock, &mut lines)?;
                    let written = writer
                        .write(&lines, || stop.is_set())
                        .context("cannot write to stdout")?;
                    if written == Written::ReaderGone {
                        return Ok(ExitCode::SUCCESS);
                    }
                }
                Ok(Message::Finished(ending)) => {
                    say_losses(&ending);
                    break;
                }
                Err(_) => break,
            },
            recv(stop.channel()) -> _ => monitor.stop(),
            recv(over) -> _ => monitor.stop(),
        }
    }
    monitor.join()?;
    Ok(ExitCode::SUCCESS)
}

fn write_lines(
    attempts: &[Attempt],
    filter: &Filter,
    clock: &Clock,
    lines: &mut Vec<u8>,
) -> Result<()> {
    lines.clear();
    for attempt in attempts.iter().filter(|attempt| filter.matches(attempt)) {
        serde_json::to_writer(&mut *lines, &Record::new(attempt, clock))?;
        lines.push(b'\n');
    }
    Ok(())
}

/// A stream with holes must not look whole.
fn say_losses(ending: &Ending) {
    let counters = &ending.counters;
    if counters.lost() > 0 {
        eprintln!(
            "kerno: {} of {} attempts are not in the stream: {} because the reader was slow, \
             {} because more queries were in flight than kerno can hold",
            counters.lost(),
            counters.queries,
            counters.ring_full,
            counters.inflight_full,
        );
    }
    if ending.undecoded > 0 {
        log::error!("{} records could not be decoded", ending.undecoded);
    }
}
