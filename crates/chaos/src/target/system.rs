//! The resolver that this host uses.

use std::fs::File;
use std::io;
use std::io::Read;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use anyhow::anyhow;

use super::DNS_PORT;
use super::Reach;
use super::parse_host;

/// Where the stub of systemd-resolved listens.
const STUB: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);

/// Sockets of this process's network namespace.
const PROC_UDP: &str = "/proc/net/udp";

/// resolv.conf(5).
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// More than any resolv.conf needs, and half a million sockets in /proc/net/udp
/// (128 octets each): beyond that nothing is read.
const RESOLV_CONF_MAX: u64 = 64 * 1024;
const PROC_UDP_MAX: u64 = 64 * 1024 * 1024;

/// The stub on 127.0.0.53 if something listens there, else the first
/// nameserver of resolv.conf.
pub(super) fn resolver() -> anyhow::Result<SocketAddr> {
    // Without IPv4 or /proc there is no such stub either.
    let sockets = read_bounded(Path::new(PROC_UDP), PROC_UDP_MAX).unwrap_or_default();
    if listens_on(&sockets, STUB, DNS_PORT) {
        return Ok((STUB, DNS_PORT).into());
    }
    let conf = read_bounded(Path::new(RESOLV_CONF), RESOLV_CONF_MAX).with_context(|| {
        format!(
            "{RESOLV_CONF} cannot be read to find this host's resolver; name one with --server ADDR"
        )
    })?;
    first_nameserver(&conf).ok_or_else(|| {
        anyhow!("{RESOLV_CONF} names no usable nameserver; name one with --server ADDR")
    })
}

fn read_bounded(path: &Path, max: u64) -> io::Result<String> {
    let mut octets = Vec::new();
    File::open(path)?.take(max).read_to_end(&mut octets)?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

/// Whether /proc/net/udp has a socket that takes what is sent to the address:
/// bound to it or to the wildcard, and not connected to a peer.
///
/// Lines read `sl local_address rem_address …` with an address as the number
/// that the octets form in memory, in hexadecimal (proc_pid_net(5)).
fn listens_on(proc_net_udp: &str, ip: Ipv4Addr, port: u16) -> bool {
    let endpoint = |text: &str| -> Option<(Ipv4Addr, u16)> {
        let (ip, port) = text.split_once(':')?;
        let ip = u32::from_str_radix(ip, 16).ok()?.to_ne_bytes();
        Some((ip.into(), u16::from_str_radix(port, 16).ok()?))
    };
    proc_net_udp.lines().skip(1).any(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let local = fields.next().and_then(endpoint);
        let peer = fields.next().and_then(endpoint);
        let bound = local == Some((ip, port)) || local == Some((Ipv4Addr::UNSPECIFIED, port));
        bound && peer == Some((Ipv4Addr::UNSPECIFIED, 0))
    })
}

/// The first nameserver that is an address of a server. As glibc does, a
/// keyword counts at the start of a line only, and what cannot be read is
/// passed over.
fn first_nameserver(conf: &str) -> Option<SocketAddr> {
    conf.lines()
        .filter_map(|line| line.strip_prefix("nameserver"))
        .filter(|rest| rest.starts_with([' ', '\t']))
        .filter_map(|rest| rest.split_ascii_whitespace().next())
        .filter_map(|address| parse_host(address, DNS_PORT))
        .find(|server| Reach::is_unicast(server.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_usable_nameserver_is_taken() {
        let cases = [
            ("nameserver 10.0.0.2\nnameserver 10.0.0.3\n", "10.0.0.2:53"),
            (
                "# nameserver 1.1.1.1\r\nnameserver\t10.0.0.2 # here\r\n",
                "10.0.0.2:53",
            ),
            (" nameserver 10.0.0.1\nnameserver 10.0.0.2", "10.0.0.2:53"),
            (
                "nameserver dns.example\nnameserver fd00::1\n",
                "[fd00::1]:53",
            ),
            (
                "nameserver\nnameservers 10.0.0.1\nnameserver fe80::1%1\n",
                "[fe80::1%1]:53",
            ),
            ("nameserver 0.0.0.0\nnameserver 10.0.0.2\n", "10.0.0.2:53"),
        ];
        for (conf, expected) in cases {
            let server = first_nameserver(conf).map(|server| server.to_string());
            assert_eq!(server.as_deref(), Some(expected), "{conf:?}");
        }
        for conf in [
            "",
            "search example\noptions edns0\n",
            "nameserver \u{fffd}\n",
        ] {
            assert_eq!(first_nameserver(conf), None, "{conf:?}");
        }
    }

    #[test]
    fn a_listener_on_the_address_or_on_all_is_found() {
        let line = |local: Ipv4Addr, port: u16, peer: Ipv4Addr| {
            let hex = |ip: Ipv4Addr| format!("{:08X}", u32::from_ne_bytes(ip.octets()));
            format!(
                "  sl  local_address rem_address   st\n  9: {}:{port:04X} {}:0000 07 0\n",
                hex(local),
                hex(peer)
            )
        };
        let any = Ipv4Addr::UNSPECIFIED;
        let peer = Ipv4Addr::new(10, 0, 0, 1);
        assert!(listens_on(&line(STUB, 53, any), STUB, 53));
        assert!(listens_on(&line(any, 53, any), STUB, 53));
        assert!(!listens_on(
            &line(Ipv4Addr::new(127, 0, 0, 54), 53, any),
            STUB,
            53
        ));
        assert!(!listens_on(&line(STUB, 5353, any), STUB, 53));
        assert!(!listens_on(&line(STUB, 53, peer), STUB, 53));
        for junk in [
            "",
            "x\n",
            "x\n:\n",
            "x\n 0: 3500007F 0\n",
            "x\n 0: Z:Z Z:Z\n",
        ] {
            assert!(!listens_on(junk, STUB, 53), "{junk:?}");
        }
    }

    #[test]
    fn live_the_kernel_agrees_on_the_form() {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let sockets = read_bounded(Path::new(PROC_UDP), PROC_UDP_MAX).unwrap();
        assert!(listens_on(&sockets, Ipv4Addr::LOCALHOST, port));
        assert!(!listens_on(&sockets, Ipv4Addr::new(127, 0, 0, 2), port));
    }
}
