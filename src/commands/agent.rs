//! `kerno agent`.

use std::process::ExitCode;

use anyhow::Result;

use crate::agent::Socket;
use crate::agent::Watcher;
use crate::attribution;
use crate::attribution::Attribution;
use crate::cli::AgentArgs;
use crate::counters::Watches;
use crate::host::Host;
use crate::host::proc::Root;
use crate::host::proc::untrusted;
use crate::kernel::Config;
use crate::kernel::Wake;
use crate::monitor::Monitor;
use crate::sampler::Sampler;
use crate::stop::Stop;

/// Watches until a signal comes.
pub(super) fn run(args: &AgentArgs, stop: &Stop) -> Result<ExitCode> {
    let config = Config {
        ports: args.watched.ports()?,
        wake: match attribution::has_version_1() {
            true => Wake::Newcomers,
            false => Wake::Many,
        },
        count_plain: args.watched.filter().is_all(),
        lookups: true,
        all_hooks: args.watched.all_hooks,
    };
    // Before anything is attached: a second agent has no business here.
    let mut socket = Socket::take(&args.socket.socket)?;
    untrusted::use_helper();
    let host = Host::probe()?;
    let root = host.cgroup().try_clone_to_owned()?;
    let watches = Watches::start(args.watched.all_hooks);
    let watched = watches.signals().to_vec();
    let sampler = Sampler::start(Root::default(), watches);
    let monitor = Monitor::start(host, config, args.watched.timeout)?;
    let attribution =
        Attribution::start(monitor.messages().clone(), root, &args.watched.workloads())?;
    super::say_missing(&monitor.signals);
    let (watcher, answers) = Watcher::new(
        monitor,
        attribution,
        (sampler, watched),
        args.watched.filter(),
        args.memory,
    );
    socket.answer(answers)?;
    super::say(format_args!(
        "watching; ask at {}",
        args.socket.socket.display()
    ));
    watcher.run(stop.channel())?;
    Ok(ExitCode::SUCCESS)
}
