//! The process that reads files of strangers, and how it is asked.

use std::collections::HashSet;
use std::io;
use std::io::BufRead as _;
use std::io::Read as _;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use serde::Deserialize;
use serde::Serialize;

use super::file;
use super::file::Content;

/// The hidden command that makes kerno this process.
pub const COMMAND: &str = "read-files";

/// A file system that answers does so in milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);
/// Helpers that may hang at one time; with more, nobody's files are read until one is
/// back.
const LEFT_BEHIND_MAX: usize = 8;
/// Folders that did not answer; they are not asked again.
const SILENT_MAX: usize = 256;

#[derive(Debug, Serialize, Deserialize)]
struct Request {
    folder: PathBuf,
    file: PathBuf,
    max: u64,
}

/// A line; the octets follow it.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Found {
        identity: (u64, u64),
        len: usize,
    },
    Errno(i32),
    /// No regular file.
    Another,
}

/// Be this process until standard input ends.
pub fn serve() -> io::Result<()> {
    let _unnamed = nix::sys::prctl::set_name(c"kerno-files");
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let Request { folder, file, max } = serde_json::from_str(&line?)?;
        let (answer, octets) = match file::read(&folder, &file, max) {
            Ok(Content { identity, octets }) => {
                let len = octets.len();
                (Answer::Found { identity, len }, octets)
            }
            Err(error) => {
                let errno = error.raw_os_error().map(Answer::Errno);
                (errno.unwrap_or(Answer::Another), Vec::new())
            }
        };
        serde_json::to_writer(&mut out, &answer)?;
        out.write_all(b"\n")?;
        out.write_all(&octets)?;
        out.flush()?;
    }
    Ok(())
}

/// The helper that is asked, and those that hang.
#[derive(Debug)]
pub(super) struct Helpers {
    program: PathBuf,
    now: Option<Helper>,
    left_behind: Vec<Child>,
    silent: HashSet<PathBuf>,
}

impl Helpers {
    pub(super) fn of(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            now: None,
            left_behind: Vec::new(),
            silent: HashSet::new(),
        }
    }

    pub(super) fn read(&mut self, folder: &Path, file: &Path, max: u64) -> io::Result<Content> {
        if self.silent.contains(folder) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.left_behind
            .retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        let mut helper = match self.now.take() {
            Some(helper) => helper,
            None if self.left_behind.len() >= LEFT_BEHIND_MAX => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            None => Helper::start(&self.program)?,
        };
        let request = Request {
            folder: folder.to_owned(),
            file: file.to_owned(),
            max,
        };
        match helper.ask(&request) {
            Ok(answer) => {
                self.now = Some(helper);
                answer
            }
            Err(error) => {
                self.leave_behind(helper);
                if error.kind() == io::ErrorKind::TimedOut && self.silent.len() < SILENT_MAX {
                    log::warn!(
                        "the file system of {} does not answer: kerno reads no files there",
                        folder.display()
                    );
                    self.silent.insert(folder.to_owned());
                }
                Err(error)
            }
        }
    }

    /// One that hangs dies when its file system lets it go.
    fn leave_behind(&mut self, helper: Helper) {
        let mut child = helper.child;
        let _gone = child.kill();
        self.left_behind.push(child);
    }
}

#[derive(Debug)]
struct Helper {
    child: Child,
    requests: ChildStdin,
    answers: ChildStdout,
    /// Of the answer, not yet taken.
    read: Vec<u8>,
}

impl Helper {
    fn start(program: &Path) -> io::Result<Self> {
        let mut child = Command::new(program)
            .arg(COMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .current_dir("/")
            .env_clear()
            .spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(requests), Some(answers)) => Ok(Self {
                child,
                requests,
                answers,
                read: Vec::new(),
            }),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// The outer error is of the helper, the inner one of the file.
    fn ask(&mut self, request: &Request) -> io::Result<io::Result<Content>> {
        let until = Instant::now() + PATIENCE;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        // It waits for requests, so the pipe is empty; a line fits into it.
        self.requests.write_all(&line)?;
        let end = loop {
            if let Some(end) = self.read.iter().position(|&octet| octet == b'\n') {
                break end;
            }
            self.more(until)?;
        };
        let answer = serde_json::from_slice(&self.read[..end])?;
        self.read.drain(..=end);
        Ok(match answer {
            Answer::Found { identity, len } => {
                while self.read.len() < len {
                    self.more(until)?;
                }
                let octets = std::mem::take(&mut self.read);
                Ok(Content { identity, octets })
            }
            Answer::Errno(errno) => Err(io::Error::from_raw_os_error(errno)),
            Answer::Another => Err(io::ErrorKind::InvalidData.into()),
        })
    }

    /// Waits for more of the answer.
    fn more(&mut self, until: Instant) -> io::Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let mut fds = [PollFd::new(self.answers.as_fd(), PollFlags::POLLIN)];
        match nix::poll::poll(&mut fds, timeout) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let mut octets = [0; 16 << 10];
        match self.answers.read(&mut octets)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            len => {
                self.read.extend_from_slice(&octets[..len]);
                Ok(())
            }
        }
    }
}
