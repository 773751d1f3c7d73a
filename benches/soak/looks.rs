//! What the agent takes at one moment, when nobody asks it.

use std::fmt;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;

use crate::figures::greatest;
use crate::figures::least;
use crate::kerno::Kerno;

/// For those who have hung up to be noticed.
const NOTICED: Duration = Duration::from_millis(500);
/// Once in ten seconds the agent puts together and judges the minute behind, and gives back what
/// that took: within this time it is seen without.
const STEP: Duration = Duration::from_secs(11);
const TICK: Duration = Duration::from_millis(200);

/// One look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Resident memory, MiB: the least of ten seconds, which it keeps.
    pub(crate) resident: f64,
    /// The most of that time.
    pub(crate) highest: f64,
    /// Descriptors, but those of hooks that are attached while there is a reason.
    pub(crate) descriptors: u64,
    /// Threads, but those that answer one question and stay for a few seconds.
    pub(crate) threads: u64,
    /// Of the history's files, MiB.
    pub(crate) history: f64,
}

impl Look {
    pub(crate) fn at(kerno: &Kerno, history: &Path) -> Result<Self> {
        thread::sleep(NOTICED);
        let mut resident = Vec::new();
        let begin = Instant::now();
        while begin.elapsed() < STEP {
            resident.push(kerno.resident()?);
            thread::sleep(TICK);
        }
        let links = fs::read_dir(kerno.file("fd"))?;
        let links = links.filter_map(|it| fs::read_link(it.ok()?.path()).ok());
        let is_kept = |link: &std::path::PathBuf| {
            let link = link.to_string_lossy();
            !link.contains("bpf_link") && !link.contains("perf_event")
        };
        let tasks = fs::read_dir(kerno.file("task"))?;
        let names = tasks.filter_map(|it| fs::read_to_string(it.ok()?.path().join("comm")).ok());
        let lives = |name: &String| !name.starts_with("tokio") && !name.starts_with("kerno-netns");
        let files = fs::read_dir(history)?.filter_map(|it| it.ok()?.metadata().ok());
        Ok(Self {
            resident: least(resident.iter().copied()),
            highest: greatest(resident),
            descriptors: links.filter(is_kept).count() as u64,
            threads: names.filter(lives).count() as u64,
            history: files.map(|it| it.len()).sum::<u64>() as f64 / f64::from(1 << 20),
        })
    }
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} to {:.1} MiB resident, {} descriptors, {} threads, {:.2} MiB of history",
            self.resident, self.highest, self.descriptors, self.threads, self.history
        )
    }
}
