//! Servers that the kernel killed because there was no memory for them, and whose limit was
//! in the way.

use std::collections::BTreeMap;
use std::time::SystemTime;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::HostPath;
use super::Version;
use super::cgroups::Folder;
use crate::attempt::Comm;
use crate::counters::Killed;
use crate::counters::OomWatch;
use crate::host::Clock;
use crate::host::proc::Root;
use crate::host::proc::memory::MemoryStat;

/// Processes that are told, each once; one takes some 200 octets.
pub(super) const KILLS_MAX: usize = 256;

/// A process that the kernel killed because there was no memory.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct OomKill {
    /// Its thread-group id.
    pub pid: u32,
    /// Its name.
    pub comm: Comm,
    /// When that was decided, in nanoseconds of `CLOCK_MONOTONIC`. It ends a moment later.
    pub at_ns: u64,
    /// The same by the clock on the wall.
    #[borsh(
        serialize_with = "crate::codec::time::write",
        deserialize_with = "crate::codec::time::read"
    )]
    pub time: SystemTime,
    /// Whose memory there was none of.
    pub whose: Lack,
}

/// Where there was no memory.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq, Eq)]
pub enum Lack {
    /// Nobody can tell: the process was not known as a server before, or its control
    /// groups are gone or do not say.
    #[default]
    Unknown,
    /// Its control group, or one above it, had reached its limit.
    Group(MemoryLimit),
    /// Its control group is gone, so it cannot tell any more. This was its limit, or that
    /// of the nearest above it.
    GroupGone(MemoryLimit),
    /// None of its groups had reached a limit: the host itself.
    Host,
}

/// What a control group may have.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct MemoryLimit {
    /// Its folder.
    pub cgroup: HostPath,
    /// Which interface it has, to know the file to write.
    pub version: Version,
    /// Octets.
    pub limit: u64,
}

/// The first look at the memory of a server's control groups, its own first.
#[derive(Debug)]
pub(super) struct MemoryBaseline {
    version: Version,
    levels: Vec<(HostPath, Option<MemoryStat>)>,
    /// Of the same levels: systemd may make a group anew in the place of one that is gone.
    inodes: Vec<Option<u64>>,
}

impl MemoryBaseline {
    pub(super) fn of(root: &Root, folder: &Folder) -> Self {
        let look = |path: &std::path::Path| {
            let stat = MemoryStat::read(&root.below(path), folder.version);
            (path.to_owned().into(), stat)
        };
        Self {
            version: folder.version,
            levels: folder.and_above().map(look).collect(),
            inodes: folder.and_above().map(|it| root.folder_id(it)).collect(),
        }
    }

    /// Looks again, when a process in them was killed.
    fn lack(&self, root: &Root) -> Lack {
        let is_same = |path: &HostPath| {
            let mut levels = self.levels.iter().zip(&self.inodes);
            let first = levels.find(|((level, _), _)| level == path);
            first.is_some_and(|(_, first)| *first == root.folder_id(path.as_path()))
        };
        self.lack_by(|path| {
            let stat = MemoryStat::read(&root.below(path.as_path()), self.version);
            stat.filter(|_| is_same(path))
        })
    }

    fn lack_by(&self, look: impl Fn(&HostPath) -> Option<MemoryStat>) -> Lack {
        let limit = |cgroup: &HostPath, stat: &MemoryStat| {
            Some(MemoryLimit {
                cgroup: cgroup.clone(),
                version: self.version,
                limit: stat.limit?,
            })
        };
        let mut gone = None;
        let mut is_told = true;
        for (path, first) in &self.levels {
            // The root has no limit and no such files.
            let Some(first) = first else {
                continue;
            };
            let Some(last) = look(path) else {
                gone = gone.or_else(|| limit(path, first));
                is_told = false;
                continue;
            };
            let grown = last.hits.zip(first.hits).map(|(last, first)| last > first);
            match grown {
                Some(true) => {
                    // It may have been raised meanwhile.
                    let limit = limit(path, first).or_else(|| limit(path, &last));
                    return limit.map_or(Lack::Unknown, Lack::Group);
                }
                Some(false) => {}
                None => is_told &= first.limit.is_none(),
            }
        }
        match gone {
            Some(limit) => Lack::GroupGone(limit),
            None if is_told && !self.levels.is_empty() => Lack::Host,
            None => Lack::Unknown,
        }
    }
}

/// Those that were killed, as far as they were asked for.
#[derive(Debug, Default)]
pub(super) struct Kills {
    watch: Option<OomWatch>,
    kills: BTreeMap<(u64, u32), OomKill>,
    /// Those up to then have been told.
    told_ns: u64,
    pub(super) left_out: usize,
}

impl Kills {
    pub(super) fn of(watch: Option<OomWatch>) -> Self {
        Self {
            watch,
            ..Self::default()
        }
    }

