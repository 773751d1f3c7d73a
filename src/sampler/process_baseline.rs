//! A process between the first look at it and the end of the watch.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use super::CLibrary;
use super::Process;
use super::Quota;
use super::ResolvConf;
use super::Version;
use super::cgroups::Folder;
use super::cgroups::Hierarchies;
use super::cgroups::Places;
use super::history::History;
use super::process::Sample;
use super::udp_sockets::Drops;
use crate::host::netns;
use crate::host::proc::Root;
use crate::host::proc::cpu_stat::CpuStat;
use crate::host::proc::memory_events;
use crate::host::proc::stat::Stat;

/// Control groups whose first reading is kept; processes of a container share
/// theirs, and all share the ones above.
const GROUPS_MAX: usize = 8192;

/// The process's own control group and the one above it.
const OOM_LEVELS: usize = 2;

/// What a process was when it was first looked at.
#[derive(Debug)]
pub(super) struct ProcessBaseline {
    pub(super) folder: Root,
    /// With the pid, who it is: numbers are used again.
    started: u64,
    since: Instant,
    netns: Option<u32>,
    places: Places,
    pub(super) cpu: Option<Sample>,
    with_threads: bool,
    oom_kills: Vec<(PathBuf, Version, u64)>,
}

/// A server: its sockets besides.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) baseline: ProcessBaseline,
    /// The namespace of its sockets.
    pub(super) netns: u32,
    pub(super) drops: Option<Drops>,
    pub(super) history: History,
}

/// A client: its resolver besides.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) baseline: ProcessBaseline,
    pub(super) resolv_conf: Option<ResolvConf>,
    pub(super) library: Option<CLibrary>,
}

impl ProcessBaseline {
    /// `None` if it is gone already.
    pub(super) fn meet(
        root: &Root,
        pid: u32,
        hierarchies: &Hierarchies,
        with_threads: bool,
    ) -> Option<Self> {
        let folder = root.process(pid);
        let started = Stat::read(&folder).ok()?.started;
        let places = hierarchies.places(&folder).unwrap_or_default();
        let oom_kills = oom_folders(places.memory.as_ref())
            .filter_map(|(path, version)| {
                let kills = memory_events::oom_kills(&root.below(&path), version)?;
                Some((path, version, kills))
            })
            .collect();
        Some(Self {
            started,
            since: Instant::now(),
            netns: netns::of(&folder),
            cpu: Sample::take(&folder, with_threads),
            with_threads,
            places,
            oom_kills,
            folder,
        })
    }

    /// Where its CPU time counts.
    pub(super) fn groups(&self) -> Option<&Folder> {
        self.places.cpu.as_ref()
    }

    /// The second look.
    pub(super) fn close(self, root: &Root, groups: &Groups) -> Process {
        let observed = self.since.elapsed();
        let ended = Stat::read(&self.folder).map(|stat| stat.started).ok() != Some(self.started);
        let cpu = self
            .cpu
            .filter(|_| !ended)
            .and_then(|first| Sample::take(&self.folder, self.with_threads)?.since(&first));
        let oom_kills = self.oom_kills.iter().find_map(|(path, version, first)| {
            let last = memory_events::oom_kills(&root.below(path), *version)?;
            Some(last.saturating_sub(*first))
        });
        Process {
            ended,
            observed,
            netns: self.netns,
            cpu,
            quota: self
                .places
                .cpu
                .as_ref()
                .and_then(|folder| groups.quota(folder)),
            cgroup: self.places.path,
            oom_kills,
        }
    }
}

fn oom_folders(memory: Option<&Folder>) -> impl Iterator<Item = (PathBuf, Version)> {
    memory.into_iter().flat_map(|folder| {
        let version = folder.version;
        folder
            .and_above()
            .take(OOM_LEVELS)
            .map(move |path| (path.to_owned(), version))
    })
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
