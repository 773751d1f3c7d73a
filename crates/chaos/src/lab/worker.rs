//! The lab's other processes, its workers. Each is this program again, started
//! inside a namespace and told by one JSON line on its standard input what to be. It
//! says so when it is ready, ends when that input ends, and then says what it did.

use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Child;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use super::client::Ask;
use super::outside::Beyond;
use super::server::Serve;
use super::stranger::Stranger;

/// The hidden command that makes kerno a worker of a lab.
pub const COMMAND: &str = "lab-worker";

/// This program.
pub(super) const PROGRAM: &str = "/proc/self/exe";

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Role {
    /// A program that looks names up.
    Client(Ask),
    /// A DNS server.
    Server(Serve),
    /// Somebody on the node: on a real one there is always a process, through
    /// which one can look into its network namespace.
    Resident,
    /// What lies outside, behind the node.
    Outside(Beyond),
    /// A client of another host.
    Stranger(Stranger),
    /// Uses all that it gets of this CPU, by number.
    Hog(usize),
    /// Undoes what lies outside the lab's namespaces: what is written down there.
    Janitor(PathBuf),
}

/// A line from a worker to the lab.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Line {
    /// It does its work from now on.
    Ready,
    /// It has ended, and did this.
    Done(Value),
    /// It could not.
    Failed(String),
}

/// A worker as the lab sees it. Dropped, it is killed, unless it is the janitor,
/// who ends by itself.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Absent while another thread waits for the end.
    end: Option<End>,
    kill: bool,
}

impl Worker {
    /// Starts one by a command for [`PROGRAM`], and returns when it is ready.
    pub(super) fn start(name: &str, role: &Role, mut command: Command) -> Result<Self> {
        command
            .arg(COMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let started = command.spawn();
        let mut child = started.with_context(|| format!("cannot start {name}"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let mut worker = Self {
            child,
            stdin,
            end: None,
            kill: !matches!(role, Role::Janitor(_)),
        };
        worker.tell(role)?;
        let mut end = End {
            name: name.to_owned(),
            stdout: BufReader::new(stdout.context("its output is not piped")?),
        };
        match end.read()? {
            Line::Ready => worker.end = Some(end),
            other => bail!("{name} said {other:?} instead of being ready"),
        }
        Ok(worker)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn tell(&mut self, what: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_string(what)?;
        line.push('\n');
        let stdin = self.stdin.as_mut().context("its input is closed")?;
        // What it says about its end is more telling than a broken pipe.
        match stdin.write_all(line.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    pub(super) fn stop(&mut self) {
        self.stdin = None;
    }

    /// Lets it go on, if it has stopped itself.
    pub(super) fn resume(&self) {
        // A process that was not waited for keeps its number.
        let _gone_already = kill(Pid::from_raw(self.pid().cast_signed()), Signal::SIGCONT);
    }

    /// What waits for its end, for a thread of its own.
    pub(super) fn end(&mut self) -> Result<End> {
        self.end.take().context("somebody waits for it")
    }

    /// Waits until it has ended, as somebody else made it: with SIGKILL.
    pub(super) fn killed(mut self) -> Result<()> {
        self.stop();
        let status = self.child.wait()?;
        match status.signal() {
            Some(libc::SIGKILL) => Ok(()),
            _ => bail!("a worker of the lab should have been killed, but ended with {status}"),
        }
    }

    /// Tells it to end, and returns what it did.
    pub(super) fn finish<T: for<'de> Deserialize<'de>>(mut self) -> Result<T> {
        self.stop();
        self.end()?.wait()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop();
        if self.kill {
            let _gone_already = self.child.kill();
        }
        let _status = self.child.wait();
    }
}

/// The end of a worker, to be waited for.
#[derive(Debug)]
pub(super) struct End {
    name: String,
    stdout: BufReader<ChildStdout>,
}

impl End {
    /// Waits until the worker ends, and returns what it did.
    pub(super) fn wait<T: for<'de> Deserialize<'de>>(mut self) -> Result<T> {
        match self.read()? {
            Line::Done(value) => Ok(serde_json::from_value(value)?),
            other => bail!("{} said {other:?} instead of its result", self.name),
        }
    }

    fn read(&mut self) -> Result<Line> {
        let name = &self.name;
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line);
        if read.with_context(|| format!("cannot read from {name}"))? == 0 {
            bail!("{name} ended early");
        }
        match serde_json::from_str(&line)? {
            Line::Failed(why) => bail!("{name}: {why}"),
            line => Ok(line),
        }
    }
}

/// A lab that is not there any more needs no answer.
pub(super) fn say(line: &Line) {
    let mut out = io::stdout().lock();
    let _unread = serde_json::to_writer(&mut out, line)
        .map_err(io::Error::from)
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
}
