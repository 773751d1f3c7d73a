//! `/proc/PID/maps`: which files a process has mapped.

use std::io;

use super::MIB;
use super::Root;

/// Its text, of the process whose folder this is. A kernel thread and a process
/// that is ending have no mappings at all.
pub fn read(process: &Root) -> io::Result<String> {
    process.text("maps", MIB)
}

/// Names of the files, without their folders. The path is the sixth field
/// (proc_pid_maps(5)); that of a running process may have been replaced by an
/// update.
pub fn files(maps: &str) -> impl Iterator<Item = &str> {
    let names = maps.lines().filter_map(|line| line.rsplit_once('/'));
    names.map(|(_, name)| name.trim_end_matches(" (deleted)"))
}
