//! What lies outside the lab's namespaces, and how it is undone: by the janitor, or if
//! that was killed too, by the next lab.

use std::fs;
use std::io;
use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use log::warn;
use nix::sys::signal::SigSet;
use nix::unistd::setsid;
use serde::Deserialize;
use serde::Serialize;

use super::note;
use super::note::Note;
use super::worker::PROGRAM;
use super::worker::Role;
use super::worker::Worker;

/// How long a control group may take until its last process has left.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often that is looked at: nothing tells of it.
const TICK: Duration = Duration::from_millis(20);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Undo {
    /// A control group was made: its folder is removed when it is empty.
    RemoveGroup(PathBuf),
    /// A file of the kernel had the content `before`, which is written again if the lab's
    /// own is still there.
    Write {
        path: PathBuf,
        before: String,
        set: String,
    },
}

impl Undo {
    pub(super) fn keep(&self) -> Result<()> {
        match self {
            Self::RemoveGroup(path) => {
                remove_group(path).with_context(|| format!("cannot remove {}", path.display()))
            }
            Self::Write { path, before, set } => {
                let name = path.display();
                let now =
                    fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
                match now.trim() {
                    now if now == set => fs::write(path, before)
                        .with_context(|| format!("cannot write {before} to {name} again")),
                    // The lab was killed before it wrote.
                    now if now == before => Ok(()),
                    now => bail!(
                        "{name} is {now}, which this lab did not write, and was {before} before it"
                    ),
                }
            }
        }
    }
}

/// Who undoes, a process of its own: it lives on when the lab is killed, and begins when
/// the lab lets go.
#[derive(Debug)]
pub(super) struct Janitor {
    note: Note,
    worker: Worker,
}

impl Janitor {
    pub(super) fn start() -> Result<Self> {
        let note = Note::create(Path::new(note::FOLDER))?;
        let mut command = Command::new(PROGRAM);
        let apart = || {
            // Ctrl-C and a closing terminal are not meant for it.
            setsid()?;
            Ok(())
        };
        // SAFETY: a system call without arguments.
        unsafe { command.pre_exec(apart) };
        let role = Role::Janitor(note.path().to_owned());
        let worker = Worker::start("the janitor of the lab", &role, command)?;
        Ok(Self { note, worker })
    }

    pub(super) fn promise(&mut self, undo: &Undo) -> Result<()> {
        self.note.add(undo)
    }

    /// Has it begin, and returns what could not be undone, a sentence each.
    pub(super) fn finish(self) -> Result<Vec<String>> {
        self.worker.finish()
    }
}

/// Is the janitor. Returns what could not be undone.
pub(super) fn run(
    note: PathBuf,
    input: &mut impl Read,
    ready: impl FnOnce(),
) -> Result<Vec<String>> {
    SigSet::all().thread_block()?;
    let note = Note::join(note)?;
    ready();
    io::copy(input, &mut io::sink())?;
    note.keep()
}

/// Undoes what labs have left of which no process lives any more, and says so.
pub(super) fn after_the_killed() -> Result<()> {
    for sentence in note::keep_of_the_killed(Path::new(note::FOLDER))? {
        warn!("{sentence}");
    }
    Ok(())
}

fn remove_group(path: &Path) -> io::Result<()> {
    let begin = Instant::now();
    loop {
        match fs::remove_dir(path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // Its last process may take a moment to leave.
            Err(error) if begin.elapsed() > PATIENCE => return Err(error),
            Err(_) => thread::sleep(TICK),
        }
    }
}
