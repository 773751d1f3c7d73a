//! Files in folders that strangers fill: a container's own file system, a user's
//! home.
//!
//! Their file system may never answer, and a thread that waits for it outlives SIGKILL: it
//! would keep its process, and so the BPF programs, where they are. So a process of its own
//! reads them ([`use_helper`]), which knows nothing else and can be left behind.

mod file;
mod helper;

use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;

use self::helper::Helpers;

pub use self::file::Content;
pub use self::helper::COMMAND;
pub use self::helper::serve;

/// `None`: this process reads by itself, as tests do.
static HELPERS: Mutex<Option<Helpers>> = Mutex::new(None);

/// From now on this program, run again, reads them.
pub fn use_helper() {
    let mut helpers = HELPERS.lock().unwrap_or_else(PoisonError::into_inner);
    helpers.get_or_insert_with(|| Helpers::of("/proc/self/exe"));
}

/// Reads up to `max` octets of a file below `folder` as a process would whose root that
/// is: links are followed, and none leads out of it.
///
/// # Errors
///
/// As of openat2(2), Linux 5.6. `InvalidData` if it is no regular file, or the kernel's;
/// `TimedOut` if its file system did not answer, now or earlier.
pub fn read(folder: &Path, file: impl AsRef<Path>, max: u64) -> io::Result<Content> {
    // Whoever panicked with it, a helper that is out of step is replaced.
    match &mut *HELPERS.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(helpers) => helpers.read(folder, file.as_ref(), max),
        None => file::read(folder, file.as_ref(), max),
    }
}
