//! `kerno counters`.

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
use kerno_counters::Definition;
use kerno_counters::Owner;
use kerno_counters::read::Readings;
use typed_bpf::Program;

use super::progress;
use crate::attempt::Comm;
use crate::attempt::identity::WorkloadId;
use crate::attribution::Owners;
use crate::cli::CountersArgs;
use crate::cli::Output;
use crate::counters::Gathered;
use crate::counters::Gathering;
use crate::counters::Running;
use crate::counters::by_workload;
use crate::counters::key_of;
use crate::counters::owners_in;
use crate::host::DropNames;
use crate::host::Facts;
use crate::host::Host;
use crate::host::privileges;
use crate::host::proc::untrusted;
use crate::report;
use crate::report::counters::CountersReport;
use crate::report::counters::ProgramState;
use crate::stop::Stop;

/// How often it is looked who has figures by now: a process that ends before is known by
/// its name and control group alone.
const LOOK: Duration = Duration::from_secs(1);

/// Counts until the time is over or a signal comes, then prints the figures.
pub(super) fn run(args: &CountersArgs, stop: &Stop) -> Result<ExitCode> {
    let programs = args.programs()?;
    privileges::lower(&[]);
    untrusted::use_helper();
    let host = Host::probe()?;
    let owners = Owners::start(host.cgroup().try_clone_to_owned()?, &args.workloads())?;
    let (running, states) = start(&programs, args)?;
    let report = count(args.duration, stop, Gathering::new(running), states, owners)?;
    let mut out = anstream::stdout().lock();
    match args.output {
        Output::Json => report.write_json(&mut out),
        Output::Pretty => report.write_pretty(&mut out, report::columns_of_stdout()),
    }
    .context("cannot write to stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// Starts each; one that this kernel cannot run says why, and the others run.
fn start(
    programs: &[Definition],
    args: &CountersArgs,
) -> Result<(Vec<Running>, Vec<ProgramState>)> {
    let mut running = Vec::new();
    let mut states = Vec::new();
    for definition in programs {
        let wanted = |program: &Program| {
            definition.name != "syscall" || program.gives.iter().any(|call| args.wants_call(call))
        };
        let mut state = ProgramState {
            name: definition.name,
            ..ProgramState::default()
        };
        match Running::start(*definition, wanted) {
            Ok(started) => {
                state.missing = started.missing();
                if started.is_active() {
                    running.push(started);
                } else {
                    let reason = state.missing.first().map(|(_, reason)| reason.clone());
                    state.reason =
                        Some(reason.unwrap_or_else(|| "nothing of it is asked for".to_owned()));
                }
            }
            Err(error) => state.reason = Some(format!("{error:#}")),
        }
        states.push(state);
    }
    if running.is_empty() {
        let why: Vec<String> = states
            .iter()
            .map(|it| format!("{}: {}", it.name, it.reason.as_deref().unwrap_or_default()))
            .collect();
        bail!(
            "this kernel runs none of these programs ({})",
            why.join("; ")
        );
    }
    Ok((running, states))
}

fn count(
    duration: Duration,
    stop: &Stop,
    mut gathering: Gathering,
    programs: Vec<ProgramState>,
    mut owners: Owners,
) -> Result<CountersReport> {
    log::info!("counting for {}", humantime::format_duration(duration));
    let started = Instant::now();
    let progress = progress::bar("counting", duration);
    let over = after(duration);
    let looks = tick(LOOK);
    let mut found = owners.messages().clone();
    loop {
        select! {
            recv(over) -> _ => break,
            recv(stop.channel()) -> _ => break,
            recv(looks) -> _ => {
                // What cannot be read now is read at the end.
                let readings = gathering.read().unwrap_or_default();
                make_room(&mut gathering, &owners, &readings)?;
                meet(&mut owners, &readings);
                let so_far = format!("{} with figures", owners.number());
                progress::show(&progress, started.elapsed(), &so_far);
            }
            recv(found) -> message => match message {
                Ok(message) => owners.take(message),
                // The thread has died; the ending says so.
                Err(_) => found = never(),
            },
        }
    }
    let window = started.elapsed();
    // Names may take a while; until then nothing counts any more.
    let Gathered { readings, lost } = gathering.finish()?;
    progress.finish_and_clear();
    meet(&mut owners, &readings);
    let (whose, ending) = owners.finish();
    let whose = |owner: &Owner| match whose.get(&key_of(owner)) {
        Some(whose) => (whose.id.clone(), whose.has_ended),
        None => (WorkloadId::Process(None, Comm::default()), false),
    };
    let (workloads, placed) = by_workload(&readings, whose, &mut DropNames::read());
    Ok(CountersReport {
        time: SystemTime::now(),
        host: Facts::gather(),
        window,
        programs,
        workloads,
        placed,
        lost,
        not_known: ending.books.complaints,
    })
}

/// Where many come and go, those that were met and have ended make room for others.
fn make_room(
    gathering: &mut Gathering,
    owners: &Owners,
    readings: &[(&'static str, Readings)],
) -> Result<()> {
    let filling = Gathering::filling(readings);
    let ended = owners.ended(filling.iter().map(key_of));
    let gone = filling.into_iter().filter(|it| ended.contains(&key_of(it)));
    gathering.make_room(&gone.collect())
}

/// Has it asked whose they are.
fn meet(owners: &mut Owners, readings: &[(&'static str, Readings)]) {
    owners.meet(owners_in(readings));
}
