//! Whose socket it is that gets queries and has not answered any: a server that
//! hangs does not show itself otherwise.

use std::net::IpAddr;
use std::net::SocketAddr;

use crate::host::netns;
use crate::host::proc::Root;
use crate::host::proc::addresses;
use crate::host::proc::descriptors;
use crate::host::proc::net_udp;

const DESCRIPTORS_MAX: usize = 1024;
const INIT: u32 = 1;

/// How often an address is looked at that nothing was found at.
pub(super) const LOOKS_MAX: u32 = 5;

/// What was not found yet at an address.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Open {
    pub(super) looks: u32,
    /// There was a way into its namespace: nobody has it.
    pub(super) is_nobodys: bool,
    /// Queries were discarded on their way there: is it somebody's?
    pub(super) is_suspect: bool,
}

/// Whether a UDP socket of the namespace whose `/proc/…/net` folder this is gets what is sent
/// to this address, which is then one of the namespace's own.
pub(super) fn is_bound(net: &Root, address: SocketAddr) -> bool {
    inode(net, address).is_some() && addresses::is_own(net, address.ip()) == Some(true)
}

/// The process that has a UDP socket on this address, or on any address with this port, in the
/// namespace whose `/proc/…/net` folder this is: the one that had it `before`, if it has it still,
/// else the one with the lowest number. Only processes that are in the namespace themselves are
/// asked; and not the first of all, which holds sockets for services that it starts
/// (systemd.socket(5)), and reads none. To ask all takes a look at each of their descriptors.
pub(super) fn find(
    root: &Root,
    net: &Root,
    (netns, address): (u32, SocketAddr),
    before: Option<u32>,
) -> Option<u32> {
    let inode = inode(net, address)?;
    let has_it = |pid: &u32| {
        let process = root.process(*pid);
        *pid != INIT
            && netns::of(&process) == Some(netns)
            && descriptors::sockets(&process, DESCRIPTORS_MAX)
                .is_ok_and(|mut own| own.any(|it| it == inode))
    };
    let before = before.filter(has_it);
    before.or_else(|| root.numbers("proc").filter(has_it).min())
}

/// The socket's inode number; the address itself before any address.
fn inode(net: &Root, address: SocketAddr) -> Option<u64> {
    let all: Vec<_> = net_udp::sockets(net)
        .ok()?
        .filter(|socket| socket.local.port() == address.port())
        .collect();
    let of = |fits: &dyn Fn(IpAddr) -> bool| {
        let fitting = all.iter().find(|socket| fits(socket.local.ip()));
        fitting.map(|socket| socket.inode)
    };
    let exact = of(&|ip| ip.to_canonical() == address.ip().to_canonical());
    exact.or_else(|| of(&|ip| ip.is_unspecified()))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn live_a_socket_of_this_process_is_found() {
        let own = std::process::id();
        let root = Root::default();
        let netns = netns::of(&root.process(own)).unwrap();
        let net = root.process(own).below("net");
        let find = |netns, address| find(&root, &net, (netns, address), None);
        let exact = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = exact.local_addr().unwrap();
        assert_eq!(find(netns, address), Some(own));
        let any = UdpSocket::bind("0.0.0.0:0").unwrap();
        let port = any.local_addr().unwrap().port();
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        assert_eq!(find(netns, address), Some(own));
        assert!(is_bound(&net, address));
        // Somebody else's address: it would go on to him.
        assert!(!is_bound(&net, SocketAddr::from(([198, 51, 100, 7], port))));
        // In another namespace it is another one's.
        assert_eq!(find(netns + 1, address), None);
        // Whoever is said to have had it before is asked first, and the others if he has it not.
        let find_after = |before| super::find(&root, &net, (netns, address), Some(before));
        assert_eq!([own, INIT, u32::MAX].map(find_after), [Some(own); 3]);
        drop(any);
        assert_eq!(find_after(own), None);
        assert!(!is_bound(&net, address));
        assert_eq!(find(netns, address), None);
    }
}
