//! What an agent and a screen that watch have given up, as the kernel tells it of each thread.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

#[cfg(target_arch = "x86_64")]
use nix::errno::Errno;

use crate::agent::Agent;
#[cfg(target_arch = "x86_64")]
use crate::injected::Argument::Number;
#[cfg(target_arch = "x86_64")]
use crate::injected::Argument::Text;
#[cfg(target_arch = "x86_64")]
use crate::injected::Held;
use crate::place::Place;
use crate::process::poll;
use crate::pty::Pty;

/// CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_SYS_RESOURCE,
/// CAP_SYSLOG, CAP_PERFMON and CAP_BPF, include/uapi/linux/capability.h.
const NEEDED: u64 = 1 << 2 | 1 << 12 | 1 << 19 | 1 << 21 | 1 << 24 | 1 << 34 | 1 << 38 | 1 << 39;

struct Thread {
    name: String,
    status: String,
}

impl Thread {
    fn value(&self, field: &str) -> &str {
        let mut lines = self.status.lines();
        let value = lines.find_map(|line| line.strip_prefix(field));
        value.expect(field).trim_start_matches(':').trim()
    }
}

fn threads(pid: u32) -> Vec<Thread> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    let read = |task: PathBuf| {
        Some(Thread {
            name: fs::read_to_string(task.join("comm"))
                .ok()?
                .trim()
                .to_owned(),
            status: fs::read_to_string(task.join("status")).ok()?,
        })
    };
    // Some live for a moment.
    tasks
        .filter_map(|task| read(task.expect("a thread").path()))
        .collect()
}

/// When these threads are there.
fn threads_with(pid: u32, names: &[&str]) -> Vec<Thread> {
    // A thread that was just started has its creator's name for a moment.
    poll("its threads", || {
        let threads = threads(pid);
        let is_there = |name: &&str| threads.iter().any(|thread| thread.name == *name);
        names.iter().all(is_there).then_some(threads)
    })
}

fn check(threads: &[Thread]) {
    for thread in threads {
        let name = &thread.name;
        let held = u64::from_str_radix(thread.value("CapEff"), 16).expect("a mask");
        match name.as_str() {
            // A command of the user's has the rights of who started the agent.
            "kerno-hook" => continue,
            "kerno-signals" => assert_eq!(held, 0),
            _ => {
                assert_eq!(held & !NEEDED, 0, "{name}: {held:x}");
                assert_eq!(thread.value("NoNewPrivs"), "1", "{name}");
                // A filter, SECCOMP_MODE_FILTER.
                assert_eq!(thread.value("Seccomp"), "2", "{name}");
            }
        }
    }
}

/// Whether a mount is read-only for this process; `None` if there is none.
fn is_read_only(pid: u32, folder: &Path) -> Option<bool> {
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).expect("its mounts");
    let folder = folder.to_str().expect("UTF-8");
    // The last one lies over the others.
    let is_it = |line: &&str| line.split(' ').nth(4) == Some(folder);
    let mount = mounts.lines().rfind(is_it)?;
    let options = mount.split(' ').nth(5).expect("options");
    Some(options.split(',').any(|it| it == "ro"))
}

/// What the kernel says if threads of a screen, the one that draws among them, try it.
#[cfg(target_arch = "x86_64")]
fn refuses(pid: u32, folder: &Path) {
    let name = format!("kerno-test-{pid}");
    let elsewhere = format!("/etc/{name}");
    // By its whole path: its own folder is that below the mount.
    let here = folder.join(&name);
    let here = here.to_str().expect("UTF-8");
    let create = i64::from(libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_CLOEXEC);
    let open = |held: &Held, path| {
        let arguments = [
            Number(libc::AT_FDCWD.into()),
            Text(path),
            Number(create),
            Number(0o600),
        ];
        held.call(libc::SYS_openat, &arguments)
    };
    let socket = |held: &Held, kind: libc::c_int| {
        let arguments = [Number(libc::AF_INET.into()), Number(kind.into())];
        held.call(libc::SYS_socket, &arguments)
    };
    for name_of_thread in ["kerno", "kerno-top", "kerno-poller"] {
        let held = Held::hold(thread_id(pid, name_of_thread));
        // What it may do.
        for done in [open(&held, here), socket(&held, libc::SOCK_DGRAM)] {
            let descriptor = done.expect(name_of_thread);
            held.call(libc::SYS_close, &[Number(descriptor)])
                .expect("it is open");
        }
        let gone = [Number(libc::AT_FDCWD.into()), Text(here), Number(0)];
        held.call(libc::SYS_unlinkat, &gone).expect("it is there");
        // And what not. Nobody here is traced by it, and no mount is told of: without the filter
        // these would be ESRCH and EFAULT.
        assert_eq!(
            open(&held, &elsewhere),
            Err(Errno::EROFS),
            "{name_of_thread}"
        );
        let peek = [Number(libc::PTRACE_PEEKUSER.into()), Number(1)];
        for refused in [
            socket(&held, libc::SOCK_STREAM),
            socket(&held, libc::SOCK_STREAM | libc::SOCK_NONBLOCK),
            held.call(libc::SYS_ptrace, &peek),
            held.call(libc::SYS_mount, &[]),
        ] {
            assert_eq!(refused, Err(Errno::EPERM), "{name_of_thread}");
        }
    }
    assert!(!Path::new(&elsewhere).exists());
}

/// Of a thread with this name.
#[cfg(target_arch = "x86_64")]
fn thread_id(pid: u32, name: &str) -> u32 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    let mut threads = threads.map(|it| it.expect("a thread").path());
    let thread = threads
        .find(|it| fs::read_to_string(it.join("comm")).is_ok_and(|comm| comm.trim() == name));
    let thread = thread.expect(name);
    let id = thread
        .file_name()
        .and_then(|it| it.to_str())
        .map(str::parse);
    id.expect("a name").expect("a number")
}

#[test]
fn root_an_agent_has_the_rights_that_it_needs_and_no_more() {
    let agent = Agent::start(&["--port", "10691", "--on-finding", "true"]);
    let pid = agent.process.pid();
    check(&threads_with(
        pid,
        &["kerno-poller", "kerno-sampler", "kerno-socket"],
    ));
    assert_eq!(is_read_only(pid, Path::new("/")), Some(true));
}

#[test]
fn root_a_live_screen_writes_nowhere_but_in_its_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let pty = Pty::open();
    let mut command = Place::host().command(env!("CARGO_BIN_EXE_kerno"));
    command
        .args(["top", "--port", "10692"])
        .current_dir(&folder);
    let mut kerno = pty.start(&mut command);
    // There is something to save.
    pty.shows("TRAFFIC");
    check(&threads_with(
        kerno.pid(),
        &["kerno-poller", "kerno-sampler", "kerno-top", "kerno-keys"],
    ));
    assert_eq!(is_read_only(kerno.pid(), Path::new("/")), Some(true));
    assert_eq!(is_read_only(kerno.pid(), folder.path()), Some(false));
    #[cfg(target_arch = "x86_64")]
    refuses(kerno.pid(), folder.path());
    pty.press("s");
    pty.shows("saved");
    let mut files = fs::read_dir(&folder).expect("the folder");
    let file = files.next().expect("a file").expect("a file").path();
    let page = fs::read_to_string(&file).expect("the report");
    assert!(page.starts_with("<!DOCTYPE html>"), "{page:.80}");
    pty.press("q");
    assert_eq!(kerno.ended().code(), Some(0));
}
