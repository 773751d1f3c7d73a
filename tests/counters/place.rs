//! What all tests here begin with.

use std::fs::File;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use kerno::counters::Running;
use kerno_counters::ALL;
use kerno_counters::Figure;
use kerno_counters::figure::Figures;
use kerno_counters::figure::add_all;

pub(crate) const PAGE: u64 = 4096;

static TURN: Mutex<()> = Mutex::new(());

/// No other test of this process runs meanwhile.
pub(crate) struct Alone(#[allow(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Alone {
    pub(crate) fn here() -> Self {
        Self(TURN.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(crate) fn start(name: &str) -> Running {
    let definition = *ALL.iter().find(|it| it.name == name).expect("a definition");
    Running::start(definition, |_| true).expect("it loads and attaches, as root")
}

/// The figures of a process, whatever group it was in.
pub(crate) fn of_process(running: &Running, pid: u32) -> Figures {
    let mut figures = Figures::new();
    for (owner, reading) in running.read().expect("it can be read") {
        if owner.tgid == pid {
            add_all(&mut figures, &reading.figures);
        }
    }
    let losses = running.losses().expect("they can be read");
    assert!(losses.iter().all(|(_, lost)| *lost == 0), "{losses:?}");
    figures
}

/// The figures of this process.
pub(crate) fn mine(running: &Running) -> Figures {
    of_process(running, std::process::id())
}

/// A count, or how many a histogram has.
pub(crate) fn count(figures: &Figures, counter: &str) -> u64 {
    match figures.get(counter) {
        None => 0,
        Some(Figure::Count(count)) => *count,
        Some(Figure::Log2Ns(slots)) => slots.iter().sum(),
    }
}

/// A file of so many pages on a disk, none of which is in the page cache.
pub(crate) fn cold_file(folder: &Path, pages: u64) -> File {
    let path = folder.join("cold");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .expect("a file");
    file.write_all(&vec![7; (pages * PAGE) as usize])
        .expect("room for it");
    file.sync_all().expect("a disk");
    forget(&file);
    file
}

/// Takes what is on the disk out of the page cache.
pub(crate) fn forget(file: &File) {
    let advice = nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED;
    nix::fcntl::posix_fadvise(file, 0, 0, advice).expect("it takes advice");
}

/// Writes one octet at the beginning of a page.
pub(crate) fn touch(file: &File, page: u64) {
    file.write_all_at(&[8], page * PAGE).expect("room for it");
}

/// A folder on a disk: where the tests are built, not in memory.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}
