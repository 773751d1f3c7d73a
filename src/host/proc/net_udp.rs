//! `/proc/…/net/udp` and `udp6`: the UDP sockets of a network namespace.

use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

use super::Root;

/// Some 30,000 sockets, of 128 octets in IPv4 and 178 in IPv6.
const TABLE_MAX: u64 = 4 << 20;

/// A socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// What it is bound to.
    pub local: SocketAddr,
    /// What it is connected to; the unspecified address and port 0 if to nothing.
    pub peer: SocketAddr,
    /// Its inode number.
    pub inode: u64,
}

/// Those of the namespace whose `/proc/…/net` folder this is.
pub fn sockets(net: &Root) -> io::Result<impl Iterator<Item = Socket> + use<>> {
    let v4 = net.lines("udp", TABLE_MAX)?;
    // Without IPv6 there is no such file.
    let v6 = net.lines("udp6", TABLE_MAX).into_iter().flatten();
    Ok(v4.chain(v6).filter_map(|line| parse(&line)))
}

/// `sl local_address rem_address st queues timer retrnsmt uid timeout inode ref
/// pointer drops` (proc_pid_net(5)).
pub(super) fn parse(line: &str) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace();
    Some(Socket {
        local: address(fields.nth(1)?)?,
        peer: address(fields.next()?)?,
        inode: fields.nth(6)?.parse().ok()?,
    })
}

/// Words of the host's byte order in hexadecimal.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
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
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANY: &str = "00000000:0000";
    const REST: &str =
        "07 00034440:00000000 00:00000000 00000000   105        0 98765 2 0000000000000000 1095";

    #[test]
    fn lines_are_taken_apart_in_both_lengths() {
        let parsed = |local: &str| parse(&format!(" 12: {local} {ANY} {REST}"));
        let v4 = u32::from_ne_bytes([10, 78, 1, 2]);
        let expected = Socket {
            local: "10.78.1.2:53".parse().unwrap(),
            peer: "0.0.0.0:0".parse().unwrap(),
            inode: 98765,
        };
        assert_eq!(parsed(&format!("{v4:08X}:0035")), Some(expected));
        let v6: Ipv6Addr = "fd78:1::2".parse().unwrap();
        let words: String = v6
            .octets()
            .chunks(4)
            .map(|word| format!("{:08X}", u32::from_ne_bytes(word.try_into().unwrap())))
            .collect();
        let local = parsed(&format!("{words}:14E9")).map(|socket| socket.local);
        assert_eq!(local, Some("[fd78:1::2]:5353".parse().unwrap()));
        for junk in [
            "0:35",
            "0A4E0102",
            "zzzzzzzz:0035",
            "äöüä:0035",
            "00000000:zz",
        ] {
            assert_eq!(parsed(junk), None, "{junk:?}");
        }
        let header = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
        assert_eq!(parse(header), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([0-9A-F]{0,33}[: ]){0,30}") {
            let _ = parse(&text);
        }
    }
}
