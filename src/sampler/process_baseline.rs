//! A process between the first look at it and the end of the watch.

use std::collections::HashMap;
use std::path::PathBuf;

use super::CLibrary;
use super::Process;
use super::Quota;
use super::ResolvConf;
use super::Version;
use super::cgroups::Controller;
use super::cgroups::Folder;
use super::cgroups::Hierarchies;
use super::history::History;
use super::memory::MemoryBaseline;
use crate::host::netns;
use crate::host::proc::Root;
use crate::host::proc::cpu_stat::CpuStat;
use crate::host::proc::stat::Stat;

/// Control groups whose first reading is kept; processes of a container share
/// theirs, and all share the ones above.
const GROUPS_MAX: usize = 8192;
/// Groups with a quota that are read again each second; a reading takes some 20 µs.
const LIMITED_MAX: usize = 128;

#[derive(Debug)]
pub(super) struct ProcessBaseline {
    pub(super) folder: Root,
    /// With the pid, who it is: numbers are used again.
    started: u64,
    netns: Option<u32>,
    /// Where its CPU time counts, its own group first; none if that is not known.
    pub(super) groups: Vec<Group>,
    /// Of a server.
    pub(super) history: History,
    /// Of a server: what its control groups may have.
    pub(super) memory: Option<MemoryBaseline>,
    /// Of a client.
    pub(super) resolv_conf: Option<ResolvConf>,
    /// The same.
    pub(super) c_library: Option<CLibrary>,
}

impl ProcessBaseline {
    /// `None` if it is gone already.
    pub(super) fn meet(root: &Root, pid: u32, hierarchies: &Hierarchies) -> Option<Self> {
        let folder = root.process(pid);
        Some(Self {
            started: Stat::read(&folder).ok()?.started,
            netns: netns::of(&folder),
            groups: hierarchies
                .folder(&folder, Controller::Cpu)
                .map(|it| Group::of(root, &it))
                .unwrap_or_default(),
            folder,
            history: History::default(),
            memory: None,
            resolv_conf: None,
            c_library: None,
        })
    }

    /// The last look at it, so that its last second is known as well.
    pub(super) fn close(mut self, groups: &Groups) -> Process {
        self.history.look(&self.folder);
        Process {
            ended: Stat::read(&self.folder).map(|stat| stat.started).ok() != Some(self.started),
            netns: self.netns,
            is_quota_known: groups.are_known(&self.groups),
            quota: groups.quota(&self.groups),
            spans: self.history.into_spans(),
            resolv_conf: self.resolv_conf,
            c_library: self.c_library,
        }
    }
}

/// A control group. One that was made anew in its place is another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Group {
    path: PathBuf,
    id: Option<u64>,
    version: Version,
}

impl Group {
    /// That of the folder and those above it.
    fn of(root: &Root, folder: &Folder) -> Vec<Self> {
        let all = folder.and_above().map(|path| Self {
            path: path.to_owned(),
            id: root.folder_id(path),
            version: folder.version,
        });
        all.collect()
    }

    /// `None` if it is gone, or has no such figures.
    fn read(&self, root: &Root) -> Option<CpuStat> {
        let stat = CpuStat::read(&root.below(&self.path), self.version)?;
        (root.folder_id(&self.path) == self.id).then_some(stat)
    }
}

/// First and last readings of control groups with CPU figures, each read once
/// for all processes in and below them.
#[derive(Debug, Default)]
pub(super) struct Groups {
    first: HashMap<Group, Option<CpuStat>>,
    last: HashMap<Group, CpuStat>,
    left_out: bool,
}

impl Groups {
    /// Reads those that were not met before.
    pub(super) fn meet(&mut self, root: &Root, groups: &[Group]) {
        for group in groups {
            if self.first.contains_key(group) {
                continue;
            }
            match self.first.len() < GROUPS_MAX {
                true => drop(self.first.insert(group.clone(), group.read(root))),
                false => self.left_out = true,
            }
        }
    }

    /// Reads some once more: they may be gone at the end.
    pub(super) fn look(&mut self, root: &Root, groups: &[Group]) {
        for group in groups {
            if self.first.contains_key(group)
                && let Some(stat) = group.read(root)
            {
                self.last.insert(group.clone(), stat);
            }
        }
    }

    /// The same of those that have a quota, whoever is in them.
    pub(super) fn look_at_limited(&mut self, root: &Root) {
        let is_limited = |stat: &CpuStat| stat.quota.is_some();
        let limited = self
            .first
            .iter()
            .filter(|(_, first)| first.as_ref().is_some_and(is_limited));
        for (group, _) in limited.take(LIMITED_MAX) {
            self.last
                .extend(group.read(root).map(|stat| (group.clone(), stat)));
        }
    }

