//! The command that is told of findings. It is never waited for.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::io::Seek as _;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::after;
use crossbeam_channel::bounded;
use crossbeam_channel::never;
use crossbeam_channel::select;
use nix::sys::memfd::MFdFlags;
use nix::sys::memfd::memfd_create;
use nix::sys::signal::Signal;
use nix::sys::signal::killpg;
use nix::unistd::Pid;
use serde::Serialize;

use crate::notify;

/// Events that may wait: one fault opens a finding or two for each workload that it hurts.
const WAITING_MAX: usize = 64;
/// Commands that run at one time, and how long each may.
const RUNNING_MAX: usize = 4;
const TIME_MAX: Duration = Duration::from_secs(30);
/// Commands that are started in a minute.
const STARTS_MAX: usize = 60;
const MINUTE: Duration = Duration::from_secs(60);
/// How often it is looked after those that run.
const LOOK: Duration = Duration::from_millis(50);

/// How often it was run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct HookCounts {
    /// Started.
    pub(super) started: u64,
    /// Not started: too many were waiting, or were started in a minute.
    pub(super) skipped: u64,
    /// Could not be started, ended with another code than 0, or took too long.
    pub(super) failed: u64,
}

#[derive(Debug, Default)]
struct Tally {
    started: AtomicU64,
    skipped: AtomicU64,
    failed: AtomicU64,
}

type Thread = (Sender<Vec<u8>>, JoinHandle<()>);

/// The command, and the thread that looks after it. Dropping it ends all that run.
#[derive(Debug)]
pub struct Hook {
    /// Until its end.
    thread: Mutex<Option<Thread>>,
    is_over: Arc<AtomicBool>,
    tally: Arc<Tally>,
}

impl Hook {
    /// For a command of the shell.
    pub fn start(command: String) -> Result<Self> {
        let (events, told) = bounded(WAITING_MAX);
        let tally = Arc::<Tally>::default();
        let is_over = Arc::<AtomicBool>::default();
        let mut running = Running {
            command,
            is_over: Arc::clone(&is_over),
            tally: Arc::clone(&tally),
            children: Vec::new(),
            starts: VecDeque::new(),
            has_complained: false,
        };
        let thread = std::thread::Builder::new()
            .name("kerno-hook".to_owned())
            .spawn(move || running.run(&told))
            .context("cannot start the thread for --on-finding")?;
        Ok(Self {
            thread: Mutex::new(Some((events, thread))),
            is_over,
            tally,
        })
    }

    /// Runs it with this on its standard input, soon. Never waits.
    pub(super) fn tell(&self, event: Vec<u8>) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = thread.as_ref().map(|(events, _)| events.try_send(event));
        if !matches!(sent, Some(Ok(()))) {
            self.tally.skipped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ends all that run, and runs no more.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((events, thread)) = thread.take() {
            drop(events);
            if thread.join().is_err() {
                log::error!("the thread of --on-finding died");
            }
        }
    }

    /// How often it was run.
    pub(super) fn counts(&self) -> HookCounts {
        let of = |it: &AtomicU64| it.load(Ordering::Relaxed);
        HookCounts {
            started: of(&self.tally.started),
            skipped: of(&self.tally.skipped),
            failed: of(&self.tally.failed),
        }
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.end();
    }
}

struct Running {
    command: String,
    is_over: Arc<AtomicBool>,
    tally: Arc<Tally>,
    children: Vec<(Child, Instant)>,
    /// Of the last minute.
    starts: VecDeque<Instant>,
    has_complained: bool,
}

impl Running {
    fn run(&mut self, events: &Receiver<Vec<u8>>) {
        while !self.is_over.load(Ordering::Relaxed) {
            let looks = match self.children.is_empty() {
                true => never(),
                false => after(LOOK),
            };
            let input = match self.children.len() < RUNNING_MAX {
                true => events.clone(),
                false => never(),
            };
            select! {
                recv(input) -> event => match event {
                    Ok(event) if !self.is_over.load(Ordering::Relaxed) => self.begin(&event),
                    _ => break,
                },
                recv(looks) -> _ => {}
            }
            self.look_after();
        }
        for (child, _) in &mut self.children {
            end(child);
        }
    }

