//! Reading what the kernel and strangers wrote, never more than was asked for.

use std::fs::File;
use std::io;
use std::io::Read as _;
use std::path::Path;

/// Enough for every file read here on any sane machine.
pub(super) const MIB: u64 = 1 << 20;

/// Up to `max` octets of a file.
pub(super) fn octets(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(path)?.take(max).read_to_end(&mut octets)?;
    Ok(octets)
}

/// The same as text; what is no UTF-8 is replaced.
pub(super) fn text(path: &Path, max: u64) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&octets(path, max)?).into_owned())
}

/// The value behind a name, in files of lines `name value`.
pub(super) fn value_of(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| value.trim().parse().ok()).flatten()
    })
}
