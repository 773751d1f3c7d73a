//! What lies outside the lab's namespaces, and how each change of it is undone.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use serde::Deserialize;
use serde::Serialize;

/// How long a control group may take until its last process has left.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often that is looked at: nothing tells of it.
const TICK: Duration = Duration::from_millis(20);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Undo {
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