    fn begin(&mut self, event: &[u8]) {
        let now = Instant::now();
        let is_old = |it: &Instant| now.saturating_duration_since(*it) >= MINUTE;
        while self.starts.front().is_some_and(is_old) {
            self.starts.pop_front();
        }
        if self.starts.len() >= STARTS_MAX {
            self.tally.skipped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.starts.push_back(now);
        match spawn(&self.command, event) {
            Ok(child) => {
                self.tally.started.fetch_add(1, Ordering::Relaxed);
                self.children.push((child, now + TIME_MAX));
            }
            Err(error) => self.failed(&format!("cannot be started: {error}")),
        }
    }

    fn look_after(&mut self) {
        let now = Instant::now();
        let mut complaints = Vec::new();
        self.children
            .retain_mut(|(child, until)| match child.try_wait() {
                Ok(None) if now < *until => true,
                Ok(None) => {
                    end(child);
                    complaints.push("took too long and was ended".to_owned());
                    false
                }
                Ok(Some(status)) if status.success() => false,
                Ok(Some(status)) => {
                    complaints.push(format!("ended with {status}"));
                    false
                }
                Err(error) => {
                    complaints.push(format!("cannot be looked after: {error}"));
                    false
                }
            });
        complaints.iter().for_each(|it| self.failed(it));
    }

    /// The first time is said, all are counted.
    fn failed(&mut self, complaint: &str) {
        self.tally.failed.fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(&mut self.has_complained, true) {
            log::warn!("the command of --on-finding {complaint}");
        }
    }
}

/// In a group of its own, so that what it starts ends with it.
fn spawn(command: &str, event: &[u8]) -> io::Result<Child> {
    // A file: a pipe would have to be waited for.
    let mut input = File::from(memfd_create(c"finding", MFdFlags::MFD_CLOEXEC)?);
    input.write_all(event)?;
    input.rewind()?;
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", command])
        .stdin(input)
        .stdout(Stdio::null())
        .process_group(0);
    for variable in notify::VARIABLES {
        shell.env_remove(variable);
    }
    shell.spawn()
}

fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).map(Pid::from_raw);
    if let Ok(group) = group {
        // It may have ended by itself.
        let _gone = killpg(group, Signal::SIGKILL);
    }
    let _status = child.wait();
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Waits for what is certain to come.
    fn until(what: &str, is: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder).expect("a folder").count()
    }

    #[test]
    fn the_command_gets_the_event_whatever_it_does_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("told");
        let hook = Hook::start(format!("cat > {}.new && mv {0}.new {0}", file.display()));
        let hook = hook.expect("a thread");
        // More than a pipe holds.
        let event = vec![b'x'; 1 << 20];
        hook.tell(event.clone());
        until("the command", || file.exists());
        assert_eq!(fs::read(&file).expect("a file"), event);
        drop(hook);
        let hook = Hook::start("exit 3".to_owned()).expect("a thread");
        hook.tell(event);
        until("the failure", || hook.counts().failed == 1);
    }

    #[test]
    fn only_so_many_run_and_none_outlives_the_agent() {
        let folder = tempfile::tempdir().expect("a folder");
        let told = folder.path().display();
        let hook = Hook::start(format!("echo $$ > {told}/$$; sleep 1000 & wait"));
        let hook = hook.expect("a thread");
        for _ in 0..200 {
            hook.tell(Vec::new());
        }
        until("all that may run", || files(folder.path()) == RUNNING_MAX);
        // The command may be further than the thread that has started it.
        let all = RUNNING_MAX as u64;
        until("their count", || hook.counts().started == all);
        let counts = hook.counts();
        // Those that wait, and one on its way.
        let kept = WAITING_MAX as u64 + all;
        assert!(counts.skipped >= 200 - kept - 1, "{counts:?}");
        hook.end();
        let left = |file: fs::DirEntry| {
            let pid = file.file_name().into_string().expect("a number");
            // Also the one that each has started.
            killpg(Pid::from_raw(pid.parse().expect("a number")), None).is_ok()
        };
        let gone = || {
            let mut files = fs::read_dir(folder.path()).expect("a folder");
            !files.any(|file| left(file.expect("a file")))
        };
        until("their end", gone);
    }

    #[test]
    fn a_minute_has_room_for_so_many() {
        let hook = Hook::start("true".to_owned()).expect("a thread");
        for n in 1..=70 {
            hook.tell(Vec::new());
            let done = || {
                let counts = hook.counts();
                counts.started + counts.skipped == n
            };
            until("its turn", done);
        }
        let counts = hook.counts();
        assert_eq!((counts.started, counts.skipped), (60, 10));
    }
}
