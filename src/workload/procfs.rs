//! A process's own control group, as it says in `/proc/PID/cgroup`.

use std::fs::File;
use std::io;
use std::io::Read as _;
use std::time::Duration;

use nix::time::ClockId;
use nix::time::clock_gettime;
use nix::unistd::SysconfVar;
use nix::unistd::sysconf;

use super::path;

/// A line for each hierarchy, each path at most 4096 octets.
const CGROUP_MAX: u64 = 64 << 10;
/// A line of stat has 52 numbers and a name of 64 octets at most.
const STAT_MAX: u64 = 4096;

/// A process as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// The path that tells most, from the root of its hierarchy.
    pub(super) cgroup: Vec<u8>,
    /// When it started, in nanoseconds of `CLOCK_MONOTONIC`, rounded down to a
    /// clock tick: an attempt from before is not of this process.
    pub(super) started_ns: u64,
}

/// Reads both files. An error if it is gone, or as good as gone.
pub(super) fn look(pid: u32) -> io::Result<Process> {
    let text = octets(&format!("/proc/{pid}/cgroup"), CGROUP_MAX)?;
    // Read last: what came before belongs to the process that is there now, or
    // to one with the same number that ended in between, which takes longer.
    let stat = octets(&format!("/proc/{pid}/stat"), STAT_MAX)?;
    let started_ns = started_ns(&stat).ok_or(io::ErrorKind::InvalidData)?;
    let cgroup = most_telling(&text).ok_or(io::ErrorKind::InvalidData)?;
    // A zombie has left the hierarchies of version 1, which may have told more than
    // that of version 2, where it still is.
    let tells_less = cgroup == b"/" || (in_version_1(&text) && telling(cgroup) < CONTAINED);
    if tells_less && state(&stat) == Some(b'Z') {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(Process {
        cgroup: cgroup.to_vec(),
        started_ns,
    })
}

/// Whether processes of this host are in hierarchies of version 1 too, so that a
/// socket's control group of version 2 may not say everything.
pub(super) fn has_version_1() -> bool {
    in_version_1(&octets("/proc/self/cgroup", CGROUP_MAX).unwrap_or_default())
}

fn in_version_1(text: &[u8]) -> bool {
    lines(text).any(|(controllers, _)| !controllers.is_empty())
}

/// Lines `number:controllers:path`; version 2 has no controllers, and one that
/// has been removed has ` (deleted)` at its end (cgroups(7)).
fn lines(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|&octet| octet == b'\n').filter_map(|line| {
        let mut fields = line.splitn(3, |&octet| octet == b':');
        let (_number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
        path.starts_with(b"/").then_some((controllers, path))
    })
}

/// Of all hierarchies the path with a container or pod, else a unit, else with
/// anything; where several have it, version 2 before systemd's own before others.
fn most_telling(text: &[u8]) -> Option<&[u8]> {
    let mut paths: Vec<_> = lines(text).collect();
    paths.sort_by_key(|(controllers, _)| match *controllers {
        b"" => 0,
        b"name=systemd" => 1,
        _ => 2,
    });
    // The first of those that tell most: max_by_key takes the last.
    let most = paths.iter().rev().max_by_key(|(_, path)| telling(path))?;
    Some(most.1)
}

/// How much a path tells that has a container or a pod.
const CONTAINED: u8 = 3;

/// How much a path tells.
fn telling(path: &[u8]) -> u8 {
    let path = String::from_utf8_lossy(path);
    let facts = path::parse(&path);
    match () {
        () if facts.is_contained() => CONTAINED,
        () if facts.unit.is_some() => 2,
        () if path != "/" => 1,
        () => 0,
    }
}

/// Field 22 of stat, counted from behind the name, which may hold anything.
fn started_ns(stat: &[u8]) -> Option<u64> {
    let ticks: u64 = field(stat, 22)?.parse().ok()?;
    let per_second = sysconf(SysconfVar::CLK_TCK).ok()??;
    let since_boot = Duration::from_secs(ticks) / u32::try_from(per_second).ok()?;
    // Boot time goes on while the machine sleeps, monotonic time does not.
    let clock = |id| clock_gettime(id).map(Duration::from).ok();
    let asleep = clock(ClockId::CLOCK_BOOTTIME)?.saturating_sub(clock(ClockId::CLOCK_MONOTONIC)?);
    u64::try_from(since_boot.saturating_sub(asleep).as_nanos()).ok()
}

fn state(stat: &[u8]) -> Option<u8> {
    field(stat, 3)?.bytes().next()
}

/// Counted from 1 as in proc_pid_stat(5); 3 and more.
fn field(stat: &[u8], number: usize) -> Option<&str> {
    let behind_name = stat.iter().rposition(|&octet| octet == b')')? + 1;
    let rest = std::str::from_utf8(stat.get(behind_name..)?).ok()?;
    rest.split_ascii_whitespace().nth(number.checked_sub(3)?)
}

fn octets(path: &str, max: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(path)?.take(max).read_to_end(&mut octets)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Clock;

    const ID: &str = "3f0c2b8f5a1d4e6790ab12cd34ef56a77b8c9d0e1f2a3b4c5d6e7f8091a2b3c4";

    fn told(text: &str) -> Option<String> {
        most_telling(text.as_bytes()).map(|path| String::from_utf8_lossy(path).into_owned())
    }

    #[test]
    fn of_all_hierarchies_the_one_that_tells_most() {
        let docker = format!("/docker/{ID}");
        let cases = [
            // Version 2.
            (
                "0::/system.slice/a.service\n".to_owned(),
                "/system.slice/a.service".to_owned(),
            ),
            ("0::/\n".to_owned(), "/".to_owned()),
            // Version 1 with systemd; Docker left version 2 alone until 2021.
            (
                format!(
                    "12:pids:{docker}\n4:memory:{docker}\n1:name=systemd:{docker}\n0::/system.slice/containerd.service\n"
                ),
                docker.clone(),
            ),
            // The unit of systemd before a folder that somebody made.
            (
                "5:cpu,cpuacct:/quota\n1:name=systemd:/system.slice/a.service\n0::/\n".to_owned(),
                "/system.slice/a.service".to_owned(),
            ),
            (
                "5:cpu,cpuacct:/quota\n1:name=systemd:/\n0::/\n".to_owned(),
                "/quota".to_owned(),
            ),
            // Removed while its last process ends.
            (
                "0::/system.slice/a.service (deleted)\n".to_owned(),
                "/system.slice/a.service".to_owned(),
            ),
            // A colon in a path.
            (
                format!("0::/kubepods-podu.slice:cri-containerd:{ID}\n"),
                format!("/kubepods-podu.slice:cri-containerd:{ID}"),
            ),
        ];
        for (text, path) in cases {
            assert_eq!(told(&text), Some(path), "{text}");
        }
    }

    #[test]
    fn nonsense_says_nothing() {
        for junk in ["", "\n\n", "0:", "0::", "0::relative", "::\u{0}"] {
            assert_eq!(told(junk), None, "{junk:?}");
        }
        for junk in [&b""[..], b")", b"1 (a) S", b"1 (a) S x", b"\xff) \xff"] {
            assert_eq!(started_ns(junk), None, "{junk:?}");
        }
    }

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = b"7 (a) b) Z 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 250 0";
        assert_eq!(state(stat), Some(b'Z'));
        assert_eq!(field(stat, 22), Some("250"));
    }

    #[test]
    fn the_running_kernel_agrees_on_the_form() {
        let before = look(std::process::id()).expect("this process");
        assert!(before.started_ns > 0 && before.started_ns < Clock::monotonic_ns());
        assert_eq!(look(std::process::id()).expect("still there"), before);
        assert!(look(u32::MAX).is_err());
    }
}
