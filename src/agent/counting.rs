//! Counters beside DNS, which are told as metrics of each workload if that is asked for: a
//! thread of its own.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;
use crossbeam_channel::never;
use crossbeam_channel::select;
use crossbeam_channel::tick;
use kerno_counters::ALL;
use kerno_counters::Owner;
use kerno_counters::figure::add_all;
use kerno_counters::owner::OWNERS_MAX;
use kerno_counters::read::Readings;

use super::kept::STEP;
use super::metrics::Metrics;
use crate::attempt::Comm;
use crate::attempt::identity::WorkloadId;
use crate::attribution;
use crate::attribution::OwnerKey;
use crate::attribution::Owners;
use crate::counters::Always;
use crate::counters::Running;
use crate::counters::by_workload;
use crate::counters::key_of;
use crate::counters::owners_in;
use crate::host::DropNames;
use crate::host::Host;

/// A tracepoint on system calls makes every call of the host slower: they are not among them.
const PROGRAMS: [&str; 3] = ["mem", "cpu_sched", "net"];
/// How often it is looked who has figures: a process that ends before is known by its name
/// and control group alone.
const LOOK: Duration = Duration::from_secs(1);
/// With more owners than this, all that counted nothing just now make room.
const CROWDED: usize = OWNERS_MAX as usize / 2;

/// The programs, attached.
#[derive(Debug)]
pub struct Counters {
    running: Vec<Running>,
    owners: Owners,
    /// Each program, and whether it runs.
    programs: Vec<(&'static str, bool)>,
}

impl Counters {
    /// Attaches what this kernel lets; what is missing is said and no error.
    pub fn start(options: &attribution::Options) -> Result<Self> {
        let host = Host::probe()?;
        let root = host.cgroup().try_clone_to_owned()?;
        let mut started = Self {
            running: Vec::new(),
            owners: Owners::start(root, options)?,
            programs: Vec::new(),
        };
        for definition in ALL.iter().filter(|it| PROGRAMS.contains(&it.name)) {
            let running = match Running::start(*definition, |_| true) {
                Ok(running) if running.is_active() => Some(running),
                Ok(_) => None,
                Err(error) => {
                    log::warn!("{} is not counted: {error:#}", definition.name);
                    None
                }
            };
            started.programs.push((definition.name, running.is_some()));
            started.running.extend(running);
        }
        Ok(started)
    }
}

/// The thread. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Counting {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Counting {
    pub(super) fn start(counters: Counters, metrics: Arc<Metrics>) -> Result<Self> {
        metrics.begin_to_count(counters.programs);
        let (stop, stopped) = bounded(1);
        let work = Work {
            always: Always::new(counters.running),
            owners: counters.owners,
            since: Vec::new(),
            drops: DropNames::read(),
            is_unread: false,
            metrics,
        };
        let thread = std::thread::Builder::new()
            .name("kerno-counters".to_owned())
            .spawn(move || work.run(&stopped))
            .context("cannot start the thread of the counters")?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread of the counters died");
        }
    }
}

struct Work {
    always: Always,
    owners: Owners,
    /// What was counted since the last ten seconds, by program.
    since: Vec<(&'static str, Readings)>,
    drops: DropNames,
    /// The last look failed.
    is_unread: bool,
    metrics: Arc<Metrics>,
}

impl Work {
    fn run(mut self, stopped: &Receiver<()>) {
        let (looks, steps) = (tick(LOOK), tick(STEP));
        let mut found = self.owners.messages().clone();
        loop {
            select! {
                recv(stopped) -> _ => return,
                recv(looks) -> _ => self.look(),
                recv(steps) -> _ => self.tell(),
                recv(found) -> message => match message {
                    Ok(message) => self.owners.take(message),
                    // That thread has died: what is new stays without a workload.
                    Err(_) => found = never(),
                },
            }
        }
    }

    /// What cannot be read now is read with the next look.
    fn look(&mut self) {
        match self.always.look() {
            Ok(grown) => {
                self.is_unread = false;
                self.meet(grown);
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Said once, until a look succeeds.
    fn fail(&mut self, error: &anyhow::Error) {
        if !std::mem::replace(&mut self.is_unread, true) {
            log::warn!("the counters cannot be read now: {error:#}");
        }
    }

    fn meet(&mut self, grown: Vec<(&'static str, Readings)>) {
        self.owners.meet(owners_in(&grown));
        for (program, readings) in grown {
            let known = self.since.iter().position(|(name, _)| *name == program);
            let Some(at) = known else {
                self.since.push((program, readings));
                continue;
            };
            for (owner, reading) in readings {
                let sum = self.since[at].1.entry(owner).or_default();
                if sum.comm.as_bytes().is_empty() {
                    sum.comm = reading.comm;
                }
                add_all(&mut sum.figures, &reading.figures);
            }
        }
    }

    /// Hands on what was counted, and lets those go who have ended or were quiet for long.
    fn tell(&mut self) {
        let all: Vec<Owner> = self.always.owners().copied().collect();
        let ended = self.owners.ended(all.iter().map(key_of));
        let mut gone = self.always.quiet();
        let is_crowded = all.len() >= CROWDED;
        let is_busy = |owner: &Owner| self.since.iter().any(|(_, it)| it.contains_key(owner));
        let leaves =
            |owner: &&Owner| ended.contains(&key_of(owner)) || (is_crowded && !is_busy(owner));
        gone.extend(all.iter().filter(leaves));
        match self.always.take_out(&gone) {
            Ok(last) => self.meet(last),
            Err(error) => {
                self.fail(&error);
                gone.clear();
            }
        }
        let since = std::mem::take(&mut self.since);
        let owners: HashSet<OwnerKey> = since
            .iter()
            .flat_map(|(_, readings)| readings.keys().map(key_of))
            .collect();
        let whose = self.owners.whose(&owners);
        let whose = |owner: &Owner| match whose.get(&key_of(owner)) {
            Some(whose) => (whose.id.clone(), whose.has_ended),
            None => (WorkloadId::Process(None, Comm::default()), false),
        };
        let (workloads, _) = by_workload(&since, whose, &mut self.drops);
        let lost = self.always.losses().unwrap_or_default();
        self.metrics.count(&workloads, lost);
        self.owners.forget(gone.iter().map(key_of));
    }
}
