//! The tree of control groups of version 2, watched: which id is which path.
//!
//! An id can be asked of the kernel as long as its group is there (see
//! [`handle`]). Watching makes those known that are gone by the time that their
//! first attempt ends, and replaces the asking where it is not allowed.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::fd::AsFd as _;
use std::os::fd::AsRawFd as _;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use nix::errno::Errno;
use nix::sys::inotify::AddWatchFlags;
use nix::sys::inotify::InitFlags;
use nix::sys::inotify::Inotify;
use nix::sys::inotify::InotifyEvent;
use nix::sys::inotify::WatchDescriptor;
use serde::Serialize;

use super::delegation;
use super::handle;
use super::recent::Recent;
use crate::attempt::identity::Delegated;
use crate::attempt::identity::cgroup_path;
use crate::host::proc::Root;

/// Groups that are watched, some 400 octets each here and 1 KiB in the kernel. A
/// node has 110 pods by default, each with some five groups.
pub(super) const WATCHES_MAX: usize = 8192;
/// Of the watches that the kernel allows a user, which root's other programs need
/// too (`fs.inotify.max_user_watches`, 8,192 before Linux 5.11): one in so many.
const WATCHES_SHARE: usize = 4;
/// Groups that are gone and still known.
pub(super) const GONE_MAX: usize = 4096;
/// Folders that are looked through before the next question is answered.
const STEP: usize = 32;
/// Reads of the queue of events in a row, each 4 KiB.
const READS_MAX: usize = 64;

/// How the watching goes.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize,
)]
pub struct TreeCounts {
    /// Control groups that were met, those that are gone included.
    pub cgroups_met: u64,
    /// Groups that could not be watched: there were too many.
    pub cgroups_unwatched: u64,
    /// Times that events were lost and everything was looked through again.
    pub cgroup_rewalks: u64,
}

#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    /// The root by its descriptor, which also reaches a mount without a path.
    base: PathBuf,
    inotify: Option<Inotify>,
    groups: HashMap<WatchDescriptor, Group>,
    watched: HashMap<Arc<[u8]>, WatchDescriptor>,
    by_id: HashMap<u64, Place>,
    gone: Recent<u64, Place>,
    watches_max: usize,
    to_visit: Vec<Arc<[u8]>>,
    pub(super) counts: TreeCounts,
}

/// Where a group is, and which part of that is a user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: Arc<[u8]>,
    pub(super) delegated: Option<Delegated>,
}

#[derive(Debug)]
struct Group {
    id: u64,
    path: Arc<[u8]>,
}

impl Tree {
    /// Of the hierarchy whose root this is. Nothing is read yet.
    pub(super) fn new(root: OwnedFd) -> Self {
        let base = PathBuf::from(format!("/proc/self/fd/{}", root.as_raw_fd()));
        let mut tree = Self {
            root,
            base,
            inotify: None,
            groups: HashMap::new(),
            watched: HashMap::new(),
            by_id: HashMap::new(),
            gone: Recent::new(GONE_MAX),
            watches_max: watches_max(),
            to_visit: Vec::new(),
            counts: TreeCounts::default(),
        };
        tree.begin();
        tree
    }

    /// Starts to look through everything.
    fn begin(&mut self) {
        let now = Instant::now();
        self.groups.clear();
        self.watched.clear();
        for (id, place) in self.by_id.drain() {
            // Those that are still there will be found again.
            self.gone.insert(id, place, now);
        }
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        self.inotify = Inotify::init(flags)
            .inspect_err(|error| log::warn!("new cgroups are not watched: {error}"))
            .ok();
        self.to_visit = vec![Arc::from(&b""[..])];
    }

    /// What becomes readable when there is something for [`Tree::update`].
    pub(super) fn events(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(|inotify| inotify.as_fd())
    }

