//! Control groups of version 2, one for each pod, as container runtimes make
//! them: the doctor tells owners apart by them.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;

/// A control group. The janitor removes it.
#[derive(Debug)]
pub(super) struct Group {
    path: PathBuf,
}

impl Group {
    /// Where the group of a pod is made; names are this process's own.
    pub(super) fn path_for(mount: &Path, pod: &str) -> PathBuf {
        mount.join(format!("kerno-lab-{}-{pod}", std::process::id()))
    }

    /// Makes it. The janitor must know of it before.
    pub(super) fn new(path: PathBuf) -> Result<Self> {
        let made = fs::create_dir(&path);
        made.with_context(|| format!("cannot make the control group {}", path.display()))?;
        Ok(Self { path })
    }

    /// The group itself, for programs to be attached to.
    pub(super) fn open(&self) -> Result<File> {
        let opened = File::open(&self.path);
        opened.with_context(|| format!("cannot open {}", self.path.display()))
    }

    /// Where a process writes `0` to join.
    pub(super) fn entrance(&self) -> Result<File> {
        let path = self.path.join("cgroup.procs");
        let opened = OpenOptions::new().write(true).open(&path);
        opened.with_context(|| format!("cannot open {}", path.display()))
    }
}
