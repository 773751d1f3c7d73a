//! `/proc/PID/cgroup`: which control groups a process is in.

use std::io;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::Root;

/// A line for each hierarchy, each path at most 4096 octets.
const CGROUP_MAX: u64 = 64 << 10;

/// Which of the two interfaces a control group has.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// `cpu.cfs_quota_us` and `cpu.cfs_period_us`, in microseconds.
    V1,
    /// `cpu.max`.
    V2,
}

/// A process's place in one hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership<'a> {
    /// What is controlled there, between commas; nothing in version 2.
    pub controllers: &'a [u8],
    /// The group, from the root of the reader's cgroup namespace.
    pub path: &'a [u8],
}

impl Membership<'_> {
    /// Of which version the hierarchy is.
    pub fn version(&self) -> Version {
        match self.controllers {
            b"" => Version::V2,
            _ => Version::V1,
        }
    }

    /// Whether a controller is in the hierarchy.
    pub fn controls(&self, controller: &[u8]) -> bool {
        has_word(self.controllers, controller)
    }
}

/// Whether a list between commas has a word.
pub fn has_word(list: &[u8], word: &[u8]) -> bool {
    list.split(|&octet| octet == b',').any(|it| it == word)
}

/// Its text, of the process whose folder this is.
pub fn read(process: &Root) -> io::Result<Vec<u8>> {
    process.octets("cgroup", CGROUP_MAX)
}

/// Lines `number:controllers:path`; version 2 has no controllers, and a group that
/// has been removed has ` (deleted)` at its end (cgroups(7)).
pub fn parse(text: &[u8]) -> impl Iterator<Item = Membership<'_>> {
    text.split(|&octet| octet == b'\n').filter_map(|line| {
        let mut fields = line.splitn(3, |&octet| octet == b':');
        let (_number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
        let membership = Membership { controllers, path };
        path.starts_with(b"/").then_some(membership)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_versions_are_taken_apart() {
        let text = b"5:cpu,cpuacct:/quota\n1:name=systemd:/a:b\n0::/c (deleted)\n";
        let all: Vec<_> = parse(text).collect();
        let paths: Vec<_> = all.iter().map(|it| it.path).collect();
        assert_eq!(paths, [&b"/quota"[..], b"/a:b", b"/c"]);
        assert!(all[0].controls(b"cpu") && !all[0].controls(b"cpuset"));
        let versions: Vec<_> = all.iter().map(Membership::version).collect();
        assert_eq!(versions, [Version::V1, Version::V1, Version::V2]);
    }

    #[test]
    fn nonsense_is_passed_over() {
        for junk in ["", "\n\n", "0:", "0::", "0::relative", "::\u{0}", ":::\n"] {
            assert_eq!(parse(junk.as_bytes()).count(), 0, "{junk:?}");
        }
    }
}
