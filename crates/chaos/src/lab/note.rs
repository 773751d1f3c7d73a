//! What is to be undone, written down where it outlives every process of the lab: a
//! whole control group can be killed at once, the janitor with it. The next lab does it.

use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process;

use anyhow::Context as _;
use anyhow::Result;
use nix::errno::Errno;
use nix::fcntl::Flock;
use nix::fcntl::FlockArg;
use nix::libc;

use super::undo::Undo;

/// Where the notes are while there are any. Gone after a boot, as is what they tell of.
pub(super) const FOLDER: &str = "/run/kerno-chaos";

/// More than any lab promises.
const NOTE_MAX: u64 = 64 * 1024;

/// The promises of one lab, a JSON line each. The file is locked while a process of
/// that lab lives.
#[derive(Debug)]
pub(super) struct Note {
    path: PathBuf,
    file: Flock<File>,
}

impl Note {
    /// A new one, empty.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let name = |n: u32| match n {
            0 => process::id().to_string(),
            n => format!("{}.{n}", process::id()),
        };
        let make = || {
            let _one_at_a_time = enter(folder)?;
            // One of this number is of an earlier process whose promises cannot be kept.
            for path in (0..).map(|n| folder.join(name(n))) {
                match options().create_new(true).open(&path) {
                    Ok(file) => {
                        return Ok(Self {
                            file: share(file)?,
                            path,
                        });
                    }
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (),
                    Err(error) => return Err(error),
                }
            }
            Err(io::ErrorKind::AlreadyExists.into())
        };
        make().with_context(|| {
            let folder = folder.display();
            format!("cannot write down in {folder} what is to be undone, so nothing was changed")
        })
    }

    /// That of the lab that one is part of.
    pub(super) fn join(path: PathBuf) -> Result<Self> {
        let open = || share(options().open(&path)?);
        let file = open().with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { path, file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Before the change.
    pub(super) fn add(&mut self, undo: &Undo) -> Result<()> {
        let mut line = serde_json::to_string(undo)?;
        line.push('\n');
        let path = self.path.display();
        let written = self.file.write_all(line.as_bytes());
        written.with_context(|| format!("cannot write {path}"))
    }

    /// Keeps the promises, the last one first, and removes the note if all could be kept.
    /// Returns what could not, a sentence each.
    pub(super) fn keep(self) -> Result<Vec<String>> {
        let folder = self.path.parent().context("a note lies in a folder")?;
        let left = keep(&self.file)?;
        if left.is_empty() {
            let _one_at_a_time = enter(folder)?;
            leave(folder, &self.path)?;
        }
        Ok(left)
    }
}

/// Keeps the promises of labs whose every process was killed. Returns what was done, a
/// sentence for each lab.
pub(super) fn keep_of_the_killed(folder: &Path) -> Result<Vec<String>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let _one_at_a_time = enter(folder)?;
    let mut sentences = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let file = options().open(&path)?;
        let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => file,
            // That lab is there.
            Err((_, Errno::EWOULDBLOCK)) => continue,
            Err((_, error)) => return Err(error.into()),
        };
        let left = keep(&file)?;
        sentences.push(match left.as_slice() {
            [] => "an earlier lab was killed with all of its processes: what it had changed is \
                   undone now"
                .to_owned(),
            left => format!(
                "an earlier lab was killed with all of its processes: {}; its note is {}",
                left.join("; "),
                path.display()
            ),
        });
        if left.is_empty() {
            leave(folder, &path)?;
        }
    }
    Ok(sentences)
}

fn keep(file: &File) -> Result<Vec<String>> {
    let mut file = file;
    io::Seek::rewind(&mut file)?;
    // A line cut short is of a kerno that was killed before it did anything.
    let lines = BufReader::new(file.take(NOTE_MAX)).lines();
    let promises = lines.map_while(Result::ok);
    let promises: Vec<Undo> = promises
        .filter_map(|line| serde_json::from_str(&line).ok())
        .collect();
    let kept = promises.iter().rev().map(Undo::keep);
    let failed = kept.filter_map(Result::err);
    Ok(failed.map(|error| format!("{error:#}")).collect())
}

