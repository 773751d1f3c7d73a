//! Where everything is measured: a network namespace of the bench's own, kerno's
//! release binary, the root of the control groups, a scratch folder.

use std::fs;
use std::fs::File;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use kerno_chaos::testbed::Namespace;
use kerno_chaos::testbed::Unbound;
use nix::mount::MsFlags;
use nix::mount::mount;
use nix::sched::CloneFlags;
use nix::sched::unshare;
use nix::sys::signal::SigSet;
use tempfile::TempDir;

/// What the tests are built in, beside the binaries.
const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");

/// The port that kerno is told to watch here, and no other kerno of this host.
pub(crate) const DNS_PORT: u16 = 10_553;
/// Names that a crowd asks for; every other one is there.
pub(crate) const NAMES: usize = 2_000;
/// How the others begin.
pub(crate) const MISSING: &str = "nothing";

/// A port that means nothing to anybody.
pub(crate) const OTHER_PORT: u16 = 10_599;

/// The place.
#[derive(Debug)]
pub(crate) struct Site {
    /// Nothing but a loopback interface.
    pub(crate) namespace: Namespace,
    /// Rounds of what is measured in turns.
    pub(crate) rounds: usize,
    /// Where control groups of version 2 are.
    pub(crate) cgroups: PathBuf,
    folder: TempDir,
    kerno: PathBuf,
}

impl Site {
    /// Makes it. Threads and processes that begin later see the mounts of this one.
    pub(crate) fn new(rounds: usize) -> Result<Self> {
        own_mounts()?;
        let kerno = Path::new(SCRATCH).with_file_name("release/kerno");
        if !kerno.exists() {
            bail!("there is no {}: run `make bench`", kerno.display());
        }
        Ok(Self {
            namespace: Namespace::new()?,
            rounds,
            cgroups: cgroup_root()?,
            folder: TempDir::with_prefix_in("bench-", SCRATCH).context("no scratch folder")?,
            kerno,
        })
    }

    /// A folder for files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// kerno itself, which is on the host and sees all namespaces. It dies with this
    /// process.
    pub(crate) fn kerno(&self) -> Result<Command> {
        prepared(Namespace::host()?.command(&self.kerno)?)
    }

    /// Another program, in the namespace. It dies with this process.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Result<Command> {
        prepared(self.namespace.command(program.as_ref())?)
    }

    /// The root of the control groups of version 2, to attach programs to.
    pub(crate) fn cgroup_root(&self) -> Result<File> {
        File::open(&self.cgroups).context("cannot open the root of the control groups")
    }

    /// An unbound with one thread that answers from its own data.
    pub(crate) fn unbound(&self) -> Result<Unbound> {
        let servers = Path::new(SCRATCH).join("servers");
        let unpacked = servers.join("usr/sbin/unbound");
        let program = match unpacked.exists() {
            true => unpacked,
            false => PathBuf::from("/usr/sbin/unbound"),
        };
        let architecture = format!("{}-linux-gnu", std::env::consts::ARCH);
        let libraries = ["lib", "usr/lib"].map(|lib| servers.join(lib).join(&architecture));
        let mut command = self.command(program)?;
        command
            .env("LD_LIBRARY_PATH", std::env::join_paths(libraries)?)
            .stderr(File::create(self.folder().join("unbound.log"))?);
        let names = (0..NAMES).step_by(2).map(name);
        let data = names.map(|name| format!("local-data: \"{name}. A 192.0.2.2\"\n"));
        let settings = "local-zone: \".\" static\nlocal-data: \"www.kerno.test. A 192.0.2.1\"\n";
        let settings = settings.to_owned() + &data.collect::<String>();
        let listens = [SocketAddr::from((Ipv4Addr::LOCALHOST, DNS_PORT))];
        Unbound::start(command, &self.namespace, &listens, &settings)
    }
}

/// A name that unbound has if its number is even.
pub(crate) fn name(number: usize) -> String {
    match number.is_multiple_of(2) {
        true => format!("host{number}.kerno.test"),
        false => format!("{MISSING}{number}.kerno.test"),
    }
}

/// The bench blocks signals to undo what it did first; its children must not.
fn prepared(mut command: Command) -> Result<Command> {
    let unblock = || Ok(SigSet::empty().thread_set_mask()?);
    // SAFETY: one system call, on a value on the stack.
    unsafe { command.pre_exec(unblock) };
    Ok(command)
}

/// Mounts of this process's own, and tracefs among them: tracepoints of system calls
/// are found by it, and not every host has it mounted.
fn own_mounts() -> Result<()> {
    let nothing = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS).context("cannot make a mount namespace")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(nothing, "/", nothing, private, nothing).context("cannot make mounts private")?;
    let tracing = "/sys/kernel/tracing";
    if !Path::new(tracing).join("events").exists() {
        let mounted = mount(nothing, tracing, Some("tracefs"), MsFlags::empty(), nothing);
        if let Err(error) = mounted {
            eprintln!("bench: no tracepoints of system calls without tracefs: {error}");
        }
    }
    Ok(())
}

/// Where control groups of version 2 are mounted (proc_pid_mountinfo(5)).
fn cgroup_root() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let points = mounts.lines().filter(|line| line.contains(" - cgroup2 "));
    let mut points = points.filter_map(|line| line.split(' ').nth(4));
    let first = points.next().map(PathBuf::from);
    first.context("no cgroup v2 hierarchy is mounted: mount -t cgroup2 none /mnt")
}
