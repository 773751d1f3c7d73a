//! Tables and queues of the kernel that all network namespaces share.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use crate::host::proc::Root;
use crate::host::proc::neighbour_stat;
use crate::host::proc::neighbour_stat::Family;
use crate::host::proc::neighbour_stat::NeighbourStat;
use crate::host::proc::softnet_stat;
use crate::host::proc::softnet_stat::SoftnetStat;

/// What they said; each is `None` where it cannot be read.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// The queues in which packets wait for a CPU.
    pub backlog: Option<Table>,
    /// Link addresses of IPv4.
    pub arp: Option<Table>,
    /// Link addresses of IPv6.
    pub ndisc: Option<Table>,
}

/// One of them while watched.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// How often it had no room: growth.
    pub full: u64,
    /// What was in it at the end; of the backlog nobody tells.
    pub entries: Option<u64>,
    /// What it takes, as it was set at the end.
    pub max: Option<u64>,
}

impl Table {
    fn follow(self, next: Self) -> Self {
        Self {
            full: self.full + next.full,
            ..next
        }
    }
}

impl Shared {
    /// With what was said in the window after.
    pub(super) fn follow(self, next: Self) -> Self {
        let both = |first: Option<Table>, next: Option<Table>| match (first, next) {
            (Some(first), Some(next)) => Some(first.follow(next)),
            (first, next) => next.or(first),
        };
        Self {
            backlog: both(self.backlog, next.backlog),
            arp: both(self.arp, next.arp),
            ndisc: both(self.ndisc, next.ndisc),
        }
    }
}

/// One reading of all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SharedBaseline {
    softnet: Option<SoftnetStat>,
    arp: Option<NeighbourStat>,
    ndisc: Option<NeighbourStat>,
}

impl SharedBaseline {
    pub(super) fn read(root: &Root) -> Self {
        Self {
            softnet: SoftnetStat::read(root).ok(),
            arp: NeighbourStat::read(root, Family::V4).ok(),
            ndisc: NeighbourStat::read(root, Family::V6).ok(),
        }
    }

    /// What has grown since.
    pub(super) fn close(self, root: &Root) -> Shared {
        let last = Self::read(root);
        let neighbours = |first: Option<NeighbourStat>, last: Option<NeighbourStat>, family| {
            let (first, last) = first.zip(last)?;
            Some(Table {
                full: last.table_fulls.saturating_sub(first.table_fulls),
                entries: Some(last.entries),
                max: neighbour_stat::entries_max(root, family),
            })
        };
        let softnet = self.softnet.zip(last.softnet);
        Shared {
            backlog: softnet.map(|(first, last)| Table {
                full: last.dropped.saturating_sub(first.dropped),
                entries: None,
                max: softnet_stat::backlog_max(root),
            }),
            arp: neighbours(self.arp, last.arp, Family::V4),
            ndisc: neighbours(self.ndisc, last.ndisc, Family::V6),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn growth_is_told_with_the_limit_and_windows_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        let write = |file: &str, text: &str| {
            let path = root.path(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let softnet = |dropped: u64| write("proc/net/softnet_stat", &format!("1 {dropped:x} 0\n"));
        let arp = |full: u64| {
            let text = format!("entries table_fulls\n400 {full:x}\n");
            write("proc/net/stat/arp_cache", &text);
        };
        write("proc/sys/net/ipv4/neigh/default/gc_thresh3", "1024\n");
        write("proc/sys/net/core/netdev_max_backlog", "1000\n");
        softnet(100);
        arp(5);
        let first = SharedBaseline::read(&root);
        softnet(120);
        arp(9);
        let shared = first.close(&root);
        let table = |full, entries, max| Some(Table { full, entries, max });
        assert_eq!(shared.backlog, table(20, None, Some(1000)));
        assert_eq!(shared.arp, table(4, Some(1024), Some(1024)));
        assert_eq!(shared.ndisc, None);
        let both = shared.follow(shared);
        assert_eq!(both.arp, table(8, Some(1024), Some(1024)));
    }
}
