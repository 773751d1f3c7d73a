//! Control groups (version 2) of a test's own.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::os::linux::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use crate::process::poll;

/// Removes the groups and those below them once standard input ends: when the test
/// lets go of it, and also when the test was killed. Daemons in them that outlive
/// it are ended. The last process may take a moment to leave, and a group without
/// its folder is gone already.
const JANITOR: &str = r#"
read -r _
for _ in $(seq 200); do
    for group; do echo 1 >"$group/cgroup.kill"; done 2>/dev/null
    find "$@" -depth -type d -exec rmdir {} \; 2>/dev/null
    [ -n "$(find "$@" -maxdepth 0 2>/dev/null)" ] || exit 0
    sleep 0.05
done
exit 1
"#;

/// Who cleans up: control groups have no owner with whose end they go.
#[derive(Debug)]
pub(crate) struct Janitor(Child);

impl Janitor {
    /// For groups of these paths, there or still to come.
    pub(crate) fn of(paths: &[PathBuf]) -> Self {
        let mut janitor = Command::new("sh");
        janitor
            .args(["-c", JANITOR, "janitor"])
            .args(paths)
            .stdin(Stdio::piped());
        // A group of its own: Ctrl-C at the terminal is not meant for it.
        janitor.process_group(0);
        Self(janitor.spawn().expect("sh"))
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _status = self.0.wait();
    }
}

/// A control group, removed when dropped.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    _janitor: Option<Janitor>,
}

impl Cgroup {
    /// A new one, directly under the mount of version 2.
    pub(crate) fn new() -> Self {
        Self::below(&mount_point(), "")
    }

    /// A new one in folders of its own, as `system.slice/web.service`, of the
    /// hierarchy that is mounted here.
    pub(crate) fn below(mount_point: &Path, folders: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);

        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = mount_point.join(format!("kerno-e2e-{}-{number}", std::process::id()));
        let janitor = Janitor::of(std::slice::from_ref(&path));
        // Without the slash at the end that join() gives to nothing.
        let path: PathBuf = path.join(folders).components().collect();
        fs::create_dir_all(&path).unwrap_or_else(|e| panic!("mkdir {}: {e}", path.display()));
        Self {
            path,
            _janitor: Some(janitor),
        }
    }

    /// The one that the test itself is in, and whatever it starts.
    pub(crate) fn own() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").expect("/proc/self/cgroup");
        let own = groups
            .lines()
            .find_map(|line| line.strip_prefix("0::/"))
            .expect("cgroup v2");
        Self {
            path: mount_point().join(own),
            _janitor: None,
        }
    }

    /// Its path from the root of the hierarchy that is mounted here.
    pub(crate) fn told(&self, mount_point: &Path) -> String {
        let below = self
            .path
            .strip_prefix(mount_point)
            .expect("below the mount");
        format!("/{}", below.display())
    }

    /// Removes it before the test ends, as a runtime does with its containers'.
    pub(crate) fn remove(&self) {
        poll("a group without processes", || {
            fs::remove_dir(&self.path).ok()
        });
    }

    /// The id that `bpf_skb_cgroup_id` gives: the folder's inode.
    pub(crate) fn id(&self) -> u64 {
        fs::metadata(&self.path).expect("stat of a cgroup").st_ino()
    }

    /// Its folder, as BPF programs are attached to it.
    pub(crate) fn folder(&self) -> File {
        File::open(&self.path).expect("a cgroup's folder")
    }

    /// Where a process writes `0` to join.
    pub(crate) fn entrance(&self) -> File {
        let path = self.path.join("cgroup.procs");
        OpenOptions::new()
            .write(true)
            .open(&path)
            .expect("cgroup.procs")
    }
}

/// Where version 2 is mounted; on a hybrid host that is not /sys/fs/cgroup.
pub(crate) fn mount_point() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc/self/mountinfo");
    let line = mounts
        .lines()
        .find(|line| line.contains(" - cgroup2 "))
        .expect("cgroup v2 mounted");
    // The fifth field, proc_pid_mountinfo(5).
    Path::new(line.split(' ').nth(4).expect("a mount point")).to_owned()
}
