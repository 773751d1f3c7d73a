//! Network namespaces that exist only as long as somebody holds them.
//!
//! They have no name under /run/netns: a descriptor keeps one alive, so a test
//! that is killed leaves nothing behind.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::linux::fs::MetadataExt;
use std::process::Command;
use std::thread;

use nix::sched::CloneFlags;
use nix::sched::setns;
use nix::sched::unshare;

use crate::process::run;

/// A network namespace.
#[derive(Debug)]
pub(crate) struct Namespace {
    handle: File,
}

impl Namespace {
    /// A new one, with nothing in it but a loopback interface that is up.
    pub(crate) fn new() -> Self {
        // The thread dies at once; its namespace lives on in the descriptor.
        let handle = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace of its own (root?)");
            File::open("/proc/thread-self/ns/net").expect("/proc/thread-self/ns/net")
        })
        .join()
        .expect("the thread that makes a namespace");
        let namespace = Self { handle };
        namespace.ip("link set lo up");
        namespace
    }

    /// The one that the tests run in.
    pub(crate) fn host() -> Self {
        Self::of(std::process::id())
    }

    /// The one that a process is in.
    pub(crate) fn of(pid: u32) -> Self {
        let path = format!("/proc/{pid}/ns/net");
        let handle = File::open(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        Self { handle }
    }

    /// What `stat` says of `/proc/PID/ns/net` of every process in it.
    pub(crate) fn inode(&self) -> u64 {
        self.handle
            .metadata()
            .expect("stat of a namespace")
            .st_ino()
    }

    pub(crate) fn descriptor(&self) -> File {
        self.handle
            .try_clone()
            .expect("another descriptor of a namespace")
    }

    /// Calls `f` inside the namespace. A socket made there stays there.
    pub(crate) fn enter<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.handle, CloneFlags::CLONE_NEWNET).expect("to enter a namespace");
                f()
            });
            match inside.join() {
                Ok(value) => value,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Joins two namespaces by a cable: 10.77.0.1 and fd77::1 at this end,
    /// 10.77.0.2, 10.77.0.3 and fd77::2 at the other.
    pub(crate) fn link(&self, other: &Self) {
        // iproute2 takes a path where it takes a namespace's name.
        let far = format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            other.handle.as_raw_fd()
        );
        self.ip(&format!(
            "link add cable type veth peer name cable netns {far}"
        ));
        // Without nodad an IPv6 address is unusable for a second or two.
        let addresses = [
            (self, "10.77.0.1/24"),
            (self, "fd77::1/64 nodad"),
            (other, "10.77.0.2/24"),
            (other, "10.77.0.3/24"),
            (other, "fd77::2/64 nodad"),
        ];
        for (end, address) in addresses {
            end.ip(&format!("address add {address} dev cable"));
        }
        self.ip("link set cable up");
        other.ip("link set cable up");
    }

    pub(crate) fn ip(&self, arguments: &str) {
        self.enter(|| run(Command::new("ip").args(arguments.split(' '))));
    }
}
