//! Which C library a process has, and with it which resolver.

use crate::host::proc::Root;
use crate::host::proc::maps;

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
pub(super) fn of(process: &Root) -> Option<CLibrary> {
    parse(&maps::read(process).ok()?)
}

fn parse(maps: &str) -> Option<CLibrary> {
    if maps.is_empty() {
        return None;
    }
    let known = maps::files(maps).find_map(|name| {
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
        let of = |pid| of(&Root::default().process(pid));
        assert!(matches!(
            of(std::process::id()),
            Some(CLibrary::Glibc | CLibrary::Musl)
        ));
        assert_eq!(of(u32::MAX), None);
    }
}
