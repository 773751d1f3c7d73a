//! `/proc/thread-self/mountinfo`: what is mounted where, as this thread sees it.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use super::Root;
use super::cgroup::has_word;

/// A node with a thousand pods has some ten thousand mounts of 200 octets.
const MOUNTINFO_MAX: u64 = 8 << 20;

/// A line of mountinfo (proc_pid_mountinfo(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount<'a> {
    /// Which part of the file system is mounted.
    pub root: OsString,
    /// Where.
    pub point: PathBuf,
    /// Its type, as `cgroup2`.
    pub filesystem: &'a [u8],
    /// The file system's own options: the controllers of a version 1 hierarchy.
    pub options: &'a [u8],
}

/// The text of mountinfo, up to a generous length.
pub fn read(root: &Root) -> io::Result<Vec<u8>> {
    root.octets("proc/thread-self/mountinfo", MOUNTINFO_MAX)
}

impl Mount<'_> {
    /// Whether it is a hierarchy of version 1 with this controller.
    pub fn controls(&self, controller: &[u8]) -> bool {
        self.filesystem == b"cgroup" && has_word(self.options, controller)
    }
}

/// Lines that make no sense are passed over.
pub fn parse(mountinfo: &[u8]) -> impl Iterator<Item = Mount<'_>> {
    mountinfo.split(|&octet| octet == b'\n').filter_map(mount)
}

fn mount(line: &[u8]) -> Option<Mount<'_>> {
    let mut fields = line.split(|&octet| octet == b' ');
    let root = unescape(fields.nth(3)?);
    let point = unescape(fields.next()?).into();
    // Optional fields end with a lone hyphen.
    fields.by_ref().find(|&field| field == b"-")?;
    let filesystem = fields.next()?;
    let options = fields.nth(1)?;
    Some(Mount {
        root,
        point,
        filesystem,
        options,
    })
}

/// Space, tab, newline and backslash are written as `\040` and so on.
fn unescape(path: &[u8]) -> OsString {
    let mut pieces = path.split(|&octet| octet == b'\\');
    let mut plain = pieces.next().unwrap_or_default().to_vec();
    for piece in pieces {
        let digits = piece.get(..3).and_then(|it| std::str::from_utf8(it).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(meant) => plain.extend(std::iter::once(&meant).chain(&piece[3..])),
            None => plain.extend(b"\\".iter().chain(piece)),
        }
    }
    OsString::from_vec(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let text = b"36 35 98:0 /mnt1 /mnt\\0402\\134 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n\
            32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";
        let mounts: Vec<_> = parse(text).collect();
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0].root, "/mnt1");
        assert_eq!(mounts[0].point, PathBuf::from("/mnt 2\\"));
        assert_eq!(mounts[0].filesystem, b"ext3");
        assert_eq!(mounts[1].options, b"rw,cpu,cpuacct");
        assert!(mounts[1].controls(b"cpu") && !mounts[0].controls(b"cpu"));
    }

    #[test]
    fn nonsense_is_passed_over() {
        for junk in [
            "",
            "\n\n",
            "1 2 3 / /x",
            "1 2 3 / /x - a b",
            "1 2 3 - - - -",
        ] {
            assert_eq!(parse(junk.as_bytes()).count(), 0, "{junk:?}");
        }
        assert_eq!(unescape(b"\\04\\999\\"), "\\04\\999\\");
    }

    #[test]
    fn live_the_running_kernel_agrees_on_the_form() {
        let text = read(&Root::default()).expect("mountinfo");
        assert!(parse(&text).any(|mount| mount.filesystem == b"proc"));
    }
}
