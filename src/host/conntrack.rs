//! Connection tracking of a namespace, in whichever way this kernel shows it.

use std::collections::BTreeMap;

use super::netlink;
use super::netns::NetnsHandle;
use super::netns::NetnsIndex;
use super::proc::Root;
use super::proc::conntrack_stat::ConntrackStat;

/// What procfs did not tell about a namespace. It takes a thread that enters it,
/// so it is for those that are known to track connections.
pub fn by_netlink(handle: &NetnsHandle, netns: u32) -> Option<ConntrackStat> {
    handle.enter(netns, netlink::conntrack::stat)?.ok()
}

/// Entries of the table of each network namespace that can be looked into, by its
/// inode number.
pub fn entries() -> BTreeMap<u32, u64> {
    let handles = NetnsIndex::take(&Root::default()).handles.into_iter();
    let entries = handles.filter_map(|(netns, handle)| {
        let in_procfs = handle.visit(netns, |net| ConntrackStat::read(net).ok())?;
        let stat = in_procfs.or_else(|| by_netlink(&handle, netns))?;
        Some((netns, stat.entries))
    });
    entries.collect()
}
