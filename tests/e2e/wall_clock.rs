//! A wall clock of a process's own, which a test can set: the machine's is everybody's.

use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::time::SystemTime;

use tempfile::TempDir;

use crate::process::run;

/// See wall_clock.c.
pub(crate) struct WallClock {
    folder: TempDir,
    file: File,
    apart: Cell<i64>,
}

impl WallClock {
    /// One that says what the machine's says.
    pub(crate) fn new() -> Self {
        let folder = TempDir::with_prefix_in("clock-", env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.expect("a folder");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/wall_clock.c");
        let library = folder.path().join("clock.so");
        let mut compile = Command::new("gcc");
        compile.args(["-shared", "-fPIC", "-O1", "-o"]);
        run(compile.arg(library).arg(source));
        let file = File::create(folder.path().join("apart")).expect("a file");
        let apart = Cell::new(0);
        let clock = Self {
            folder,
            file,
            apart,
        };
        clock.set_apart(0);
        clock
    }

    /// What a process needs that is to have it.
    pub(crate) fn variables(&self) -> [(&'static str, String); 2] {
        let path = |name| {
            let path: PathBuf = self.folder.path().join(name);
            path.into_os_string().into_string().expect("UTF-8")
        };
        [
            ("LD_PRELOAD", path("clock.so")),
            ("CLOCK_APART", path("apart")),
        ]
    }

    /// Sets it so many seconds behind the machine's, or before.
    pub(crate) fn set_apart(&self, seconds: i64) {
        let octets = seconds.to_ne_bytes();
        self.file.write_all_at(&octets, 0).expect("to set it");
        self.apart.set(seconds);
    }

    /// How far it is from the machine's, in seconds.
    pub(crate) fn apart(&self) -> i64 {
        self.apart.get()
    }

    /// Sets it to this second of a minute, some minutes from now.
    pub(crate) fn set_to(&self, minutes: i64, second: i64) {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let since: Duration = since.expect("a machine whose clock is set");
        let now = since.as_secs().cast_signed();
        self.set_apart(minutes * 60 + second - now % 60);
    }
}
