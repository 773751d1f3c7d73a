//! Processes that do not outlive the test, and none that hangs.

use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Output;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// How long anything is waited for. Generous: two cores may run two tests and
/// a compiler; whatever works takes a small part of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A process in the background, killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) child: Child,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Self { child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(pid_of(&self.child), signal).expect("to signal a child");
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        poll("the end of a process", || {
            self.child.try_wait().expect("wait")
        })
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _status = self.child.wait();
    }
}

/// What a client was and did.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) pid: u32,
    pub(crate) comm: String,
    pub(crate) output: String,
    pub(crate) succeeded: bool,
    pub(crate) took: Duration,
}

/// Runs a client to its end, whatever its exit code.
pub(crate) fn finish(command: &mut Command) -> Finished {
    let name = std::path::Path::new(command.get_program())
        .file_name()
        .expect("a program's name");
    // TASK_COMM_LEN is 16, with the final zero.
    let comm = name.to_string_lossy().chars().take(15).collect();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let start = Instant::now();
    let child = command
        .spawn()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let pid = pid_of(&child);
    // The wait is on another thread; the child hangs on this one (PDEATHSIG).
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let output: Output = match receiver.recv_timeout(PATIENCE) {
        Ok(output) => output.expect("wait"),
        Err(_) => {
            let _gone_already = kill(pid, Signal::SIGKILL);
            panic!("{command:?} did not end");
        }
    };
    let took = start.elapsed();
    let text = [output.stdout, output.stderr].concat();
    Finished {
        pid: pid.as_raw().cast_unsigned(),
        comm,
        output: String::from_utf8_lossy(&text).into_owned(),
        succeeded: output.status.success(),
        took,
    }
}

/// Runs a tool that must succeed.
pub(crate) fn run(command: &mut Command) {
    let finished = finish(command);
    assert!(finished.succeeded, "{command:?}: {}", finished.output);
}

/// Asks until there is something.
pub(crate) fn poll<T>(what: &str, mut f: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = f() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}
