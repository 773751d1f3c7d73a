//! A process's own control group, as it says in `/proc/PID/cgroup`.

use std::cmp::Reverse;
use std::io;

use super::delegation::Mounts;
use super::questions::Found;
use crate::attempt::identity::Delegated;
use crate::attempt::identity::cgroup_path;
use crate::host::proc::Root;
use crate::host::proc::cgroup;
use crate::host::proc::cgroup::Membership;
use crate::host::proc::cgroup::Version;
use crate::host::proc::stat::Stat;

/// How processes are looked at.
#[derive(Debug)]
pub(super) struct Processes {
    root: Root,
    mounts: Mounts,
}

impl Processes {
    /// Those of the host with this root.
    pub(super) fn of(root: Root) -> Self {
        Self {
            mounts: Mounts::of(&root),
            root,
        }
    }

    /// Reads both files. An error if it is gone, or as good as gone.
    pub(super) fn look(&self, pid: u32) -> io::Result<Found> {
        let folder = self.root.process(pid);
        let text = cgroup::read(&folder)?;
        // Read last: what came before belongs to the process that is there now, or
        // to one with the same number that ended in between, which takes longer.
        let stat = Stat::read(&folder)?;
        let started_ns = stat.started_ns().ok_or(io::ErrorKind::InvalidData)?;
        let found = most_telling(&text, |it| self.mounts.delegated(it));
        let (path, delegated) = found.ok_or(io::ErrorKind::InvalidData)?;
        // Who is ending (PF_EXITING, before it is a zombie) has left the hierarchies of
        // version 1, which may have told more than that of version 2, where it still is.
        let tells_less =
            path == b"/" || (in_version_1(&text) && telling(path, delegated) < CONTAINED);
        if tells_less && stat.is_ending() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Found {
            path: path.to_vec(),
            delegated,
            started_ns,
        })
    }
}

/// Whether processes of this host are in hierarchies of version 1 too. Then a socket's
/// control group of version 2 may not say everything, and a process's own file has to
/// be read at once, before it ends.
pub fn has_version_1() -> bool {
    let own = Root::default().below("proc/self");
    in_version_1(&cgroup::read(&own).unwrap_or_default())
}

fn in_version_1(text: &[u8]) -> bool {
    cgroup::parse(text).any(|it| it.version() == Version::V1)
}

/// A control group's path, and which part of it is a user's.
type Group<'a> = (&'a [u8], Option<Delegated>);

/// Of all hierarchies the path with a container or pod, else a unit, else with
/// anything; where several have it, version 2 before systemd's own before others. What a
/// user may have made up tells less.
fn most_telling(
    text: &[u8],
    delegated: impl Fn(&Membership<'_>) -> Option<Delegated>,
) -> Option<Group<'_>> {
    let mut all: Vec<_> = cgroup::parse(text).collect();
    all.sort_by_key(|it| {
        let order = match it.controllers {
            b"" => 0,
            b"name=systemd" => 1,
            _ => 2,
        };
        (Reverse(telling(it.path, None)), order)
    });
    // Folders are looked at until one path tells what it says.
    let mut most: Option<(u8, Group<'_>)> = None;
    for it in &all {
        let says = telling(it.path, None);
        if most.is_some_and(|(tells, _)| tells >= says) {
            break;
        }
        let delegated = delegated(it);
        let tells = telling(it.path, delegated);
        if most.is_none_or(|(before, _)| tells > before) {
            most = Some((tells, (it.path, delegated)));
        }
    }
    most.map(|(_, found)| found)
}

/// How much a path tells that has a container or a pod.
const CONTAINED: u8 = 3;

fn telling(path: &[u8], delegated: Option<Delegated>) -> u8 {
    let path = String::from_utf8_lossy(path);
    let facts = cgroup_path::parse(&path, delegated);
    match () {
        () if facts.is_contained() => CONTAINED,
        () if facts.unit.is_some() => 2,
        () if path != "/" => 1,
        () => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Clock;

    const ID: &str = "3f0c2b8f5a1d4e6790ab12cd34ef56a77b8c9d0e1f2a3b4c5d6e7f8091a2b3c4";

    fn told(text: &str) -> Option<String> {
        most_telling(text.as_bytes(), |_| None)
            .map(|(path, _)| String::from_utf8_lossy(path).into_owned())
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
    fn what_a_user_made_up_in_one_hierarchy_does_not_hide_what_another_says() {
        let fake = format!("/user/kubepods/podu-1/{ID}");
        let unit = "/system.slice/a.service";
        let delegated = |it: &Membership<'_>| {
            let users = it.path.starts_with(b"/user/");
            users.then_some(Delegated { depth: 1, uid: 7 })
        };
        let told = |text: &str| {
            let (path, delegated) = most_telling(text.as_bytes(), delegated)?;
            Some((String::from_utf8_lossy(path).into_owned(), delegated))
        };
        // A container below what a user owns is that user's: it still says most.
        let (path, users) =
            told(&format!("4:cpu:{fake}\n1:name=systemd:{unit}\n0::/\n")).expect("a path");
        assert_eq!((path, users.map(|it| it.uid)), (fake, Some(7)));
        // A pod without a container is nothing there.
        let text = format!("4:cpu:/user/kubepods/podu-1\n1:name=systemd:{unit}\n0::/\n");
        assert_eq!(told(&text), Some((unit.to_owned(), None)));
    }

    #[test]
    fn nonsense_says_nothing() {
        for junk in ["", "\n\n", "0:", "0::", "0::relative", "::\u{0}"] {
            assert_eq!(told(junk), None, "{junk:?}");
        }
    }

    #[test]
    fn who_is_ending_and_tells_less_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        let process = root.process(7);
        std::fs::create_dir_all(process.path("")).unwrap();
        let of = |state_and_flags: (&str, u64), cgroup: &str| {
            let (state, flags) = state_and_flags;
            let stat =
                format!("7 (a) b) {state} 1 7 7 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 250 0");
            std::fs::write(process.path("stat"), stat).unwrap();
            std::fs::write(process.path("cgroup"), cgroup).unwrap();
            Processes::of(root.clone()).look(7).is_ok()
        };
        let unit = "0::/system.slice/a.service\n";
        assert!(of(("S", 0x40_0100), "0::/\n"));
        // As a zombie, and on the way to that.
        for ending in [("Z", 0x40_000c), ("R", 0x40_0104)] {
            assert!(of(ending, unit));
            assert!(!of(ending, "0::/\n"));
            assert!(!of(ending, &format!("1:cpu:/\n{unit}")));
            assert!(of(ending, &format!("1:cpu:/docker/{ID}\n0::/\n")));
        }
    }

    #[test]
    fn live_the_running_kernel_agrees_on_the_form() {
        let processes = Processes::of(Root::default());
        let look = |pid| processes.look(pid);
        let before = look(std::process::id()).expect("this process");
        assert!(before.started_ns > 0 && before.started_ns < Clock::monotonic_ns());
        assert_eq!(look(std::process::id()).expect("still there"), before);
        assert!(look(u32::MAX).is_err());
    }
}
