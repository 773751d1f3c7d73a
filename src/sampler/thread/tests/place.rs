//! Places that end with the process in them.

use std::fs;
use std::io;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use nix::sched::CloneFlags;
use nix::sched::unshare;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use crate::host::netns;
use crate::host::netns::NetnsHandle;
use crate::host::proc::Root;

/// A process of the test's, killed with it.
pub(super) struct Inhabitant(Child);

impl Inhabitant {
    /// Runs until it is killed, in new namespaces of these kinds, after `prepare`
    /// has run there.
    pub(super) fn new(
        mut command: Command,
        kinds: CloneFlags,
        prepare: impl Fn() -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let inside = move || {
            set_pdeathsig(Signal::SIGKILL)?;
            unshare(kinds)?;
            prepare()
        };
        // SAFETY: between fork and exec only system calls are made, on values
        // that were allocated before.
        unsafe { command.pre_exec(inside) };
        command.stdin(Stdio::null());
        Self(command.spawn().expect("a process of its own (root?)"))
    }

    /// A sleeper in a network namespace of its own, whose loopback is up.
    pub(super) fn of_a_namespace() -> Self {
        let inhabitant = Self::new(sleep(), CloneFlags::CLONE_NEWNET, || Ok(()));
        inhabitant.run("ip", &["link", "set", "lo", "up"], "");
        inhabitant
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Its folder in procfs.
    pub(super) fn folder(&self) -> Root {
        Root::default().process(self.pid())
    }

    pub(super) fn netns(&self) -> u32 {
        netns::of(&self.folder()).expect("its namespace")
    }

    /// Calls `f` in its network namespace.
    pub(super) fn enter<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        let handle = NetnsHandle::Task(self.folder());
        handle.enter(self.netns(), f).expect("to enter a namespace")
    }

    /// Runs a command in its network namespace.
    pub(super) fn run(&self, program: &str, arguments: &[&str], input: &str) {
        self.enter(|| {
            let mut child = Command::new(program)
                .args(arguments)
                .stdin(Stdio::piped())
                .spawn()
                .unwrap_or_else(|error| panic!("{program}: {error}"));
            let mut stdin = child.stdin.take().expect("a pipe");
            stdin.write_all(input.as_bytes()).expect("to write");
            drop(stdin);
            assert!(child.wait().expect(program).success(), "{program}");
        });
    }
}

impl Drop for Inhabitant {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

pub(super) fn sleep() -> Command {
    let mut sleep = Command::new("sleep");
    sleep.arg("600");
    sleep
}

/// A control group with a CPU quota, and one in it for the processes, as a pod
/// and its container are.
pub(super) struct Pod {
    pub(super) folder: PathBuf,
    pub(super) container: PathBuf,
}

impl Pod {
    /// In version 1 if that has the CPU controller, else in version 2.
    pub(super) fn new(name: &str, quota_us: u32, period_us: u32) -> Self {
        let v1 = Path::new("/sys/fs/cgroup/cpu");
        let root = match v1.join("cpu.cfs_quota_us").exists() || v1.join("cpu.stat").exists() {
            true => v1,
            false => Path::new("/sys/fs/cgroup"),
        };
        let folder = root.join(format!("kerno-test-{name}-{}", std::process::id()));
        let container = folder.join("container");
        let pod = Self { folder, container };
        let write = |path: PathBuf, text: String| {
            fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        };
        if root != v1 {
            write(root.join("cgroup.subtree_control"), "+cpu".into());
        }
        fs::create_dir_all(&pod.container).expect("a control group (root?)");
        match root == v1 {
            true => {
                write(pod.folder.join("cpu.cfs_period_us"), period_us.to_string());
                write(pod.folder.join("cpu.cfs_quota_us"), quota_us.to_string());
            }
            false => write(
                pod.folder.join("cpu.max"),
                format!("{quota_us} {period_us}"),
            ),
        }
        pod
    }

    /// Where a process writes `0` to join.
    pub(super) fn entrance(&self) -> fs::File {
        let path = self.container.join("cgroup.procs");
        let entrance = fs::OpenOptions::new().write(true).open(path);
        entrance.expect("cgroup.procs")
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        for folder in [&self.container, &self.folder] {
            // The last process may take a moment to leave.
            super::await_that("a control group to be empty", || {
                fs::remove_dir(folder).is_ok() || !folder.exists()
            });
        }
    }
}
