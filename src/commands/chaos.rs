//! `kerno chaos`: makes a real fault on this host, and says what came of it.

use std::io;
use std::process::ExitCode;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use serde::Serialize;

use crate::chaos::dns_flood;
use crate::chaos::dns_mix;
use crate::chaos::scenario;
use crate::chaos::scenario::Fault;
use crate::chaos::scenario::Scenario;
use crate::cli::ChaosArgs;
use crate::cli::Output;
use crate::stop::Stop;

/// Lists the scenarios, or makes one until its duration is over or a signal
/// comes, and prints what was sent and what came back.
pub(super) fn run(args: &ChaosArgs, stop: &Stop) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    match args.induce {
        Some(scenario) => induce(scenario, args, stop, &mut out)?,
        None => scenario::list(&mut out).context("cannot write to stdout")?,
    }
    Ok(ExitCode::SUCCESS)
}

fn induce(
    scenario: &Scenario,
    args: &ChaosArgs,
    stop: &Stop,
    out: &mut dyn io::Write,
) -> Result<()> {
    match scenario.fault {
        Fault::DnsFlood => {
            let report = dns_flood::run(&flood_options(args), stop.flag())?;
            write(args.output, &report, |out| report.write_text(out), out)
        }
        Fault::DnsMix => {
            if args.server.is_some() {
                bail!("dns-mix asks servers of its own: leave --server out");
            }
            let report = dns_mix::run(args.duration, stop.flag())?;
            write(args.output, &report, |out| report.write_text(out), out)
        }
    }
    .context("cannot write to stdout")
}

fn write(
    output: Output,
    report: &impl Serialize,
    text: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    match output {
        Output::Json => serde_json::to_writer_pretty(&mut *out, report)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out)),
        Output::Pretty => text(out),
    }
}

fn flood_options(args: &ChaosArgs) -> dns_flood::Options {
    dns_flood::Options {
        server: args.server.unwrap_or_default(),
        yes_flood_it: args.yes_flood_it,
        rate: args.rate,
        concurrency: args.concurrency,
        duration: args.duration,
    }
}
