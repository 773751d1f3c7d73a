//! A process between the first look at it and the end of the watch.

use std::collections::HashMap;
use std::path::PathBuf;

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

#[derive(Debug)]
pub(super) struct ProcessBaseline {
    pub(super) folder: Root,
    /// With the pid, who it is: numbers are used again.
    started: u64,
    netns: Option<u32>,
    /// Where its CPU time counts.
    pub(super) group: Option<Folder>,
    /// Of a server.
    pub(super) history: History,
    /// Of a server: what its control groups may have.
    pub(super) memory: Option<MemoryBaseline>,
    /// Of a client.
    pub(super) resolv_conf: Option<ResolvConf>,
}

impl ProcessBaseline {
    /// `None` if it is gone already.
    pub(super) fn meet(root: &Root, pid: u32, hierarchies: &Hierarchies) -> Option<Self> {
        let folder = root.process(pid);
        Some(Self {
            started: Stat::read(&folder).ok()?.started,
            netns: netns::of(&folder),
            group: hierarchies.folder(&folder, Controller::Cpu),
            folder,
            history: History::default(),
            memory: None,
            resolv_conf: None,
        })
    }

    pub(super) fn close(self, groups: &Groups) -> Process {
        Process {
            ended: Stat::read(&self.folder).map(|stat| stat.started).ok() != Some(self.started),
            netns: self.netns,
            quota: self.group.and_then(|folder| groups.quota(&folder)),
            spans: self.history.into_spans(),
            resolv_conf: self.resolv_conf,
        }
    }
}

/// First and last readings of control groups with CPU figures, each read once
/// for all processes in and below them.
#[derive(Debug, Default)]
pub(super) struct Groups {
    first: HashMap<PathBuf, (Version, Option<CpuStat>)>,
    last: HashMap<PathBuf, CpuStat>,
}

impl Groups {
    /// Reads those that were not met before.
    pub(super) fn meet(&mut self, root: &Root, folder: &Folder) {
        for path in folder.and_above() {
            if self.first.len() < GROUPS_MAX && !self.first.contains_key(path) {
                let stat = CpuStat::read(&root.below(path), folder.version);
                self.first.insert(path.to_owned(), (folder.version, stat));
            }
        }
    }

    /// Reads a process's once more: they may be gone at the end.
    pub(super) fn look(&mut self, root: &Root, folder: &Folder) {
        for path in folder.and_above() {
            let stat = CpuStat::read(&root.below(path), folder.version);
            if let Some(stat) = stat.filter(|_| self.first.contains_key(path)) {
                self.last.insert(path.to_owned(), stat);
            }
        }
    }

    /// The last look at all of them.
    pub(super) fn look_at_all(&mut self, root: &Root) {
        for (path, (version, _)) in &self.first {
            let stat = CpuStat::read(&root.below(path), *version);
            self.last.extend(stat.map(|stat| (path.clone(), stat)));
        }
    }

    /// Of all quotas that a process there lives under, the one that ran out most
    /// often, else the tightest.
    fn quota(&self, folder: &Folder) -> Option<Quota> {
        let quotas = folder.and_above().filter_map(|path| {
            let (_, first) = self.first.get(path)?;
            let last = self.last.get(path)?;
            Quota::between(first.as_ref()?, last, path, folder.version)
        });
        let cores = |quota: &Quota| quota.cores().unwrap_or(f64::INFINITY);
        quotas.max_by(|a, b| {
            let more_often = a.throttled_periods.cmp(&b.throttled_periods);
            more_often.then(cores(b).total_cmp(&cores(a)))
        })
    }
}
