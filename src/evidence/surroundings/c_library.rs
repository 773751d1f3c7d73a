//! Which C library a process has, and with it which resolver.

use std::path::Path;

use super::read;

/// What the files say that a process has mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CLibrary {
    /// `libc.so.6` of the GNU C library.
    Glibc,
    /// `ld-musl-*.so.1`, as in Alpine images.
    Musl,
    /// No C library is mapped: a static program, or one of Go without cgo.
    NoneMapped,
}

/// `None` if the process is gone, or its mappings may not be read.
pub(super) fn of(pid: u32) -> Option<CLibrary> {
    let maps = read::text(Path::new(&format!("/proc/{pid}/maps")), read::MIB).ok()?;
    parse(&maps)
}

/// The path is the sixth field (proc_pid_maps(5)). A kernel thread and a process
/// that is ending have no mappings at all.
fn parse(maps: &str) -> Option<CLibrary> {
    if maps.is_empty() {
        return None;
    }
    let mut names = maps.lines().filter_map(|line| line.rsplit_once('/'));
    let known = names.find_map(|(_, name)| {
        // The file of a running process may have been replaced by an update.
        let name = name.trim_end_matches(" (deleted)");
        let old_glibc = name.starts_with("libc-2.") && name.ends_with(".so");
        match name {
            "libc.so.6" => Some(CLibrary::Glibc),
            _ if old_glibc => Some(CLibrary::Glibc),
            _ if name.starts_with("ld-musl-") || name.starts_with("libc.musl-") => {
                Some(CLibrary::Musl)
            }
            _ => None,
        }
    });
    Some(known.unwrap_or(CLibrary::NoneMapped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_tell() {
        let cases = [
            (
                "7f1-7f2 r--p 00000000 fe:00 1055 /usr/lib/x86_64-linux-gnu/libc.so.6\n",
                Some(CLibrary::Glibc),
            ),
            (
                "7f1-7f2 r-xp 00000000 fe:00 12 /lib/x86_64-linux-gnu/libc-2.31.so (deleted)\n",
                Some(CLibrary::Glibc),
            ),
            (
                "55a-55b r--p 0 00:33 9 /bin/busybox\n7f1-7f2 r-xp 0 00:33 5 /lib/ld-musl-x86_64.so.1\n",
                Some(CLibrary::Musl),
            ),
            (
                "400000-5b3000 r-xp 0 00:33 9 /coredns\n7ff-800 rw-p 0 00:00 0 [stack]\n",
                Some(CLibrary::NoneMapped),
            ),
            ("", None),
        ];
        for (maps, expected) in cases {
            assert_eq!(parse(maps), expected, "{maps}");
        }
    }

    #[test]
    fn this_test_runs_with_a_c_library() {
        assert!(matches!(
            of(std::process::id()),
            Some(CLibrary::Glibc | CLibrary::Musl)
        ));
        assert_eq!(of(u32::MAX), None);
    }
}