    /// The last look at all of them.
    pub(super) fn look_at_all(&mut self, root: &Root) {
        for group in self.first.keys() {
            self.last
                .extend(group.read(root).map(|stat| (group.clone(), stat)));
        }
    }

    /// Whether it is known of all of them if they have a quota, and whether it ran out.
    fn are_known(&self, groups: &[Group]) -> bool {
        let is_known = |group: &Group| match self.first.get(group) {
            // It was gone before it was looked at.
            None | Some(None) => group.id.is_some() && !self.left_out,
            Some(Some(first)) => first.quota.is_none() || self.last.contains_key(group),
        };
        !groups.is_empty() && groups.iter().all(is_known)
    }

    /// Of all quotas that a process there lives under, the one that ran out most
    /// often, else the tightest.
    fn quota(&self, groups: &[Group]) -> Option<Quota> {
        let quotas = groups.iter().filter_map(|group| {
            let first = self.first.get(group)?.as_ref()?;
            let last = self.last.get(group)?;
            Quota::between(first, last, &group.path, group.version)
        });
        let cores = |quota: &Quota| quota.cores().unwrap_or(f64::INFINITY);
        quotas.max_by(|a, b| {
            let more_often = a.throttled_periods.cmp(&b.throttled_periods);
            more_often.then(cores(b).total_cmp(&cores(a)))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;
    use std::time::Instant;

    use super::*;

    fn write(root: &Root, quota: &str, throttled: u64) {
        let group = root.path("g");
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("cpu.max"), format!("{quota} 100000\n")).unwrap();
        let stat = format!("nr_periods 100\nnr_throttled {throttled}\nthrottled_usec 5\n");
        fs::write(group.join("cpu.stat"), stat).unwrap();
    }

    fn group(root: &Root) -> Vec<Group> {
        vec![Group {
            path: PathBuf::from("g"),
            id: root.folder_id("g"),
            version: Version::V2,
        }]
    }

    fn told(groups: &Groups, group: &[Group]) -> (bool, Option<u64>) {
        let quota = groups.quota(group);
        (
            groups.are_known(group),
            quota.map(|it| it.throttled_periods),
        )
    }

    #[test]
    fn of_a_group_that_is_gone_what_was_read_is_told_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        write(&root, "20000", 1);
        let group = group(&root);
        let mut groups = Groups::default();
        groups.meet(&root, &group);
        assert_eq!(
            told(&groups, &group),
            (false, None),
            "one look says nothing"
        );
        write(&root, "20000", 8);
        groups.look_at_limited(&root);
        fs::remove_dir_all(root.path("g")).unwrap();
        groups.look_at_all(&root);
        assert_eq!(told(&groups, &group), (true, Some(7)));
        let mut late = Groups::default();
        late.meet(&root, &super::Group::gone());
        assert!(!late.are_known(&super::Group::gone()));
        assert!(!late.are_known(&[]));
    }

    #[test]
    fn a_group_that_is_made_anew_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        write(&root, "20000", 1);
        let old = group(&root);
        let mut groups = Groups::default();
        groups.meet(&root, &old);
        write(&root, "20000", 9);
        groups.look(&root, &old);
        // The old one is kept so that its number is not used again.
        fs::rename(root.path("g"), root.path("old")).unwrap();
        write(&root, "20000", 0);
        let new = group(&root);
        groups.meet(&root, &new);
        groups.look_at_all(&root);
        assert_eq!(told(&groups, &old), (true, Some(8)));
        assert_eq!(told(&groups, &new), (true, Some(0)));
    }

    #[test]
    fn who_has_no_quota_has_none_for_certain() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        write(&root, "max", 0);
        let group = group(&root);
        let mut groups = Groups::default();
        groups.meet(&root, &group);
        fs::remove_dir_all(root.path(Path::new("g"))).unwrap();
        groups.look_at_all(&root);
        assert_eq!(told(&groups, &group), (true, None));
    }

    #[test]
    fn live_the_last_second_of_a_server_is_looked_at_when_the_watch_ends() {
        let root = Root::at("/");
        let meet = || ProcessBaseline::meet(&root, std::process::id(), &Hierarchies::default());
        let (mut server, client) = (meet().unwrap(), meet().unwrap());
        server.history = History::of(&server.folder);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(150) {
            std::hint::black_box(begun);
        }
        let spans = server.close(&Groups::default()).spans;
        assert_eq!(spans.len(), 1, "{spans:?}");
        assert!(spans[0].busy() > 0.5, "{spans:?}");
        assert_eq!(client.close(&Groups::default()).spans, Vec::new());
    }

    impl Group {
        /// One that had gone before anybody looked.
        fn gone() -> Vec<Self> {
            vec![Self {
                path: PathBuf::from("nothing"),
                id: None,
                version: Version::V2,
            }]
        }
    }
}
