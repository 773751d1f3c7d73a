//! Network namespaces without a name: descriptors of this process keep them, so
//! the kernel removes them and all that is in them when it ends, however it ends.

use std::ffi::OsStr;
use std::fs;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::linux::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use nix::ifaddrs::getifaddrs;
use nix::mount::MsFlags;
use nix::mount::mount;
use nix::net::if_::InterfaceFlags;
use nix::sched::CloneFlags;
use nix::sched::setns;
use nix::sched::unshare;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use nix::unistd::getpid;
use nix::unistd::getppid;

use super::tool::IP;
use super::tool::Tool;

/// How long an interface may take to come up, and how often it is looked at.
const PATIENCE: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(2);

/// A network namespace.
#[derive(Debug)]
pub struct Namespace {
    handle: File,
    inode: u64,
}

impl Namespace {
    /// A new one, with nothing in it but a loopback interface that is up.
    pub fn new() -> Result<Self> {
        // The thread dies at once; its namespace lives on in the descriptor.
        let maker = thread::spawn(|| -> io::Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        });
        let handle = joined(maker.join()).context("cannot make a network namespace")?;
        let namespace = Self::held_by(handle)?;
        namespace.run(IP, "link set lo up", "")?;
        Ok(namespace)
    }

    /// The one that this process is in.
    pub fn host() -> Result<Self> {
        Self::of(std::process::id())
    }

    /// The one that a process is in.
    pub fn of(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/ns/net");
        let handle = File::open(&path).with_context(|| format!("cannot open {path}"))?;
        Self::held_by(handle)
    }

    fn held_by(handle: File) -> Result<Self> {
        let metadata = handle.metadata();
        let metadata = metadata.context("cannot stat a network namespace")?;
        let inode = metadata.st_ino();
        Ok(Self { handle, inode })
    }

    /// What `stat` says of `/proc/PID/ns/net` of every process in it.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// A path to it, valid as long as this process lives. `ip` takes one where
    /// it takes the name of a namespace.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", getpid(), self.handle.as_raw_fd())
    }

    /// Calls `f` inside, on a thread of its own. A socket made there stays
    /// there, and `/proc/sys/net` and `/proc/thread-self/net` are its own.
    pub fn enter<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.handle, CloneFlags::CLONE_NEWNET)
                    .context("cannot enter a network namespace")?;
                Ok(f())
            });
            joined(inside.join())
        })
    }

    /// Runs a tool to its end inside: the words of `arguments`, and `input` on its
    /// standard input. Returns what it printed; an error if it failed.
    pub fn run(&self, tool: Tool, arguments: &str, input: &str) -> Result<String> {
        let mut command = self.command(tool.find()?)?;
        command.args(arguments.split_whitespace());
        tool.finish(&mut command, input)
    }

    /// Writes a setting of this namespace: `set("ipv4/ip_forward", "1")`.
    pub fn set(&self, key: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/net/{key}");
        self.enter(|| fs::write(&path, value))?
            .with_context(|| format!("cannot write {path}"))
    }

    /// Waits until an interface carries packets. Right after it is set up it
    /// may still swallow them: the kernel activates it in a work queue.
    pub fn await_running(&self, interface: &str) -> Result<()> {
        let is_running = || {
            getifaddrs().is_ok_and(|mut all| {
                all.any(|address| {
                    address.interface_name == interface
                        && address.flags.contains(InterfaceFlags::IFF_RUNNING)
                })
            })
        };
        self.await_that(is_running, &format!("the interface {interface} to come up"))
    }

    /// Waits until no IPv6 address may be another's any more: until then a
    /// neighbour does not find it.
    pub fn await_addresses(&self) -> Result<()> {
        let are_settled = || {
            let text = fs::read_to_string("/proc/thread-self/net/if_inet6");
            text.is_ok_and(|text| !text.lines().any(is_tentative))
        };
        self.await_that(are_settled, "IPv6 addresses to settle")
    }

    /// Waits for what nothing tells of.
    fn await_that(&self, holds: impl Fn() -> bool + Sync, what: &str) -> Result<()> {
        let begin = Instant::now();
        self.enter(|| {
            while !holds() {
                if begin.elapsed() > PATIENCE {
                    bail!("the lab waits in vain for {what}");
                }
                thread::sleep(TICK);
            }
            Ok(())
        })?
    }

    /// A command that will run inside and be killed when the thread that starts it
    /// ends. It has a process group of its own: Ctrl-C at the terminal is for this
    /// process, which then ends it in order.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        let handle = self.handle.try_clone();
        let handle = handle.context("cannot copy a file descriptor")?;
        let mut command = Command::new(program);
        command.process_group(0);
        let parent = getpid();
        let inside = move || {
            die_with(parent)?;
            Ok(setns(&handle, CloneFlags::CLONE_NEWNET)?)
        };
        // SAFETY: between fork and exec only system calls are made, on values
        // that were made before.
        unsafe { command.pre_exec(inside) };
        Ok(command)
    }
}

/// Gives this process a mount namespace of its own, from which nothing that is
/// mounted later spreads. It must have one thread.
pub fn own_mounts() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let nothing = None::<&str>;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(nothing, "/", nothing, private, nothing)
}

/// A line of if_inet6: address, index, prefix length, scope, flags, name
/// (include/uapi/linux/if_addr.h: `IFA_F_TENTATIVE`).
fn is_tentative(line: &str) -> bool {
    let flags = line.split_ascii_whitespace().nth(4);
    let flags = flags.and_then(|flags| u8::from_str_radix(flags, 16).ok());
    flags.is_some_and(|flags| flags & 0x40 != 0)
}

/// Makes the kernel kill this process when the thread that started it ends.
fn die_with(parent: Pid) -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    // It may have ended before.
    if getppid() == parent {
        Ok(())
    } else {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

/// A panic of that thread goes on in this one.
fn joined<T>(result: thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_settled_when_its_flag_is_gone() {
        let line = |flags| format!("fe80000000000000a8c1abfffe000001 02 40 20 {flags}     eth0");
        assert!(is_tentative(&line("c0")));
        assert!(!is_tentative(&line("80")));
        assert!(!is_tentative("nonsense"));
    }
}
