//! Who undoes what a lab has changed: its janitor, or if that was killed too, the next lab.

use std::io;
use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use log::warn;
use nix::sys::signal::SigSet;
use nix::unistd::setsid;

use super::note;
use super::note::Note;
use super::undo::Undo;
use super::worker::PROGRAM;
use super::worker::Role;
use super::worker::Worker;

/// A process of its own: it lives on when the lab is killed, and begins when the lab lets go.
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
