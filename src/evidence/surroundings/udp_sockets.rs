//! Queries that a process's own UDP sockets had no room for.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::fs::File;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::path::Path;

/// Some 30,000 sockets, of 128 octets in IPv4 and 178 in IPv6.
const TABLE_MAX: u64 = 4 << 20;

/// Descriptors of one process that are looked at.
const DESCRIPTORS_MAX: usize = 16384;

/// Drops by inode number of the socket, since it was made.
pub(super) type Drops = BTreeMap<u64, u64>;

/// The sockets of a process, if `ports` says so only those bound to one of them,
/// in the namespace whose `/proc/…/net` folder this is. `None` if they cannot be
/// told.
pub(super) fn drops(net: &Path, pid: u32, ports: Option<&BTreeSet<u16>>) -> Option<Drops> {
    let mut all = table(&net.join("udp"), ports)?;
    // Without IPv6 there is no such file.
    all.append(&mut table(&net.join("udp6"), ports).unwrap_or_default());
    if all.is_empty() {
        return Some(all);
    }
    let mut own = Drops::new();
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    for descriptor in descriptors.take(DESCRIPTORS_MAX) {
        let Ok(target) = descriptor.and_then(|it| fs::read_link(it.path())) else {
            continue;
        };
        if let Some(inode) = target.to_str().and_then(socket)
            && let Some(drops) = all.get(&inode)
        {
            own.insert(inode, *drops);
        }
    }
    Some(own)
}

/// Growth, over the sockets that were there at the end. One that was made in
/// between counts from its beginning.
pub(super) fn growth(first: &Drops, last: &Drops) -> u64 {
    last.iter()
        .map(|(inode, drops)| drops.saturating_sub(first.get(inode).copied().unwrap_or(0)))
        .sum()
}

fn socket(link: &str) -> Option<u64> {
    let inode = link.strip_prefix("socket:[")?.strip_suffix(']')?;
    inode.parse().ok()
}

fn table(path: &Path, ports: Option<&BTreeSet<u16>>) -> Option<Drops> {
    let table = BufReader::new(File::open(path).ok()?.take(TABLE_MAX));
    let drops = table
        .split(b'\n')
        .map_while(Result::ok)
        .filter_map(|line| {
            let (port, inode, drops) = parse(std::str::from_utf8(&line).ok()?)?;
            ports
                .is_none_or(|ports| ports.contains(&port))
                .then_some((inode, drops))
        })
        .collect();
    Some(drops)
}

/// `sl local_address rem_address st queues timer retrnsmt uid timeout inode ref
/// pointer drops` (proc_pid_net(5)): port, inode, drops.
fn parse(line: &str) -> Option<(u16, u64, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let (_, port) = fields.nth(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let inode = fields.nth(7)?.parse().ok()?;
    let drops = fields.nth(2)?.parse().ok()?;
    Some((port, inode, drops))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_taken_apart() {
        let v4 = " 1234: 0200004D:0035 00000000:0000 07 00034440:00000000 00:00000000 00000000   105        0 98765 2 0000000000000000 1095";
        let v6 = " 1234: 00000000000000000000000000000000:14E9 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 11 2 0000000000000000 3";
        assert_eq!(parse(v4), Some((53, 98765, 1095)));
        assert_eq!(parse(v6), Some((5353, 11, 3)));
        let header = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
        for junk in ["", header, " 1: 00:zz", " 1: 00:0035 0 0 0 0 0 0 0 x 0 0 0"] {
            assert_eq!(parse(junk), None, "{junk:?}");
        }
    }

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
        let net = Path::new("/proc/self/net");
        let first = drops(net, std::process::id(), Some(&ports)).unwrap();
        assert_eq!(first.len(), 1);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        // More than the largest default buffer holds.
        for _ in 0..2000 {
            client.send_to(&[0; 1024], address).unwrap();
        }
        let last = drops(net, std::process::id(), Some(&ports)).unwrap();
        assert!(growth(&first, &last) > 0, "{first:?} {last:?}");
        // The same socket is none of another process.
        assert_eq!(drops(net, 1, Some(&ports)), Some(Drops::new()));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([0-9A-F]{0,9}[: ]){0,30}") {
            let _ = parse(&text);
        }
    }
}
