//! Control groups, one for each pod, as container runtimes make them: the doctor
//! tells owners apart by those of version 2, and CPU time is limited by those
//! that have the controller, of either version.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;

use crate::host::proc::Root;
use crate::host::proc::mountinfo;

/// What container runtimes choose.
const PERIOD_US: u32 = 100_000;

/// Where the CPU controller of version 1 is mounted, if it is.
pub(super) fn cpu_mount_point() -> Option<PathBuf> {
    let mounts = mountinfo::read(&Root::default()).ok()?;
    let mut of_cpu =
        mountinfo::parse(&mounts).filter(|mount| mount.root == "/" && mount.controls(b"cpu"));
    Some(of_cpu.next()?.point)
}

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

    /// Limits the CPU time of all in it, if it has the controller: so much in
    /// each tenth of a second. Returns whether it has.
    pub(super) fn limit(&self, quota: Duration) -> Result<bool> {
        let quota = quota.as_micros();
        let files = [
            ("cpu.max", format!("{quota} {PERIOD_US}")),
            ("cpu.cfs_period_us", PERIOD_US.to_string()),
            ("cpu.cfs_quota_us", quota.to_string()),
        ];
        let mut limited = false;
        for (file, content) in files {
            let path = self.path.join(file);
            if path.exists() {
                fs::write(&path, content)
                    .with_context(|| format!("cannot write {}", path.display()))?;
                limited = true;
            }
        }
        Ok(limited)
    }

    /// Where a process writes `0` to join.
    pub(super) fn entrance(&self) -> Result<File> {
        let path = self.path.join("cgroup.procs");
        let opened = OpenOptions::new().write(true).open(&path);
        opened.with_context(|| format!("cannot open {}", path.display()))
    }
}
