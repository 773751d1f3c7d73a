//! Who has used up the file descriptors: without one there is no socket, and no query.

use std::collections::BTreeMap;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use crate::attempt::Comm;
use crate::host::proc::Root;
use crate::host::proc::descriptors;

/// Processes that are looked at, some 3 µs each.
const PROCESSES_MAX: usize = 65_536;
/// Processes that are told of.
const FULL_MAX: usize = 16;
/// Descriptors of one that are counted where the kernel does not tell their number.
const DESCRIPTORS_MAX: usize = 65_536;
/// So few nobody has as a limit who wants to have a socket; it saves most limits from being read.
const OPEN_MIN: u64 = 16;
/// Of all processes together some are given back all the time.
const ALL_PERCENT: u64 = 99;

/// A process that had as many descriptors open as it may have.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Its name.
    pub comm: Comm,
    /// How many were open.
    pub open: u64,
    /// How many it may have (`RLIMIT_NOFILE`).
    pub limit: u64,
    /// How often it was found so; it is looked at each second if it asks or answers, and all
    /// are at the end.
    pub times: u64,
}

/// What was found.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptors {
    /// By pid, 16 at most.
    pub full: BTreeMap<u32, Full>,
    /// Of all processes together, if these had nearly all that they may have (`fs.file-max`):
    /// how many files were open, and how many may be.
    pub of_all: Option<(u64, u64)>,
}

impl Descriptors {
    /// Looks at processes once.
    pub(super) fn look(&mut self, root: &Root, pids: impl IntoIterator<Item = u32>) {
        for pid in pids.into_iter().take(PROCESSES_MAX) {
            if let Some(full) = look_at(&root.process(pid)) {
                self.add(pid, full);
            }
        }
    }

    /// Looks at all of them, and at what they have together.
    pub(super) fn look_at_all(&mut self, root: &Root) {
        self.look(root, root.numbers("proc"));
        self.of_all = descriptors::of_all(root)
            .filter(|(open, most)| open.saturating_mul(100) >= most.saturating_mul(ALL_PERCENT));
    }

    fn add(&mut self, pid: u32, full: Full) {
        let has_room = self.full.len() < FULL_MAX;
        match self.full.get_mut(&pid) {
            Some(own) => {
                *own = Full {
                    times: own.times + full.times,
                    ..full
                }
            }
            None if has_room => drop(self.full.insert(pid, full)),
            None => {}
        }
    }

    /// Adds what was found in the window after.
    pub(super) fn follow(&mut self, next: Self) {
        for (pid, full) in next.full {
            self.add(pid, full);
        }
        self.of_all = next.of_all.or(self.of_all);
    }
}

/// `None` if it has some left, or is gone.
fn look_at(process: &Root) -> Option<Full> {
    let open = descriptors::open(process, DESCRIPTORS_MAX).ok()?;
    let limit = (open >= OPEN_MIN).then(|| descriptors::limit(process))??;
    let comm = || process.octets("comm", 64).unwrap_or_default();
    (open >= limit).then(|| Full {
        comm: Comm::new(comm().trim_ascii_end()),
        open,
        limit,
        times: 1,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A process with so many descriptors, of those that it may have.
    fn process(root: &Root, pid: u32, open: usize, limit: u64) {
        let folder = root.path(format!("proc/{pid}"));
        fs::create_dir_all(folder.join("fd")).unwrap();
        for number in 0..open {
            fs::write(folder.join("fd").join(number.to_string()), "").unwrap();
        }
        fs::write(
            folder.join("limits"),
            format!("Max open files {limit} 4096 files\n"),
        )
        .unwrap();
        fs::write(folder.join("comm"), "curl\n").unwrap();
    }

    #[test]
    fn who_has_none_left_is_found_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        // A folder of a common file system has a size of its own.
        let size = |pid: u32| descriptors::open(&root.process(pid), 1_000).unwrap();
        process(&root, 7, 20, 20);
        let open = size(7);
        process(&root, 7, 20, open);
        process(&root, 8, 20, size(7) + 1);
        let mut found = Descriptors::default();
        found.look(&root, [7, 8, 9]);
        found.look_at_all(&root);
        let full: Vec<_> = found
            .full
            .iter()
            .map(|(pid, it)| (*pid, it.limit, it.times))
            .collect();
        assert_eq!(full, [(7, open, 2)]);
        assert_eq!(found.full[&7].comm.as_bytes(), b"curl");
        assert_eq!(found.of_all, None);
    }

    #[test]
    fn those_of_two_windows_are_one_and_bounded() {
        let full = |times| Full {
            comm: Comm::new(b"curl"),
            open: 20,
            limit: 20,
            times,
        };
        let mut found = Descriptors::default();
        found.add(7, full(2));
        let mut next = Descriptors {
            of_all: Some((99, 100)),
            ..Descriptors::default()
        };
        (0..100).for_each(|pid| next.add(pid, full(1)));
        found.follow(next);
        assert_eq!((found.full.len(), found.full[&7].times), (FULL_MAX, 3));
        assert_eq!(found.of_all, Some((99, 100)));
    }
}
