//! `kerno chaos`: makes a real fault on this host, and says what came of it.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use kerno_chaos::dns_flood;
use kerno_chaos::dns_mix;
use kerno_chaos::lab;
use kerno_chaos::scenario::Fault;
use kerno_chaos::scenario::Scenario;
use kerno_chaos::scenarios;

use crate::cli::ChaosArgs;
use crate::host;
use crate::host::conntrack;
use crate::host::proc::Root;
use crate::host::proc::mountinfo;
use crate::stop::Stop;
use crate::thresholds::LATENCY_WARNING_NS;

/// Lists the scenarios, or makes one until its duration is over or a signal
/// comes, and prints what was sent and what came back.
pub(super) fn run(args: &ChaosArgs, stop: &Stop) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    match args.induce {
        Some(scenario) => induce(scenario, args, stop, &mut out)?,
        None => scenarios::list(&mut out).context("cannot write to stdout")?,
    }
    Ok(ExitCode::SUCCESS)
}

fn induce(
    scenario: &Scenario,
    args: &ChaosArgs,
    stop: &Stop,
    out: &mut dyn io::Write,
) -> Result<()> {
    match &scenario.fault {
        Fault::DnsFlood => {
            let report = dns_flood::run(&flood_options(args), stop.flag())?;
            super::print(args.output, &report, |out| report.write_text(out), out)
        }
        Fault::DnsMix => {
            refuse_flood_options(scenario, args)?;
            let report = dns_mix::run(args.duration, stop.flag())?;
            super::print(args.output, &report, |out| report.write_text(out), out)
        }
        Fault::Lab(recipe) => {
            refuse_flood_options(scenario, args)?;
            let report = lab::run(scenario, recipe, &lab_options(args), stop.channel())?;
            super::print(args.output, &report, |out| report.write_text(out), out)
        }
    }
}

/// What would not be heeded must not pass in silence.
fn refuse_flood_options(scenario: &Scenario, args: &ChaosArgs) -> Result<(), clap::Error> {
    let given = [
        ("--rate", args.rate.is_some()),
        ("--concurrency", args.concurrency.is_some()),
        ("--server", args.server.is_some()),
        ("--yes-flood-it", args.yes_flood_it),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(clap::Error::raw(
            clap::error::ErrorKind::ArgumentConflict,
            format!("{option} is for dns-flood, not for {}\n", scenario.name),
        )),
        None => Ok(()),
    }
}

fn lab_options(args: &ChaosArgs) -> lab::Options {
    lab::Options {
        zone: args.zone.clone(),
        duration: args.duration,
        yes: args.yes,
        slow: Duration::from_nanos(LATENCY_WARNING_NS),
        machine: lab::Machine {
            cgroups: host::cgroup_mount_point(),
            cpu_cgroups: cpu_mount_point(),
            conntrack_entries: conntrack::entries,
        },
    }
}

/// Where the CPU controller of version 1 is mounted, if it is.
fn cpu_mount_point() -> Option<PathBuf> {
    let mounts = mountinfo::read(&Root::default()).ok()?;
    let mut of_cpu =
        mountinfo::parse(&mounts).filter(|mount| mount.root == "/" && mount.controls(b"cpu"));
    Some(of_cpu.next()?.point)
}

fn flood_options(args: &ChaosArgs) -> dns_flood::Options {
    dns_flood::Options {
        server: args.server.unwrap_or_default(),
        yes_flood_it: args.yes_flood_it,
        rate: args.rate.unwrap_or(dns_flood::DEFAULT_RATE),
        concurrency: args.concurrency.unwrap_or(dns_flood::DEFAULT_CONCURRENCY),
        duration: args.duration,
    }
}
