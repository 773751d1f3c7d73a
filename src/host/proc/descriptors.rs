//! `/proc/PID/fd`: which sockets a process has.

use std::fs;
use std::io;

use super::Root;

/// Inode numbers of the sockets among the first `max` descriptors of the process
/// whose folder this is.
pub fn sockets(process: &Root, max: usize) -> io::Result<impl Iterator<Item = u64> + use<>> {
    let descriptors = fs::read_dir(process.path("fd"))?.take(max);
    Ok(descriptors.filter_map(|descriptor| {
        let target = fs::read_link(descriptor.ok()?.path()).ok()?;
        socket(target.to_str()?)
    }))
}

fn socket(link: &str) -> Option<u64> {
    let inode = link.strip_prefix("socket:[")?.strip_suffix(']')?;
    inode.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_count() {
        assert_eq!(socket("socket:[123]"), Some(123));
        for other in ["pipe:[123]", "socket:[x]", "socket:[1", "/socket:[1]", ""] {
            assert_eq!(socket(other), None, "{other:?}");
        }
    }
}
