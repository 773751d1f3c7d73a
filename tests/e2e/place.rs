//! Where a process runs: its network namespace, its cgroup and the files that
//! it finds in place of the machine's.

use std::ffi::CString;
use std::ffi::OsStr;
use std::io;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::errno::Errno;
use nix::mount::MsFlags;
use nix::mount::mount;
use nix::sched::CloneFlags;
use nix::sched::setns;
use nix::sched::unshare;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::cgroup::Cgroup;
use crate::namespace::Namespace;

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
        Self::with(Namespace::new(), Cgroup::new())
    }

    /// A namespace of its own, in this cgroup.
    pub(crate) fn in_group(cgroup: Cgroup) -> Self {
        Self::with(Namespace::new(), cgroup)
    }

    /// Where the test itself is.
    pub(crate) fn host() -> Self {
        Self::with(Namespace::host(), Cgroup::own())
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
        let mut command = Command::new(program);
        let mut entrance = self.cgroup.entrance();
        let namespace = self.namespace.descriptor();
        let mounts = self.mounts.clone();
        let inside = move || {
            set_pdeathsig(Signal::SIGKILL)?;
            entrance.write_all(b"0")?;
            setns(&namespace, CloneFlags::CLONE_NEWNET)?;
            cover(&mounts)
        };
        // SAFETY: between fork and exec only system calls are made, on values
        // that were allocated before.
        unsafe { command.pre_exec(inside) };
        command
    }
}

/// Mounts files over others where no other process sees it.
fn cover(mounts: &[(CString, CString)]) -> io::Result<()> {
    if mounts.is_empty() {
        return Ok(());
    }
    let nothing = None::<&OsStr>;
    unshare(CloneFlags::CLONE_NEWNS)?;
    // Else the mounts would show in the namespace that this one is a copy of.
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(nothing, c"/", nothing, private, nothing)?;
    for (ours, theirs) in mounts {
        let bound: Result<(), Errno> = mount(
            Some(ours.as_c_str()),
            theirs.as_c_str(),
            nothing,
            MsFlags::MS_BIND,
            nothing,
        );
        bound?;
    }
    Ok(())
}

fn c_string(path: &OsStr) -> CString {
    CString::new(path.as_bytes()).expect("a path without zeros")
}
