//! Runs the job on every kernel, side by side as far as the machine allows.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;

use crate::guest;
use crate::here;
use crate::machine::Machine;
use crate::reported::Reported;

/// A boot with its job takes half a minute where two share two cores; a machine may
/// be ten times as slow.
const BOOT_LIMIT: Duration = Duration::from_secs(300);
const HERE_LIMIT: Duration = Duration::from_secs(120);

/// What qemu itself takes beside a guest's memory, in MiB.
const QEMU_MEMORY: u64 = 256;

/// Where a job is done.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// On the running kernel, by this binary.
    Here { kerno: PathBuf },
    /// In a guest with that kernel and root.
    Guest {
        machine: Machine,
        image: PathBuf,
        root: PathBuf,
    },
}

/// One job to do.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// Shown while it runs, and the name of its folder.
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) limit: Duration,
}

impl Job {
    pub(crate) fn here(name: &str, kerno: &Path) -> Self {
        Self {
            name: name.to_owned(),
            place: Place::Here {
                kerno: kerno.to_owned(),
            },
            limit: HERE_LIMIT,
        }
    }

    pub(crate) fn guest(machine: Machine, name: &str, image: &Path, root: &Path) -> Self {
        Self {
            name: name.to_owned(),
            place: Place::Guest {
                machine,
                image: image.to_owned(),
                root: root.to_owned(),
            },
            limit: BOOT_LIMIT,
        }
    }

    fn run(&self, scratch: &Path) -> Result<Reported> {
        let folder = scratch.join(self.name.replace(' ', "-"));
        let files = match &self.place {
            Place::Here { kerno } => here::run(kerno, self.limit, &folder)?,
            Place::Guest {
                machine,
                image,
                root,
            } => guest::boot(*machine, image, root, self.limit, &folder)?,
        };
        Ok(Reported::read(&files))
    }
}

/// Does all jobs; the results are in their order. `say` is told when one ends.
pub(crate) fn run(
    jobs: &[Job],
    scratch: &Path,
    say: &(dyn Fn(&str) + Sync),
) -> Vec<Result<Reported>> {
    let queue: Mutex<VecDeque<usize>> = Mutex::new((0..jobs.len()).collect());
    let results: Mutex<Vec<Option<Result<Reported>>>> =
        Mutex::new(jobs.iter().map(|_| None).collect());
    let work = || {
        loop {
            let next = queue.lock().expect("no thread panics with it").pop_front();
            let Some(index) = next else {
                return;
            };
            let job = &jobs[index];
            let begin = Instant::now();
            let result = job.run(scratch);
            let seconds = begin.elapsed().as_secs_f64();
            say(&match &result {
                Ok(_) => format!("{}: done in {seconds:.0} s", job.name),
                Err(_) => format!("{}: failed after {seconds:.0} s", job.name),
            });
            results.lock().expect("no thread panics with it")[index] = Some(result);
        }
    };
    thread::scope(|scope| {
        for _ in 0..side_by_side().min(jobs.len()) {
            scope.spawn(work);
        }
    });
    let results = results.into_inner().expect("no thread panicked");
    results
        .into_iter()
        .map(|result| result.expect("each was done"))
        .collect()
}

/// One guest for each core, as far as memory goes.
fn side_by_side() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let room = available_memory().map_or(cores, |mib| {
        usize::try_from(mib / (guest::GUEST_MEMORY + QEMU_MEMORY)).unwrap_or(cores)
    });
    cores.min(room).max(1)
}

/// In MiB (proc_meminfo(5)).
fn available_memory() -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}