    /// Takes a few steps; whether there are more to take.
    pub(super) fn update(&mut self) -> bool {
        let mut more = true;
        for _ in 0..READS_MAX {
            let events = match self.inotify.as_ref().map(Inotify::read_events) {
                Some(Ok(events)) => events,
                Some(Err(Errno::EAGAIN | Errno::EINTR)) | None => {
                    more = false;
                    break;
                }
                Some(Err(error)) => {
                    log::warn!("watching cgroups ended: {error}");
                    self.inotify = None;
                    break;
                }
            };
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    self.counts.cgroup_rewalks += 1;
                    self.begin();
                    break;
                }
                self.take(&event);
            }
        }
        for _ in 0..STEP {
            let Some(path) = self.to_visit.pop() else {
                return more;
            };
            self.visit(path);
        }
        more || !self.to_visit.is_empty()
    }

    /// Where a group is, or was lately.
    pub(super) fn place_of(&mut self, id: u64, now: Instant) -> Option<Place> {
        let found = self
            .by_id
            .get(&id)
            .or_else(|| self.gone.get(&id, now).map(|it| &*it));
        if let Some(place) = found {
            return Some(place.clone());
        }
        let path = handle::path_of(self.root.as_fd(), id)
            .inspect_err(|error| log::debug!("cgroup {id} has no path: {error}"))
            .ok()?;
        Some(self.place(path.into()))
    }

    fn place(&self, path: Arc<[u8]>) -> Place {
        let delegated = delegation::find(&self.base, &path);
        // The root is nothing where paths are put together.
        let path = if path.is_empty() {
            Arc::from(&b"/"[..])
        } else {
            path
        };
        Place { path, delegated }
    }

    fn take(&mut self, event: &InotifyEvent) {
        let Some(group) = self.groups.get(&event.wd) else {
            return;
        };
        let mask = event.mask;
        let path = match &event.name {
            // Files of a group are made and removed by the kernel, without events.
            Some(name) if mask.contains(AddWatchFlags::IN_ISDIR) => child(&group.path, name),
            None if mask.contains(AddWatchFlags::IN_IGNORED) => Some(Arc::clone(&group.path)),
            _ => None,
        };
        let Some(path) = path else {
            return;
        };
        if mask.contains(AddWatchFlags::IN_CREATE) {
            // At once: it may not be there for long.
            self.visit(path);
        } else if mask.intersects(AddWatchFlags::IN_DELETE | AddWatchFlags::IN_IGNORED) {
            self.forget(&path);
        }
    }

    /// Notes a group, watches it, and has its children visited: they may have
    /// been made before it was watched.
    fn visit(&mut self, path: Arc<[u8]>) {
        let below = path.strip_prefix(b"/").unwrap_or(&path);
        let folder = self.base.join(OsStr::from_bytes(below));
        let Ok(metadata) = fs::metadata(&folder) else {
            return;
        };
        let id = metadata.ino();
        if self.groups.len() >= self.watches_max {
            self.counts.cgroups_unwatched += 1;
            return;
        }
        let place = self.place(Arc::clone(&path));
        let mask = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_DELETE | AddWatchFlags::IN_ONLYDIR;
        let watch = self.inotify.as_ref().map(|it| it.add_watch(&folder, mask));
        if let Some(Ok(wd)) = watch {
            if self.by_id.insert(id, place).is_none() {
                self.counts.cgroups_met += 1;
            }
            self.watched.insert(Arc::clone(&path), wd);
            let path = Arc::clone(&path);
            self.groups.insert(wd, Group { id, path });
        } else {
            self.gone.insert(id, place, Instant::now());
            // It is gone again, but its id is known.
            if watch == Some(Err(Errno::ENOENT)) {
                self.counts.cgroups_met += 1;
                return;
            }
            self.counts.cgroups_unwatched += 1;
        }
        let Ok(entries) = fs::read_dir(&folder) else {
            return;
        };
        for entry in entries.flatten() {
            let room = self.to_visit.len() < WATCHES_MAX;
            if room
                && entry.file_type().is_ok_and(|kind| kind.is_dir())
                && let Some(path) = child(&path, &entry.file_name())
                && !self.watched.contains_key(&path)
            {
                self.to_visit.push(path);
            }
        }
    }

    /// A group that was removed stays known for a while.
    fn forget(&mut self, path: &Arc<[u8]>) {
        let Some(wd) = self.watched.remove(path) else {
            return;
        };
        if let Some(group) = self.groups.remove(&wd)
            && let Some(place) = self.by_id.remove(&group.id)
        {
            self.gone.insert(group.id, place, Instant::now());
        }
        if let Some(inotify) = &self.inotify {
            // Before Linux 7.1 a watch would keep the removed folder in memory.
            let _gone_already = inotify.rm_watch(wd);
        }
    }
}

fn watches_max() -> usize {
    let limit = Root::default().text("proc/sys/fs/inotify/max_user_watches", 64);
    let limit = limit
        .ok()
        .and_then(|text| text.trim().parse::<usize>().ok());
    limit.map_or(WATCHES_MAX, |limit| WATCHES_MAX.min(limit / WATCHES_SHARE))
}

fn child(path: &[u8], name: &OsStr) -> Option<Arc<[u8]>> {
    let name = name.as_bytes();
    (path.len() + 1 + name.len() <= cgroup_path::PATH_MAX)
        .then(|| [path, b"/", name].concat().into())
}

#[cfg(test)]
mod tests;
