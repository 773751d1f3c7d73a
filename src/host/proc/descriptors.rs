//! `/proc/PID/fd` and `limits`: which sockets a process has, how many descriptors are open,
//! and how many it may have.

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

/// A dozen lines.
const LIMITS_MAX: u64 = 4 << 10;
/// Three numbers.
const FILE_NR_MAX: u64 = 128;

/// How many descriptors are open of the process whose folder this is, `max` at most: since
/// Linux 6.2 the size of the folder.
pub fn open(process: &Root, max: usize) -> io::Result<u64> {
    let folder = process.path("fd");
    match fs::metadata(&folder)?.len() {
        0 => Ok(fs::read_dir(folder)?.take(max).count() as u64),
        open => Ok(open),
    }
}

/// How many it may have (`RLIMIT_NOFILE`); `None` without such a line, or without a limit.
pub fn limit(process: &Root) -> Option<u64> {
    limit_in(&process.text("limits", LIMITS_MAX).ok()?)
}

pub(super) fn limit_in(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|it| it.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// How many files all processes have open, and how many they may have
/// (`/proc/sys/fs/file-nr`).
pub fn of_all(root: &Root) -> Option<(u64, u64)> {
    open_and_most(&root.text("proc/sys/fs/file-nr", FILE_NR_MAX).ok()?)
}

pub(super) fn open_and_most(file_nr: &str) -> Option<(u64, u64)> {
    let mut numbers = file_nr.split_ascii_whitespace().map(str::parse);
    let (open, _free, most) = (numbers.next()?, numbers.next()?, numbers.next()?);
    Some((open.ok()?, most.ok()?))
}

pub(super) fn socket(link: &str) -> Option<u64> {
    let inode = link.strip_prefix("socket:[")?.strip_suffix(']')?;
    inode.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_junk_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let process = Root::at(folder.path());
        let with = |text: &str| {
            fs::write(folder.path().join("limits"), text).unwrap();
            limit(&process)
        };
        let heading =
            "Limit                     Soft Limit           Hard Limit           Units     \n";
        let of = |soft| format!("{heading}Max open files            {soft}   4096   files     \n");
        assert_eq!(with(&of("1024")), Some(1_024));
        for junk in [
            of("unlimited"),
            heading.to_owned(),
            String::new(),
            "Max open files".to_owned(),
        ] {
            assert_eq!(with(&junk), None, "{junk:?}");
        }
        fs::create_dir_all(folder.path().join("proc/sys/fs")).unwrap();
        let all = |text: &str| {
            fs::write(folder.path().join("proc/sys/fs/file-nr"), text).unwrap();
            of_all(&process)
        };
        assert_eq!(all("1984\t0\t2000\n"), Some((1_984, 2_000)));
        for junk in ["", "1 0", "1 0 x", "x 0 1"] {
            assert_eq!(all(junk), None, "{junk:?}");
        }
    }

    #[test]
    fn live_descriptors_of_this_process_are_counted() {
        let own = Root::at("/proc/self");
        let before = open(&own, 100_000).unwrap();
        let held: Vec<_> = (0..50)
            .map(|_| fs::File::open("/dev/null").unwrap())
            .collect();
        // Other tests open and close files meanwhile.
        let after = open(&own, 100_000).unwrap();
        assert!(after >= held.len() as u64 && before > 0, "{before} {after}");
        assert!(limit(&own).is_none_or(|limit| limit >= after));
        let (all, most) = of_all(&Root::default()).unwrap();
        assert!(0 < all && all <= most);
    }

    #[test]
    fn only_sockets_count() {
        assert_eq!(socket("socket:[123]"), Some(123));
        for other in ["pipe:[123]", "socket:[x]", "socket:[1", "/socket:[1]", ""] {
            assert_eq!(socket(other), None, "{other:?}");
        }
    }
}
