//! Whose socket it is that gets queries and has not answered any: a server that
//! hangs does not show itself otherwise.

use std::fs;
use std::fs::File;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::path::Path;

use super::netns;
use super::netns::numbers_in;

/// Some 30,000 sockets of 128 octets.
const TABLE_MAX: u64 = 4 << 20;

/// Descriptors of one process that are looked at.
const DESCRIPTORS_MAX: usize = 1024;

/// The process with the lowest number that has a UDP socket on this address, or
/// on any address with this port, in the namespace whose `/proc/…/net` folder
/// this is. Only processes that are in the namespace themselves are asked.
pub(super) fn find(net: &Path, netns: u32, address: SocketAddr) -> Option<u32> {
    let inode = inode(net, address)?;
    let link = format!("socket:[{inode}]");
    let has_it = |pid: &u32| {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            return false;
        };
        descriptors
            .take(DESCRIPTORS_MAX)
            .filter_map(|descriptor| fs::read_link(descriptor.ok()?.path()).ok())
            .any(|target| target.as_os_str() == link.as_str())
    };
    numbers_in(Path::new("/proc"))
        .filter(|&pid| netns::of(pid) == Some(netns))
        .filter(has_it)
        .min()
}

/// The socket's inode number; the address itself before any address.
fn inode(net: &Path, address: SocketAddr) -> Option<u64> {
    let all: Vec<_> = ["udp", "udp6"]
        .iter()
        .filter_map(|table| File::open(net.join(table)).ok())
        .flat_map(|table| BufReader::new(table.take(TABLE_MAX)).split(b'\n'))
        .map_while(Result::ok)
        .filter_map(|line| parse(std::str::from_utf8(&line).ok()?))
        .filter(|(local, _)| local.port() == address.port())
        .collect();
    let of = |fits: &dyn Fn(IpAddr) -> bool| {
        let mut fitting = all.iter().filter(|(local, _)| fits(local.ip()));
        fitting.next().map(|(_, inode)| *inode)
    };
    let exact = of(&|ip| ip.to_canonical() == address.ip().to_canonical());
    exact.or_else(|| of(&|ip| ip.is_unspecified()))
}

/// `sl local_address rem_address st queues timer retrnsmt uid timeout inode …`
/// (proc_pid_net(5)). Addresses are words of the host's byte order in hexadecimal.
fn parse(line: &str) -> Option<(SocketAddr, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let (ip, port) = fields.nth(1)?.split_once(':')?;
    let word = |at: usize| {
        let word = u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let mut octets = [0; 16];
            octets.copy_from_slice(words.as_flattened());
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    let inode = fields.nth(7)?.parse().ok()?;
    Some((SocketAddr::new(ip, port), inode))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    const REST: &str =
        "00000000:0000 07 00034440:00000000 00:00000000 00000000   105        0 98765 2 0 1095";

    #[test]
    fn addresses_are_read_in_both_lengths() {
        let parsed = |local: &str| parse(&format!(" 12: {local} {REST}"));
        let v4 = u32::from_ne_bytes([10, 78, 1, 2]);
        let expected = Some(("10.78.1.2:53".parse().unwrap(), 98765));
        assert_eq!(parsed(&format!("{v4:08X}:0035")), expected);
        let v6: Ipv6Addr = "fd78:1::2".parse().unwrap();
        let words: String = v6
            .octets()
            .chunks(4)
            .map(|word| format!("{:08X}", u32::from_ne_bytes(word.try_into().unwrap())))
            .collect();
        let expected = Some(("[fd78:1::2]:53".parse().unwrap(), 98765));
        assert_eq!(parsed(&format!("{words}:0035")), expected);
        for junk in ["0:35", "0A4E0102", "zzzzzzzz:0035", "äöüä:0035"] {
            assert_eq!(parsed(junk), None, "{junk:?}");
        }
    }

    #[test]
    fn a_socket_of_this_process_is_found() {
        let own = std::process::id();
        let netns = netns::of(own).unwrap();
        let net = Path::new("/proc/self/net");
        let exact = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = exact.local_addr().unwrap();
        assert_eq!(find(net, netns, address), Some(own));
        let any = UdpSocket::bind("0.0.0.0:0").unwrap();
        let port = any.local_addr().unwrap().port();
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        assert_eq!(find(net, netns, address), Some(own));
        // In another namespace it is another one's.
        assert_eq!(find(net, netns + 1, address), None);
        drop(any);
        assert_eq!(find(net, netns, address), None);
    }
}
