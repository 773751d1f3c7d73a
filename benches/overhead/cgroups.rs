//! Many control groups, each with a process that asks once, and their end.

use std::fs;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use kerno_chaos::testbed::Cgroup;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use crate::exchange::Pair;
use crate::site::Site;

/// The group that all others are in.
const TOP: &str = "kerno-bench";

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where it is while it is there.
static MADE: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Groups of the bench. Dropped, they are removed; so they are when a signal ends it.
#[derive(Debug)]
pub(crate) struct Groups {
    top: PathBuf,
    count: usize,
    /// Those before this number are gone.
    gone: usize,
}

impl Groups {
    /// None yet. Those that an earlier run left, because it was killed, are removed.
    pub(crate) fn new(site: &Site) -> Result<Self> {
        let top = site.cgroups.join(TOP);
        remove(&top);
        *MADE.lock().unwrap_or_else(|error| error.into_inner()) = Some(top.clone());
        fs::create_dir(&top).with_context(|| format!("cannot make {}", top.display()))?;
        Ok(Self {
            top,
            count: 0,
            gone: 0,
        })
    }

    /// One more.
    pub(crate) fn another(&mut self) -> Result<Cgroup> {
        let path = self.top.join(format!("group-{}", self.count));
        self.count += 1;
        Cgroup::new(path)
    }

    /// Removes the oldest that is there; its process has ended.
    pub(crate) fn forget_first(&mut self) -> Result<()> {
        let path = self.top.join(format!("group-{}", self.gone));
        self.gone += 1;
        fs::remove_dir(&path).with_context(|| format!("cannot remove {}", path.display()))
    }

    /// One more, in which a process of its own asks the pair's server and ends. The
    /// caller's thread must be in the namespace of the pair.
    pub(crate) fn ask_from_another(&mut self, pair: &mut Pair) -> Result<()> {
        let another = self.another()?;
        let path = another.path();
        let group = another.open()?;
        let (query, server) = pair.question()?;
        let child = match born_in(&group)? {
            Some(child) => child,
            None => {
                let code = i32::from(ask(query, server).is_err());
                // SAFETY: ends this copy of the process at once; no destructor runs.
                unsafe { libc::_exit(code) }
            }
        };
        pair.answer()?;
        match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            _ => bail!("a process in {} did not get its answer", path.display()),
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        remove(&self.top);
        *MADE.lock().unwrap_or_else(|error| error.into_inner()) = None;
    }
}

/// A copy of this process that is in a group from its first moment: moving one there
/// takes the kernel ten times as long. `None` in the copy, which has this thread alone
/// and so must not allocate.
fn born_in(group: &File) -> Result<Option<Pid>> {
    /// linux/sched.h
    const CLONE_INTO_CGROUP: u64 = 1 << 33;
    // SAFETY: plain numbers, for which zero means "not asked for".
    let mut wish: libc::clone_args = unsafe { std::mem::zeroed() };
    wish.flags = CLONE_INTO_CGROUP;
    wish.exit_signal = libc::SIGCHLD as u64;
    wish.cgroup = group.as_raw_fd() as u64;
    // SAFETY: the kernel reads the structure, which outlives the call. Without a stack
    // in it this is fork(2); the copy makes system calls only and then ends.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const wish, size_of_val(&wish)) };
    match pid {
        0 => Ok(None),
        pid if pid > 0 => Ok(Some(Pid::from_raw(pid as i32))),
        _ => Err(io::Error::last_os_error()).context("cannot start a process in a control group"),
    }
}

/// Asks from a socket of its own, and waits for the answer. Allocates nothing.
fn ask(query: &[u8], server: SocketAddr) -> io::Result<()> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let socket = UdpSocket::bind(any)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(server)?;
    socket.send(query)?;
    socket.recv(&mut [0; 512])?;
    Ok(())
}

/// Undoes on Ctrl-C what nothing else undoes. Must come before all other threads,
/// which inherit that these signals are blocked.
pub(crate) fn remove_on_signals() -> Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block()?;
    thread::spawn(move || {
        let signal = signals.wait();
        if let Some(top) = &*MADE.lock().unwrap_or_else(|error| error.into_inner()) {
            remove(top);
        }
        std::process::exit(128 + signal.map_or(0, |signal| signal as i32));
    });
    Ok(())
}

/// Removes the groups in a group, and then itself.
fn remove(top: &Path) {
    let groups = fs::read_dir(top).into_iter().flatten().flatten();
    for group in groups.filter(|entry| entry.path().is_dir()) {
        let _in_use = fs::remove_dir(group.path());
    }
    let _not_there = fs::remove_dir(top);
}
