//! The network namespaces of this host, and ways to look into them.

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::os::linux::fs::MetadataExt as _;
use std::path::PathBuf;
use std::thread;

use nix::sched::CloneFlags;
use nix::sched::setns;

use super::proc::Root;
use super::proc::mountinfo;

/// More namespaces than any node has pods (110 by default, a few hundred at most).
pub const MAX: usize = 1024;

/// Threads that are looked at for a namespace of their own, apart from main
/// threads. Few programs have such threads (container runtimes); a look takes
/// some 3 µs.
const THREADS_MAX: usize = 4096;

/// Threads of one process that are looked at for a certain namespace.
const THREADS_OF_ONE_MAX: usize = 256;

const NS: &str = "ns/net";

/// How a namespace can be looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetnsHandle {
    /// Through a process or a thread that is in it: its folder in procfs.
    Task(Root),
    /// No process may be in it: through the file on which it is mounted, as `ip
    /// netns add` does.
    Mount(PathBuf),
}

/// What a look around the host found.
#[derive(Debug, Default)]
pub struct NetnsIndex {
    /// By inode number.
    pub handles: BTreeMap<u32, NetnsHandle>,
    /// Processes whose namespace may not be asked.
    pub unreadable: usize,
    /// Namespaces beyond the number that is looked at.
    pub left_out: usize,
}

impl NetnsIndex {
    /// Looks at all processes, some threads, and what is mounted.
    pub fn take(root: &Root) -> Self {
        let mut index = Self::default();
        let pids: Vec<u32> = root.numbers("proc").collect();
        for &pid in &pids {
            let process = root.process(pid);
            match process.inode(NS) {
                Ok(netns) => index.add(netns, || NetnsHandle::Task(process)),
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    index.unreadable += 1;
                }
                // It has just ended.
                Err(_) => {}
            }
        }
        for (netns, point) in mounted(root) {
            index.add(netns, || NetnsHandle::Mount(point));
        }
        let others = pids.iter().flat_map(|&pid| {
            let process = root.process(pid);
            let tids = process.numbers("task").filter(move |&tid| tid != pid);
            tids.map(move |tid| thread_of(&process, tid))
        });
        for thread in others.take(THREADS_MAX) {
            if let Ok(netns) = thread.inode(NS) {
                index.add(netns, || NetnsHandle::Task(thread));
            }
        }
        index
    }

    fn add(&mut self, netns: u32, handle: impl FnOnce() -> NetnsHandle) {
        if self.handles.contains_key(&netns) {
            return;
        }
        if self.handles.len() == MAX {
            self.left_out += 1;
            return;
        }
        self.handles.insert(netns, handle());
    }
}

impl NetnsHandle {
    /// Through one process, if it or one of its threads is in there.
    pub fn through(process: &Root, netns: u32) -> Option<Self> {
        let is_there = |task: &Root| task.inode(NS).is_ok_and(|it| it == netns);
        if is_there(process) {
            return Some(Self::Task(process.clone()));
        }
        let tids = process.numbers("task").take(THREADS_OF_ONE_MAX);
        let mut threads = tids.map(|tid| thread_of(process, tid));
        threads.find(is_there).map(Self::Task)
    }

    /// Whether it leads there by now: numbers of processes, and those of namespaces, are given
    /// anew when their bearers have ended.
    pub fn leads_to(&self, netns: u32) -> bool {
        match self {
            Self::Task(task) => of(task) == Some(netns),
            Self::Mount(point) => {
                fs::metadata(point).is_ok_and(|it| it.st_ino() == u64::from(netns))
            }
        }
    }

    /// Calls `look` with the folder that has the files of `/proc/net` for the
    /// namespace. `None` if this handle does not lead there any more.
    pub fn visit<T: Send>(&self, netns: u32, look: impl FnOnce(&Root) -> T + Send) -> Option<T> {
        let Self::Task(task) = self else {
            return self.enter(netns, || look(&Root::at("/proc/thread-self/net")));
        };
        // Before and after: the number may have been given to another process.
        let seen = self.leads_to(netns).then(|| look(&task.below("net")))?;
        self.leads_to(netns).then_some(seen)
    }

    /// Calls `look` in a thread that is in the namespace and ends there: the one
    /// that calls stays where it is. It takes CAP_SYS_ADMIN.
    pub fn enter<T: Send>(&self, netns: u32, look: impl FnOnce() -> T + Send) -> Option<T> {
        if of(&Root::at("/proc/self")) == Some(netns) {
            return Some(look());
        }
        let handle = match self {
            Self::Task(task) => File::open(task.path(NS)),
            Self::Mount(point) => File::open(point),
        };
        let handle = handle.ok()?;
        if handle.metadata().ok()?.st_ino() != u64::from(netns) {
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
}

/// Inode number of the network namespace of the process or thread whose folder
/// this is.
pub fn of(task: &Root) -> Option<u32> {
    task.inode(NS).ok()
}

fn thread_of(process: &Root, tid: u32) -> Root {
    process.below(format!("task/{tid}"))
}

/// Namespaces that are mounted on a file, wherever that is: `/run/netns` is the
/// custom of iproute2 and of CNI plugins, `/run/docker/netns` that of Docker.
fn mounted(root: &Root) -> Vec<(u32, PathBuf)> {
    let mountinfo = mountinfo::read(root).unwrap_or_default();
    mountinfo::parse(&mountinfo)
        .filter(|mount| mount.filesystem == b"nsfs")
        .filter_map(|mount| {
            let netns = mount.root.to_str()?;
            let netns = netns.strip_prefix("net:[")?.strip_suffix(']')?;
            Some((netns.parse().ok()?, root.path(mount.point)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host with processes whose namespaces are numbered as its files are.
    #[test]
    fn processes_and_their_threads_lead_into_namespaces() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        let task = |task: &Root| {
            fs::create_dir_all(task.path("ns")).unwrap();
            fs::write(task.path(NS), "").unwrap();
            task.inode(NS).unwrap()
        };
        let process = root.process(7);
        let (main, thread) = (task(&process), task(&thread_of(&process, 8)));
        let index = NetnsIndex::take(&root);
        assert_eq!(index.handles.len(), 2);
        let through_thread = NetnsHandle::Task(thread_of(&process, 8));
        assert_eq!(index.handles.get(&thread), Some(&through_thread));
        assert_eq!(NetnsHandle::through(&process, thread), Some(through_thread));
        let handle = NetnsHandle::through(&process, main).unwrap();
        let net = handle.visit(main, |net| net.clone());
        assert_eq!(net, Some(process.below("net")));
        // It has moved on.
        assert!(handle.leads_to(main) && !handle.leads_to(thread));
        assert_eq!(handle.visit(thread, |_| ()), None);
        assert_eq!(NetnsHandle::through(&process, u32::MAX), None);
    }
}
