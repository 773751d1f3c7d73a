//! `kerno agent`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;

use crate::agent::Counters;
use crate::agent::Duties;
use crate::agent::Hook;
use crate::agent::Keep;
use crate::agent::Socket;
use crate::agent::Watcher;
use crate::agent::Web;
use crate::cli::AgentArgs;
use crate::host::privileges;
use crate::notify::Notify;
use crate::stop::Stop;
use crate::watching::Watching;

/// Watches until a signal comes.
pub(super) fn run(args: &AgentArgs, stop: &Stop) -> Result<ExitCode> {
    let options = args.watched.options()?;
    let path = &args.socket.socket;
    // Before anything is attached: a second agent has no business here.
    let mut socket = Socket::take(path)?;
    let web = args.listen.address.map(Web::take).transpose()?;
    // Whoever is told of findings may need what the agent gives up.
    let hook = args.on_finding.clone().map(Hook::start).transpose()?;
    let history = args.history.bounds();
    let folder = history.as_ref().map(|(bounds, _)| bounds.folder.as_path());
    let writable: Vec<&Path> = folder.into_iter().chain(path.parent()).collect();
    privileges::lower(&writable);
    let keep = Keep::start(args.memory, history)?;
    let workloads = &args.watched.workloads();
    let watching = Watching::start(options)?;
    super::say_missing(watching.signals());
    let notify = Arc::new(Notify::from_environment());
    let duties = Duties {
        hook,
        notify: Arc::clone(&notify),
        counters: args
            .counters
            .then(|| Counters::start(workloads))
            .transpose()?,
    };
    let (watcher, answers, pages) = Watcher::new(watching, keep, duties)?;
    socket.answer(answers, web.map(|web| (web, pages)))?;
    notify.ready();
    super::say(format_args!("watching; ask at {}", path.display()));
    watcher.run(stop.channel())?;
    Ok(ExitCode::SUCCESS)
}
