//! `kerno top` in a terminal that nobody reads: it goes on watching, and ends when it is told to.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use nix::sys::signal::SigHandler;
use nix::sys::signal::Signal;
use nix::sys::signal::signal;

use crate::ask::connected;
use crate::fake_server;
use crate::fake_server::at_once;
use crate::message;
use crate::place::Place;
use crate::process::Process;
use crate::process::poll;
use crate::pty::Pty;
use crate::site::SERVER_V4;
use crate::site::Site;

/// Three times what the kernel's ring buffer takes, as in `slow_reader`: if nobody took them, some
/// would be lost.
const QUERIES: u16 = 16_384;
/// Long enough for a screen to be drawn.
const REDRAW: Duration = Duration::from_millis(300);
/// Of these so many at a time.
const PART: u16 = 1_024;

fn top(port: u16) -> Command {
    let mut command = Place::host().command(env!("CARGO_BIN_EXE_kerno"));
    command.args(["top", "--port", &port.to_string(), "--timeout", "100ms"]);
    // With a filter each query is told by itself.
    command.args(["--role", "client"]);
    command
}

/// Of the thread with this name.
fn thread_file(process: &Process, name: &str, file: &str) -> String {
    let threads = fs::read_dir(format!("/proc/{}/task", process.pid())).expect("its threads");
    let mut threads = threads.map(|it| it.expect("a thread").path());
    let is_it = |it: &std::path::PathBuf| {
        fs::read_to_string(it.join("comm")).is_ok_and(|comm| comm.trim() == name)
    };
    let thread = threads.find(is_it).expect(name);
    fs::read_to_string(thread.join(file)).expect(file)
}

/// Returns when the thread that draws waits for room on the terminal, which is full: the kernel may
/// make room in it a moment after it had none.
fn waits_for_room(process: &Process, pty: &Pty) {
    #[cfg(target_arch = "x86_64")]
    let calls = [libc::SYS_poll, libc::SYS_ppoll];
    #[cfg(not(target_arch = "x86_64"))]
    let calls = [libc::SYS_ppoll];
    poll("kerno to wait for the terminal", || {
        pty.fill();
        let call = thread_file(process, "kerno", "syscall");
        let number = call.split(' ').next().and_then(|it| it.parse().ok());
        number.is_some_and(|it| calls.contains(&it)).then_some(())
    });
}

/// How often the thread that takes the kernel's records had nothing to do.
fn sleeps(process: &Process) -> u64 {
    let status = thread_file(process, "kerno-poller", "status");
    let count = status
        .lines()
        .find_map(|it| it.strip_prefix("voluntary_ctxt_switches:"));
    count.expect("a count").trim().parse().expect("a number")
}

/// Reads until this stands there. Another size has all of it drawn anew, what has changed in a
/// figure else comes alone.
fn drawn_anew(pty: &Pty, words: &str) -> String {
    let mut text = Vec::new();
    let mut columns = 110;
    let mut since = None;
    poll(&format!("{words:?} on the terminal"), || {
        if since.is_none_or(|it: Instant| it.elapsed() > REDRAW) {
            columns = if columns == 110 { 111 } else { 110 };
            pty.resize(columns, 30);
            since = Some(Instant::now());
        }
        pty.read(&mut text);
        let text = String::from_utf8_lossy(&text);
        text.contains(words).then(|| text.into_owned())
    })
}

#[test]
fn root_a_terminal_that_nobody_reads_holds_up_no_query() {
    const PORT: u16 = 10_683;
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, PORT);
    fake_server::serve(&site.server, server, |query, _| at_once(query));
    let pty = Pty::open();
    let mut kerno = pty.start(&mut top(PORT));
    pty.shows("options");
    pty.press("3");
    pty.shows("server");
    waits_for_room(&kerno, &pty);

    let name = message::labels(&site.name("unread"));
    let socket = connected(&site.client, server);
    for part in (0..QUERIES).step_by(PART.into()) {
        for id in part..part + PART {
            let query = message::query(id, &name, message::A);
            socket.send(&query).expect("to ask");
            socket.recv(&mut [0; 512]).expect("an answer");
        }
        // It has taken these, unless who takes them from it stands still.
        let before = sleeps(&kerno);
        poll("the kernel's records to be taken", || {
            (sleeps(&kerno) > before + 1).then_some(())
        });
    }
    waits_for_room(&kerno, &pty);

    let shown = drawn_anew(&pty, "16,384");
    assert!(!shown.contains("INCOMPLETE"), "{shown}");

    waits_for_room(&kerno, &pty);
    assert!(!pty.is_plain());
    kerno.signal(Signal::SIGTERM);
    assert_eq!(kerno.ended().code(), Some(0));
    assert!(pty.is_plain());
}

#[test]
fn root_a_full_terminal_is_given_back_when_it_hangs_up() {
    const PORT: u16 = 10_684;
    let pty = Pty::open();
    let mut kerno = pty.start(&mut top(PORT));
    pty.shows("options");
    waits_for_room(&kerno, &pty);
    kerno.signal(Signal::SIGHUP);
    assert_eq!(kerno.ended().code(), Some(0));
    assert!(pty.is_plain());

    // It is gone before anybody has said so.
    let mut kerno = {
        let pty = Pty::open();
        let kerno = pty.start(&mut top(PORT));
        pty.shows("options");
        waits_for_room(&kerno, &pty);
        kerno
    };
    assert_eq!(kerno.ended().code(), Some(0));
}

#[test]
fn root_it_ends_with_its_terminal_though_nobody_tells_it() {
    const PORT: u16 = 10_685;
    let mut command = top(PORT);
    let ignore = || {
        // SAFETY: it sets what a signal does, and runs nothing.
        unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }?;
        Ok(())
    };
    // SAFETY: a system call, which may be made between fork and exec.
    unsafe { command.pre_exec(ignore) };
    let mut kerno = {
        let pty = Pty::open();
        let kerno = pty.start(&mut command);
        // Nothing on its screen changes from here on.
        pty.shows("options");
        pty.press("p");
        pty.shows("PAUSED");
        kerno
    };
    assert_eq!(kerno.ended().code(), Some(0));
}
