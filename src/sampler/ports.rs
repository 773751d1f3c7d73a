//! Who has the UDP ports of a network namespace, where a call failed for want of one.

use std::collections::HashSet;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use crate::attempt::Comm;
use crate::host::netns::NetnsHandle;
use crate::host::proc::Root;
use crate::host::proc::descriptors;
use crate::host::proc::net_udp;

/// Descriptors of one process; more ports there are not.
const DESCRIPTORS_MAX: usize = 65_536;
/// … and of all together: about a microsecond each.
const ALL_DESCRIPTORS_MAX: usize = 262_144;
const HOLDERS_MAX: usize = 3;
/// Some may have been given back before they were counted.
const USED_UP_PERCENT: u64 = 95;

/// The UDP ports of a network namespace, soon after the first call failed there.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// Which the kernel gives to who names none, if that could be read
    /// (`net.ipv4.ip_local_port_range`).
    pub range: Option<(u16, u16)>,
    /// Different ports that are in use, of that range if it is known.
    pub used: u64,
    /// Processes with the most UDP sockets, three at most: their number and name, and how many.
    pub holders: Vec<(u32, Comm, u64)>,
}

impl Ports {
    /// Whether they are used up, as far as that is known.
    pub fn are_used_up(&self) -> Option<bool> {
        Some(self.used * 100 >= self.of()? * USED_UP_PERCENT)
    }

    /// How many ports there are to give.
    pub fn of(&self) -> Option<u64> {
        let (first, last) = self.range?;
        Some(u64::from(last.saturating_sub(first)) + 1)
    }
}

/// Looks at the namespace, and at who has its sockets.
pub(super) fn look(root: &Root, handle: &NetnsHandle, netns: u32) -> Option<Ports> {
    let range = handle.enter(netns, || {
        root.text("proc/sys/net/ipv4/ip_local_port_range", 64).ok()
    });
    let range = range.flatten().as_deref().and_then(parse);
    let sockets = handle.visit(netns, |net| net_udp::sockets(net).ok().map(Vec::from_iter))??;
    let is_given = |port: &u16| range.is_none_or(|(first, last)| (first..=last).contains(port));
    let ports: HashSet<u16> = sockets.iter().map(|it| it.local.port()).collect();
    let inodes: HashSet<u64> = sockets.iter().map(|it| it.inode).collect();
    Some(Ports {
        range,
        used: ports.iter().filter(|port| is_given(port)).count() as u64,
        holders: holders(root, &inodes),
    })
}

/// `32768 60999`, with a tab between them.
fn parse(text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// A process may have sockets in a namespace that it does not live in.
fn holders(root: &Root, inodes: &HashSet<u64>) -> Vec<(u32, Comm, u64)> {
    let mut left = ALL_DESCRIPTORS_MAX;
    let mut holders = Vec::new();
    for pid in root.numbers("proc") {
        let process = root.process(pid);
        if left == 0 {
            break;
        }
        let Ok(own) = descriptors::sockets(&process, DESCRIPTORS_MAX.min(left)) else {
            continue;
        };
        let mut looked_at = 0;
        let held = own
            .inspect(|_| looked_at += 1)
            .filter(|it| inodes.contains(it));
        let held = held.count() as u64;
        left = left.saturating_sub(looked_at);
        if held > 0 {
            let comm = process.octets("comm", 64).unwrap_or_default();
            holders.push((pid, Comm::new(comm.trim_ascii_end()), held));
        }
    }
    holders.sort_by_key(|(pid, _, held)| (std::cmp::Reverse(*held), *pid));
    holders.truncate(HOLDERS_MAX);
    holders
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::host::netns;

    #[test]
    fn the_range_is_read_and_junk_is_none() {
        assert_eq!(parse("32768\t60999\n"), Some((32_768, 60_999)));
        for junk in ["", "1", "1 x", "1 65536"] {
            assert_eq!(parse(junk), None, "{junk:?}");
        }
        let ports = Ports {
            range: Some((10, 12)),
            ..Ports::default()
        };
        assert_eq!((ports.of(), Ports::default().of()), (Some(3), None));
        let used_up = |used| {
            Ports {
                used,
                ..ports.clone()
            }
            .are_used_up()
        };
        assert_eq!([2, 3].map(used_up), [Some(false), Some(true)]);
        assert_eq!(Ports::default().are_used_up(), None);
    }

    #[test]
    fn root_a_process_with_sockets_is_found() {
        let root = Root::default();
        let own = std::process::id();
        let netns = netns::of(&root.process(own)).unwrap();
        let handle = NetnsHandle::through(&root.process(own), netns).unwrap();
        let sockets: Vec<_> = (0..400)
            .map(|_| UdpSocket::bind("127.0.0.1:0").unwrap())
            .collect();
        let ports = look(&root, &handle, netns).expect("it can be looked at");
        assert!(ports.of() > Some(400) && ports.used >= 400, "{ports:?}");
        let mine = ports.holders.iter().find(|(pid, ..)| *pid == own);
        let (_, comm, held) = mine.expect("this process is among them");
        assert!(*held >= sockets.len() as u64 && !comm.as_bytes().is_empty());
    }
}
