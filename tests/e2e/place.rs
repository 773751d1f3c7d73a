//! Where a process runs: its network namespace, its cgroup and the files that
//! it finds in place of the machine's.

use std::ffi::CString;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::mount::MsFlags;
use nix::mount::mount;
use tempfile::TempDir;

use kerno_chaos::testbed::Namespace;
use kerno_chaos::testbed::own_mounts;
use kerno_chaos::testbed::veth;

use crate::cgroup::Cgroup;

/// A namespace, a cgroup and a folder for files.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) namespace: Namespace,
    pub(crate) cgroup: Cgroup,
    files: TempDir,
    /// What a process sees at the second path is the first.
    mounts: Vec<(CString, CString)>,
}

impl Place {
    /// A namespace and a cgroup of its own.
    pub(crate) fn new() -> Self {
        Self::in_group(Cgroup::new())
    }

    /// A namespace of its own, in this cgroup.
    pub(crate) fn in_group(cgroup: Cgroup) -> Self {
        let namespace = Namespace::new().expect("a network namespace of its own (root?)");
        Self::with(namespace, cgroup)
    }

    /// Where the test itself is.
    pub(crate) fn host() -> Self {
        let namespace = Namespace::host().expect("the test's own namespace");
        Self::with(namespace, Cgroup::own())
    }

    /// In this namespace and this cgroup.
    pub(crate) fn with(namespace: Namespace, cgroup: Cgroup) -> Self {
        let files = TempDir::with_prefix_in("e2e-", env!("CARGO_TARGET_TMPDIR"))
            .expect("a folder for files");
        Self {
            namespace,
            cgroup,
            files,
            mounts: Vec::new(),
        }
    }

    /// A folder for the files of this place's processes.
    pub(crate) fn folder(&self) -> &Path {
        self.files.path()
    }

    /// The nameservers of this place. Also makes libc ask DNS and nothing else,
    /// whatever the machine's nsswitch.conf says.
    pub(crate) fn resolv_conf(&mut self, text: &str) {
        self.file("/etc/resolv.conf", text);
        self.file("/etc/nsswitch.conf", "hosts: dns\n");
    }

    /// Puts a file in place of one that the machine has.
    pub(crate) fn file(&mut self, path: &str, text: &str) {
        let name = Path::new(path).file_name().expect("a file");
        let ours = self.folder().join(name);
        std::fs::write(&ours, text).expect("to write a file");
        self.instead_of(path, &ours);
    }

    /// Puts a file or folder of ours in place of one that the machine has.
    pub(crate) fn instead_of(&mut self, theirs: &str, ours: &Path) {
        self.mounts
            .push((c_string(ours.as_os_str()), c_string(OsStr::new(theirs))));
    }

    /// A command that will run here, and die with the thread that started it.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let command = self.namespace.command(program);
        let mut command = command.expect("a command for the namespace");
        let admitted = self.cgroup.admit(&mut command);
        admitted.expect("to enter the control group");
        let mounts = self.mounts.clone();
        // SAFETY: between fork and exec only system calls are made, on values
        // that were allocated before.
        unsafe { command.pre_exec(move || cover(&mounts)) };
        command
    }

    /// Calls `f` inside the namespace. A socket made there stays there.
    pub(crate) fn enter<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        let entered = self.namespace.enter(f);
        entered.expect("to enter a namespace")
    }
}

/// Joins two namespaces by a link `cable`: 10.77.0.1 and fd77::1 at this end,
/// 10.77.0.2, 10.77.0.3 and fd77::2 at the other.
pub(crate) fn link(near: &Namespace, far: &Namespace) {
    let end = |namespace, addresses| veth::End {
        namespace,
        device: "cable",
        addresses,
    };
    let joined = veth::join(
        &end(near, &["10.77.0.1/24", "fd77::1/64 nodad"]),
        &end(far, &["10.77.0.2/24", "10.77.0.3/24", "fd77::2/64 nodad"]),
    );
    joined.expect("two namespaces joined");
}

/// Mounts files over others where no other process sees it.
fn cover(mounts: &[(CString, CString)]) -> io::Result<()> {
    if mounts.is_empty() {
        return Ok(());
    }
    // Else the mounts would show in the namespace that this one is a copy of.
    own_mounts()?;
    let nothing = None::<&OsStr>;
    for (ours, theirs) in mounts {
        let (ours, theirs) = (Some(ours.as_c_str()), theirs.as_c_str());
        mount(ours, theirs, nothing, MsFlags::MS_BIND, nothing)?;
    }
    Ok(())
}

fn c_string(path: &OsStr) -> CString {
    CString::new(path.as_bytes()).expect("a path without zeros")
}
