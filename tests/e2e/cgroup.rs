//! Control groups (version 2) of a test's own.

use std::fs;
use std::ops::Deref;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use kerno_chaos::testbed;

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
    group: testbed::Cgroup,
    _janitor: Option<Janitor>,
}

impl Deref for Cgroup {
    type Target = testbed::Cgroup;

    fn deref(&self) -> &Self::Target {
        &self.group
    }
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
        Self {
            group: testbed::Cgroup::new(path).expect("a control group (root?)"),
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
            group: testbed::Cgroup::at(mount_point().join(own)).expect("the test's own group"),
            _janitor: None,
        }
    }

    /// Its path from the root of the hierarchy that is mounted here.
    pub(crate) fn told(&self, mount_point: &Path) -> String {
        let below = self
            .path()
            .strip_prefix(mount_point)
            .expect("below the mount");
        format!("/{}", below.display())
    }

    /// Removes it before the test ends, as a runtime does with its containers'.
    pub(crate) fn remove(&self) {
        poll("a group without processes", || {
            fs::remove_dir(self.path()).ok()
        });
    }
}

/// Where version 2 is mounted; on a hybrid host that is not /sys/fs/cgroup.
pub(crate) fn mount_point() -> PathBuf {
    kerno::host::cgroup_mount_point().expect("cgroup v2 mounted")
}
