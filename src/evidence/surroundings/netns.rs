//! The network namespaces of this host, and ways to look into them.

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::os::linux::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::thread;

use nix::sched::CloneFlags;
use nix::sched::setns;

use crate::host::mounts;

/// More namespaces than any node has pods (110 by default, a few hundred at most).
pub(super) const MAX: usize = 1024;

/// Threads that are looked at for a namespace of their own, apart from main
/// threads. Few programs have such threads (container runtimes); a look takes
/// some 3 µs.
const THREADS_MAX: usize = 4096;

/// Threads of one process that are looked at for a certain namespace.
const THREADS_OF_ONE_MAX: usize = 256;

/// How a namespace can be looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Through a process that is in it.
    Process(u32),
    /// Through a thread that is in it while its process is not.
    Thread(u32, u32),
    /// No process may be in it: through the file on which it is mounted, as `ip
    /// netns add` does.
    Mount(PathBuf),
}

/// What a look around the host found.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// By inode number.
    pub(super) ways: BTreeMap<u32, Way>,
    /// Processes whose namespace may not be asked.
    pub(super) unreadable: usize,
    /// Namespaces beyond the number that is looked at.
    pub(super) left_out: usize,
}

impl Census {
    /// Looks at all processes, some threads, and what is mounted.
    pub(super) fn take() -> Self {
        let mut census = Self::default();
        let pids: Vec<u32> = numbers_in(Path::new("/proc")).collect();
        for &pid in &pids {
            match inode(&of_process(pid)) {
                Ok(netns) => census.add(netns, || Way::Process(pid)),
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    census.unreadable += 1;
                }
                // It has just ended.
                Err(_) => {}
            }
        }
        for (netns, point) in mounted() {
            census.add(netns, || Way::Mount(point));
        }
        let others = pids.iter().flat_map(|&pid| {
            let tids = numbers_in(&tasks(pid)).filter(move |&tid| tid != pid);
            tids.map(move |tid| (pid, tid))
        });
        for (pid, tid) in others.take(THREADS_MAX) {
            if let Ok(netns) = inode(&of_thread(pid, tid)) {
                census.add(netns, || Way::Thread(pid, tid));
            }
        }
        census
    }

    fn add(&mut self, netns: u32, way: impl FnOnce() -> Way) {
        if self.ways.contains_key(&netns) {
            return;
        }
        if self.ways.len() == MAX {
            self.left_out += 1;
            return;
        }
        self.ways.insert(netns, way());
    }
}

impl Way {
    /// The way through one process, if it or one of its threads is in there.
    pub(super) fn through(pid: u32, netns: u32) -> Option<Self> {
        if inode(&of_process(pid)).is_ok_and(|it| it == netns) {
            return Some(Self::Process(pid));
        }
        numbers_in(&tasks(pid))
            .take(THREADS_OF_ONE_MAX)
            .find(|&tid| inode(&of_thread(pid, tid)).is_ok_and(|it| it == netns))
            .map(|tid| Self::Thread(pid, tid))
    }

    /// Calls `look` with the folder that has the files of `/proc/net` for the
    /// namespace. `None` if this way does not lead there any more.
    pub(super) fn visit<T: Send>(
        &self,
        netns: u32,
        look: impl FnOnce(&Path) -> T + Send,
    ) -> Option<T> {
        let net = match self {
            Self::Process(pid) => format!("/proc/{pid}/net").into(),
            Self::Thread(pid, tid) => tasks(*pid).join(format!("{tid}/net")),
            Self::Mount(_) => {
                return self.enter(netns, || look(Path::new("/proc/thread-self/net")));
            }
        };
        // Before and after: the number may have been given to another process.
        let still_there = || inode(&self.handle()).is_ok_and(|it| it == netns);
        let seen = still_there().then(|| look(&net))?;
        still_there().then_some(seen)
    }

    /// Calls `look` in a thread that is in the namespace and ends there: the one
    /// that calls stays where it is. It takes CAP_SYS_ADMIN.
    pub(super) fn enter<T: Send>(&self, netns: u32, look: impl FnOnce() -> T + Send) -> Option<T> {
        if of(std::process::id()) == Some(netns) {
            return Some(look());
        }
        let handle = File::open(self.handle()).ok()?;
        if number(handle.metadata().ok()?.st_ino()) != Some(netns) {
            return None;
        }
        thread::scope(|scope| {
            let inside = thread::Builder::new()
                .name("kerno-netns".to_owned())
                .spawn_scoped(scope, || {
                    setns(&handle, CloneFlags::CLONE_NEWNET).ok()?;
                    Some(look())
                });
            inside.ok()?.join().ok()?
        })
    }

    /// The file that stands for the namespace.
    fn handle(&self) -> PathBuf {
        match self {
            Self::Process(pid) => of_process(*pid),
            Self::Thread(pid, tid) => of_thread(*pid, *tid),
            Self::Mount(point) => point.clone(),
        }
    }
}

/// Inode number of the network namespace of a process's main thread.
pub(super) fn of(pid: u32) -> Option<u32> {
    inode(&of_process(pid)).ok()
}

/// Namespaces that are mounted on a file, wherever that is: `/run/netns` is the
/// custom of iproute2 and of CNI plugins, `/run/docker/netns` that of Docker.
fn mounted() -> Vec<(u32, PathBuf)> {
    let mountinfo = mounts::read().unwrap_or_default();
    mounts::parse(&mountinfo)
        .filter(|mount| mount.filesystem == b"nsfs")
        .filter_map(|mount| {
            let root = mount.root.to_str()?;
            let netns = root.strip_prefix("net:[")?.strip_suffix(']')?;
            Some((netns.parse().ok()?, mount.point))
        })
        .collect()
}

fn of_process(pid: u32) -> PathBuf {
    format!("/proc/{pid}/ns/net").into()
}

fn of_thread(pid: u32, tid: u32) -> PathBuf {
    format!("/proc/{pid}/task/{tid}/ns/net").into()
}

fn tasks(pid: u32) -> PathBuf {
    format!("/proc/{pid}/task").into()
}

fn inode(handle: &Path) -> std::io::Result<u32> {
    let inode = fs::metadata(handle)?.st_ino();
    number(inode).ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

/// The kernel numbers namespaces with 32 bits (`struct ns_common`).
fn number(inode: u64) -> Option<u32> {
    u32::try_from(inode).ok()
}

/// Names in a folder that are numbers: processes, threads.
pub(super) fn numbers_in(folder: &Path) -> impl Iterator<Item = u32> + use<> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}
