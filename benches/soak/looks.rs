//! What the agent takes at one moment, when nobody asks it.

use std::fmt;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::kerno::Kerno;

/// For those who have hung up to be noticed.
const NOTICED: Duration = Duration::from_millis(500);

/// One look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Resident memory, MiB.
    pub(crate) resident: f64,
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
            resident: kerno.resident()?,
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
            "{:.1} MiB resident, {} descriptors, {} threads, {:.2} MiB of history",
            self.resident, self.descriptors, self.threads, self.history
        )
    }
}
