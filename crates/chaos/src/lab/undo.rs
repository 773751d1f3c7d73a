//! What lies outside the lab's namespaces, and how it is undone.
//! By the janitor: there is no other way, so that this one is used every time.

use std::fs;
use std::io;
use std::io::BufRead;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use nix::sys::signal::SigSet;
use nix::unistd::setsid;
use serde::Deserialize;
use serde::Serialize;

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
    /// A file of the kernel had this content: it is written again.
    Write(PathBuf, String),
}

/// Starts the janitor. It is told what to undo before that is done, and says at its
/// end what could not be, a sentence each.
pub(super) fn start() -> Result<Worker> {
    let mut command = Command::new(PROGRAM);
    let apart = || {
        // Ctrl-C and a closing terminal are not meant for it.
        setsid()?;
        Ok(())
    };
    // SAFETY: a system call without arguments.
    unsafe { command.pre_exec(apart) };
    Worker::start("the janitor of the lab", &Role::Janitor, command)
}

/// Is the janitor: collects promises until the lab lets go, then keeps them,
/// the last one first. Returns what could not be undone.
pub(crate) fn run(input: &mut impl BufRead, ready: impl FnOnce()) -> Result<Vec<String>> {
    SigSet::all().thread_block()?;
    ready();
    // A line cut short is of a kerno that was killed before it did anything.
    let lines = input.lines().map_while(Result::ok);
    let promises: Vec<Undo> = lines
        .filter_map(|line| serde_json::from_str(&line).ok())
        .collect();
    let kept = promises.iter().rev().map(keep);
    let failed = kept.filter_map(Result::err);
    Ok(failed.map(|error| format!("{error:#}")).collect())
}

fn keep(undo: &Undo) -> Result<()> {
    match undo {
        Undo::RemoveGroup(path) => {
            remove_group(path).with_context(|| format!("cannot remove {}", path.display()))
        }
        Undo::Write(path, content) => fs::write(path, content)
            .with_context(|| format!("cannot write {content:?} to {} again", path.display())),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_kept_from_the_last_to_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let group = folder.path().join("group");
        let limit = folder.path().join("limit");
        fs::create_dir(&group).unwrap();
        fs::write(&limit, "3").unwrap();
        let promises = [
            Undo::Write(limit.clone(), "1".to_owned()),
            Undo::RemoveGroup(group.clone()),
            Undo::RemoveGroup(folder.path().join("never made")),
            Undo::Write(limit.clone(), "2".to_owned()),
        ];
        let mut input = String::new();
        for promise in &promises {
            input += &serde_json::to_string(promise).unwrap();
            input.push('\n');
        }
        input += "{\"Write\":[\"/cut/sh";
        let mut begun = false;
        let failed = run(&mut input.as_bytes(), || begun = true).unwrap();
        assert!(begun);
        assert_eq!(failed, [""; 0]);
        assert_eq!(fs::read_to_string(&limit).unwrap(), "1");
        assert!(!group.exists());
    }

    #[test]
    fn what_cannot_be_undone_is_named() {
        let path = PathBuf::from("/nonexistent/file");
        let undo = Undo::Write(path, "1".to_owned());
        let input = serde_json::to_string(&undo).unwrap();
        let failed = run(&mut input.as_bytes(), || ()).unwrap();
        assert!(failed[0].contains("/nonexistent/file"), "{failed:?}");
    }
}
