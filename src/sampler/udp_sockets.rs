//! Queries that a process's own UDP sockets had no room for.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::host::netns::NetnsHandle;
use crate::host::proc::Root;
use crate::host::proc::descriptors;
use crate::host::proc::net_udp;

/// Descriptors of one process that are looked at.
const DESCRIPTORS_MAX: usize = 16384;

/// Drops by inode number of the socket, since it was made.
pub(super) type Drops = BTreeMap<u64, u64>;

/// The sockets of a process, if `ports` says so only those bound to one of them,
/// in the namespace whose `/proc/…/net` folder this is. `None` if they cannot be
/// told.
pub(super) fn drops(net: &Root, process: &Root, ports: Option<&BTreeSet<u16>>) -> Option<Drops> {
    let wanted = |port| ports.is_none_or(|ports| ports.contains(&port));
    let all: Drops = net_udp::sockets(net)
        .ok()?
        .filter(|socket| wanted(socket.local.port()))
        .map(|socket| (socket.inode, socket.drops))
        .collect();
    if all.is_empty() {
        return Some(all);
    }
    let own = descriptors::sockets(process, DESCRIPTORS_MAX).ok()?;
    Some(
        own.filter_map(|inode| Some((inode, *all.get(&inode)?)))
            .collect(),
    )
}

/// Growth, over the sockets that were there at the end. One that was made in
/// between counts from its beginning.
pub(super) fn growth(first: &Drops, last: &Drops) -> u64 {
    last.iter()
        .map(|(inode, drops)| drops.saturating_sub(first.get(inode).copied().unwrap_or(0)))
        .sum()
}

/// The drops of a process's UDP sockets in a namespace, on certain ports if that
/// is said.
pub(super) fn drops_in(process: &Root, netns: u32, ports: Option<&BTreeSet<u16>>) -> Option<Drops> {
    NetnsHandle::through(process, netns)?
        .visit(netns, |net| drops(net, process, ports))
        .flatten()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn only_growth_counts() {
        let first = Drops::from([(1, 10), (2, 5)]);
        let last = Drops::from([(1, 12), (3, 4)]);
        assert_eq!(growth(&first, &last), 6);
    }

    #[test]
    fn a_full_socket_of_this_process_is_found() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let ports = BTreeSet::from([address.port()]);
        let own = Root::at("/proc/self");
        let net = own.below("net");
        let first = drops(&net, &own, Some(&ports)).unwrap();
        assert_eq!(first.len(), 1);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        // More than the largest default buffer holds.
        for _ in 0..2000 {
            client.send_to(&[0; 1024], address).unwrap();
        }
        let last = drops(&net, &own, Some(&ports)).unwrap();
        assert!(growth(&first, &last) > 0, "{first:?} {last:?}");
        // The same socket is none of another process.
        assert_eq!(
            drops(&net, &Root::at("/proc/1"), Some(&ports)),
            Some(Drops::new())
        );
    }
}
