//! `/proc/PID/maps`: which C library a process has, by the names of the files that are mapped
//! into it. A process may map what it likes: it can deceive about itself, and nobody else.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::Root;

/// Some 600 lines: the C library is among the first libraries, behind the executable.
const MAPS_MAX: u64 = 64 << 10;

/// A C library, which has a resolver of its own.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CLibrary {
    /// The GNU C library.
    Glibc,
    /// musl: Alpine's.
    Musl,
}

impl CLibrary {
    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
        }
    }
}

/// Of the process whose folder this is; `None` if it has none that is known, or is linked
/// statically.
pub fn c_library(process: &Root) -> Option<CLibrary> {
    let mut lines = process.lines("maps", MAPS_MAX).ok()?;
    lines.find_map(|line| of_line(&line))
}

/// Address, rights, offset, device, inode, path (proc(5)).
pub(super) fn of_line(line: &str) -> Option<CLibrary> {
    let path = line.get(line.find('/')?..)?;
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    let (folder, file) = path.rsplit_once('/')?;
    // Debian's musl has its own folder for a file that is called as everywhere.
    let is_musl = file.starts_with("ld-musl-")
        || file.starts_with("libc.musl-")
        || (file == "libc.so" && folder.ends_with("-linux-musl"));
    // Since 2.34 the one, before that with its version.
    let is_glibc = file == "libc.so.6" || (file.starts_with("libc-2.") && file.ends_with(".so"));
    match (is_musl, is_glibc) {
        (true, _) => Some(CLibrary::Musl),
        (_, true) => Some(CLibrary::Glibc),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(path: &str) -> Option<CLibrary> {
        of_line(&format!(
            "7f0000000000-7f0000028000 r--p 00000000 fe:00 264 {path}"
        ))
    }

    #[test]
    fn each_library_is_known_by_its_file() {
        for path in [
            "/lib/ld-musl-x86_64.so.1",
            "/lib/libc.musl-aarch64.so.1",
            "/usr/lib/x86_64-linux-musl/libc.so",
            "/lib/ld-musl-x86_64.so.1 (deleted)",
        ] {
            assert_eq!(mapped(path), Some(CLibrary::Musl), "{path}");
        }
        for path in [
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/libc-2.31.so",
            "/usr/lib/libc.so.6 (deleted)",
        ] {
            assert_eq!(mapped(path), Some(CLibrary::Glibc), "{path}");
        }
        for path in [
            "",
            "[heap]",
            "/usr/lib/libc++.so.1",
            "/opt/libc.so",
            "/srv/libc.so.6/data",
            "/tmp/my-ld-musl-notes",
            "/lib/libc-2.31.so.backup",
        ] {
            assert_eq!(mapped(path), None, "{path}");
        }
    }

    #[test]
    fn the_first_of_a_long_list_counts_and_junk_is_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Root::at(folder.path());
        let long = format!("{}\n", "x/".repeat(40)).repeat(300);
        let text = |tail: &str| format!("\u{fffd}/\n\n{long}{tail}");
        let library = |text: &str| {
            std::fs::write(root.path("maps"), text).expect("to write");
            c_library(&root)
        };
        assert_eq!(
            library(&text("1-2 r 0 0 7 /lib/libc.so.6\n")),
            Some(CLibrary::Glibc)
        );
        // Beyond what is read.
        assert_eq!(
            library(&text(&format!(
                "{}1-2 r 0 0 7 /lib/libc.so.6\n",
                long.repeat(3)
            ))),
            None
        );
        assert_eq!(c_library(&root.below("nothing")), None);
    }

    #[test]
    fn live_this_process_has_one_that_the_kernel_tells() {
        let own = c_library(&Root::default().process(std::process::id()));
        let expected = match cfg!(target_env = "musl") {
            true => None,
            false => Some(CLibrary::Glibc),
        };
        assert_eq!(own, expected);
    }
}
