//! Control groups, as container runtimes make them: kerno tells owners apart by
//! those of version 2, and CPU time is limited by those that have the controller,
//! of either version.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::linux::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;

/// What container runtimes choose.
const PERIOD_US: u32 = 100_000;

/// A control group, of either version. It stays when this is dropped: a janitor
/// must remove it, which must know of it before it is made.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    id: u64,
}

impl Cgroup {
    /// Makes it, and what is missing above it. Nobody else may have made it.
    pub fn new(path: PathBuf) -> Result<Self> {
        let above = path.parent().map_or(Ok(()), fs::create_dir_all);
        let made = above.and_then(|()| fs::create_dir(&path));
        made.with_context(|| format!("cannot make the control group {}", path.display()))?;
        Self::at(path)
    }

    /// One that is there already.
    pub fn at(path: PathBuf) -> Result<Self> {
        let metadata = fs::metadata(&path);
        let metadata = metadata.with_context(|| format!("cannot stat {}", path.display()))?;
        let id = metadata.st_ino();
        Ok(Self { path, id })
    }

    /// Its folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The id that `bpf_skb_cgroup_id` gives: the folder's inode.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The group itself, for programs to be attached to.
    pub fn open(&self) -> Result<File> {
        let opened = File::open(&self.path);
        opened.with_context(|| format!("cannot open {}", self.path.display()))
    }

    /// Limits the CPU time of all in it, if it has the controller: so much in
    /// each tenth of a second. Returns whether it has.
    pub fn limit(&self, quota: Duration) -> Result<bool> {
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

    /// Limits the memory of all in it, if it has the controller. Returns whether it has.
    pub fn limit_memory(&self, octets: u64) -> Result<bool> {
        // Swapping would only put it off.
        let files = [
            ("memory.max", octets),
            ("memory.swap.max", 0),
            ("memory.limit_in_bytes", octets),
            ("memory.swappiness", 0),
        ];
        let mut limited = false;
        for (file, value) in files {
            let path = self.path.join(file);
            if path.exists() {
                fs::write(&path, value.to_string())
                    .with_context(|| format!("cannot write {}", path.display()))?;
                limited = true;
            }
        }
        Ok(limited)
    }

    /// How often the kernel has killed a process in it because of that limit.
    pub fn oom_kills(&self) -> Result<u64> {
        let read = |file| fs::read_to_string(self.path.join(file));
        let text = read("memory.events").or_else(|_| read("memory.oom_control"));
        let text = text.with_context(|| format!("no memory in {}", self.path.display()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        let count = line.and_then(|count| count.trim().parse().ok());
        count.with_context(|| format!("no oom_kill in {text:?}"))
    }

    /// Has a command run in it.
    pub fn admit(&self, command: &mut Command) -> Result<()> {
        let mut entrance = self.entrance()?;
        let enter = move || entrance.write_all(b"0");
        // SAFETY: a system call on a descriptor that was opened before.
        unsafe { command.pre_exec(enter) };
        Ok(())
    }

    fn entrance(&self) -> Result<File> {
        let path = self.path.join("cgroup.procs");
        let opened = OpenOptions::new().write(true).open(&path);
        opened.with_context(|| format!("cannot open {}", path.display()))
    }
}