/// Makes the folder if need be, and waits until nobody else adds or removes a note.
fn enter(folder: &Path) -> io::Result<Flock<File>> {
    loop {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => (),
        }
        let mut open = OpenOptions::new();
        open.read(true)
            .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW);
        let opened = match open.open(folder) {
            // The last note was removed just now, and the folder with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened?,
        };
        let about = opened.metadata()?;
        if about.uid() != nix::unistd::geteuid().as_raw() || about.mode() & 0o022 != 0 {
            return Err(io::Error::other(format!(
                "{folder} belongs to somebody else, or others may write there, so what stands in it is \
                 not believed: look who made it, and remove it",
                folder = folder.display()
            )));
        }
        let locked = Flock::lock(opened, FlockArg::LockExclusive);
        let locked = locked.map_err(|(_, error)| error)?;
        if locked.metadata()?.nlink() > 0 {
            return Ok(locked);
        }
    }
}

/// Removes a note, and the folder after the last one.
fn leave(folder: &Path, note: &Path) -> io::Result<()> {
    fs::remove_file(note)?;
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
        _ => Ok(()),
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .append(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW);
    options
}

fn share(file: File) -> io::Result<Flock<File>> {
    let locked = Flock::lock(file, FlockArg::LockShared);
    Ok(locked.map_err(|(_, error)| error)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(folder: &Path, content: &str) -> PathBuf {
        let path = folder.join("limit");
        fs::write(&path, content).unwrap();
        path
    }

    #[test]
    fn promises_are_kept_from_the_last_to_the_first() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("notes");
        let limit = limit(scratch.path(), "3\n");
        let group = scratch.path().join("group");
        fs::create_dir(&group).unwrap();
        let mut note = Note::create(&folder).unwrap();
        let write = |before: &str, set: &str| Undo::Write {
            path: limit.clone(),
            before: before.to_owned(),
            set: set.to_owned(),
        };
        for undo in [
            write("1", "2"),
            Undo::RemoveGroup(group.clone()),
            Undo::RemoveGroup(scratch.path().join("never made")),
            write("2", "3"),
        ] {
            note.add(&undo).unwrap();
        }
        note.file.write_all(b"{\"RemoveGroup\":\"/cut/sh").unwrap();
        assert_eq!(note.keep().unwrap(), [""; 0]);
        assert_eq!(fs::read_to_string(&limit).unwrap(), "1");
        assert!(!group.exists());
        assert!(!folder.exists());
    }

    #[test]
    fn the_next_one_keeps_what_the_killed_promised_and_no_other() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("notes");
        let limit = limit(scratch.path(), "600");
        let undo = Undo::Write {
            path: limit.clone(),
            before: "262144".to_owned(),
            set: "600".to_owned(),
        };
        let mut note = Note::create(&folder).unwrap();
        note.add(&undo).unwrap();
        let janitor = Note::join(note.path().to_owned()).unwrap();
        assert_eq!(keep_of_the_killed(&folder).unwrap(), [""; 0]);
        drop(note);
        // The janitor is enough.
        assert_eq!(keep_of_the_killed(&folder).unwrap(), [""; 0]);
        assert_eq!(fs::read_to_string(&limit).unwrap(), "600");
        drop(janitor);
        let said = keep_of_the_killed(&folder).unwrap();
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("is undone now"), "{said:?}");
        assert_eq!(fs::read_to_string(&limit).unwrap(), "262144");
        assert!(!folder.exists());
        assert_eq!(keep_of_the_killed(&folder).unwrap(), [""; 0]);
    }

    #[test]
    fn what_cannot_be_undone_is_named_and_stays_written_down() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("notes");
        let limit = limit(scratch.path(), "700");
        let mut note = Note::create(&folder).unwrap();
        let undo = Undo::Write {
            path: limit.clone(),
            before: "262144".to_owned(),
            set: "600".to_owned(),
        };
        note.add(&undo).unwrap();
        let left = note.keep().unwrap();
        assert!(
            left[0].contains("is 700, which this lab did not write"),
            "{left:?}"
        );
        assert_eq!(fs::read_to_string(&limit).unwrap(), "700");
        // The process that made it is this one, so the next note has another name.
        let other = Note::create(&folder).unwrap();
        assert_eq!(other.keep().unwrap(), [""; 0]);
        fs::write(&limit, "600").unwrap();
        let said = keep_of_the_killed(&folder).unwrap();
        assert!(said[0].contains("is undone now"), "{said:?}");
        assert!(!folder.exists());
    }

    #[test]
    fn a_folder_where_others_may_write_is_not_believed() {
        use std::os::unix::fs::PermissionsExt as _;

        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("notes");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        for error in [
            Note::create(&folder).unwrap_err(),
            keep_of_the_killed(&folder).unwrap_err(),
        ] {
            assert!(
                format!("{error:#}").contains("others may write"),
                "{error:#}"
            );
        }
    }
}