    /// Asks who was killed since the last time.
    pub(super) fn look<'a>(
        &mut self,
        root: &Root,
        memory_of: impl Fn(u32) -> Option<&'a MemoryBaseline>,
    ) {
        let Some(watch) = &self.watch else {
            return;
        };
        match watch.read() {
            Ok(killed) => self.add(&killed, |pid| {
                memory_of(pid).map_or(Lack::Unknown, |memory| memory.lack(root))
            }),
            Err(error) => log::debug!("who was killed for want of memory: {error:#}"),
        }
    }

    fn add(&mut self, killed: &[Killed], lack: impl Fn(u32) -> Lack) {
        for killed in killed {
            let key = (killed.at_ns, killed.pid);
            if killed.at_ns <= self.told_ns || self.kills.contains_key(&key) {
                continue;
            }
            if self.kills.len() == KILLS_MAX {
                self.left_out += 1;
                continue;
            }
            let kill = OomKill {
                pid: killed.pid,
                comm: Comm::new(killed.comm.as_bytes()),
                at_ns: killed.at_ns,
                time: Clock::start().wall(killed.at_ns),
                whose: lack(killed.pid),
            };
            self.kills.insert(key, kill);
        }
    }

    /// Those since the last time.
    pub(super) fn take(&mut self) -> BTreeMap<(u64, u32), OomKill> {
        let latest = self.kills.keys().map(|(at_ns, _)| *at_ns);
        self.told_ns = latest.fold(self.told_ns, u64::max);
        self.left_out = 0;
        std::mem::take(&mut self.kills)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "/sys/fs/cgroup/memory/kubepods/pod1";
    const CONTAINER: &str = "/sys/fs/cgroup/memory/kubepods/pod1/c";

    fn stat(limit: Option<u64>, hits: u64) -> Option<MemoryStat> {
        let hits = Some(hits);
        Some(MemoryStat { limit, hits })
    }

    fn limit(cgroup: &str, limit: u64) -> MemoryLimit {
        MemoryLimit {
            cgroup: std::path::PathBuf::from(cgroup).into(),
            version: Version::V1,
            limit,
        }
    }

    /// What is told where container and pod have these readings at the end.
    fn lack(container: Option<MemoryStat>, pod: Option<MemoryStat>) -> Lack {
        let path = |path: &str| HostPath::from(std::path::PathBuf::from(path));
        let baseline = MemoryBaseline {
            version: Version::V1,
            levels: vec![
                (path(CONTAINER), stat(Some(64), 5)),
                (path(POD), stat(Some(99), 7)),
                (path("/sys/fs/cgroup/memory"), None),
            ],
            inodes: vec![None; 3],
        };
        baseline.lack_by(|path| match path.to_string() == CONTAINER {
            true => container,
            false => pod,
        })
    }

    #[test]
    fn it_is_the_nearest_whose_limit_was_hit() {
        let group = |cgroup, octets| Lack::Group(limit(cgroup, octets));
        assert_eq!(
            lack(stat(Some(64), 6), stat(Some(99), 8)),
            group(CONTAINER, 64)
        );
        assert_eq!(lack(stat(Some(64), 5), stat(Some(99), 8)), group(POD, 99));
        assert_eq!(lack(stat(Some(64), 5), stat(Some(99), 7)), Lack::Host);
        // It was taken away meanwhile.
        assert_eq!(lack(stat(None, 6), stat(None, 7)), group(CONTAINER, 64));
    }

    #[test]
    fn a_group_that_is_gone_tells_its_limit_but_not_that_it_was_reached() {
        let gone = Lack::GroupGone(limit(CONTAINER, 64));
        assert_eq!(lack(None, stat(Some(99), 7)), gone);
        assert_eq!(
            lack(None, stat(Some(99), 8)),
            Lack::Group(limit(POD, 99)),
            "the pod is there and tells"
        );
    }

    /// The new group of a unit that was started again has hit nothing yet.
    #[test]
    fn a_group_that_was_made_anew_is_not_the_one_that_is_gone() {
        use std::fs;
        let host = tempfile::tempdir().unwrap();
        let root = Root::at(host.path());
        let group = |name: &str, hits: u64| {
            let folder = root.path(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("memory.max"), "64\n").unwrap();
            let events = format!("low 0\nhigh 0\nmax {hits}\noom {hits}\noom_kill {hits}\n");
            fs::write(folder.join("memory.events"), &events).unwrap();
            fs::write(folder.join("memory.events.local"), events).unwrap();
        };
        group("unit", 0);
        let baseline = || MemoryBaseline {
            version: Version::V2,
            levels: vec![(
                HostPath::from(std::path::PathBuf::from("unit")),
                MemoryStat::read(&root.below("unit"), Version::V2),
            )],
            inodes: vec![root.folder_id("unit")],
        };
        let first = baseline();
        assert_eq!(first.lack(&root), Lack::Host, "it is the same");
        // The old one is kept so that its number is not used again.
        fs::rename(root.path("unit"), root.path("old")).unwrap();
        group("unit", 0);
        assert!(matches!(first.lack(&root), Lack::GroupGone(it) if it.limit == 64));
        assert_eq!(baseline().lack(&root), Lack::Host);
    }

    #[test]
    fn where_nobody_counts_hits_nothing_is_concluded() {
        let silent = |limit| {
            let hits = None;
            Some(MemoryStat { limit, hits })
        };
        assert_eq!(lack(silent(Some(64)), silent(Some(99))), Lack::Unknown);
    }

    #[test]
    fn each_is_told_once_and_no_more_than_there_is_room_for() {
        let killed = |pid| Killed {
            pid,
            comm: typed_bpf::Comm::default(),
            at_ns: 9,
        };
        let mut kills = Kills::default();
        kills.add(&[killed(1), killed(2)], |_| Lack::Host);
        kills.add(&[killed(1), killed(2)], |_| Lack::Unknown);
        assert!(kills.kills.values().all(|it| it.whose == Lack::Host));
        let crowd: Vec<_> = (0..300).map(killed).collect();
        kills.add(&crowd, |_| Lack::Unknown);
        assert_eq!((kills.kills.len(), kills.left_out), (KILLS_MAX, 44));
    }
}
