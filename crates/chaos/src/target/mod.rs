//! Where a flood goes: kerno's own server, or one that somebody named.

mod reach;

use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::SocketAddrV6;
use std::str::FromStr;

use anyhow::Context as _;
use anyhow::bail;

use reach::is_public;
use reach::is_unicast;

/// The port of DNS (RFC 1035 section 4.2).
pub const DNS_PORT: u16 = 53;

/// Longest form: an IPv6 address with brackets, interface name and port.
const TEXT_MAX: usize = 80;

/// What the user chose with `--server`, or did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// kerno's own server on a loopback address.
    #[default]
    Embedded,
    /// The resolver that this host uses.
    System,
    /// A server by its address.
    Server(SocketAddr),
}

impl FromStr for Choice {
    type Err = anyhow::Error;

    /// `system`, or an address with or without a port (53 without). An error says
    /// what is an address.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        if text == "system" {
            return Ok(Self::System);
        }
        let address = parse_address(text).with_context(|| {
            let start: String = text.chars().take(TEXT_MAX).collect();
            format!(
                "{start:?} is not the address of a DNS server; write 192.0.2.1, 192.0.2.1:5353, \
                 2001:db8::1, [2001:db8::1]:5353 or system"
            )
        })?;
        Ok(Self::Server(address))
    }
}

impl Choice {
    /// The server to flood, or `None` for the embedded one. `system` knows the
    /// resolver of this host.
    ///
    /// # Errors
    ///
    /// A server outside loopback and private ranges, unless `yes_flood_it`, and
    /// those of `system`. Each is one sentence with its remedy.
    pub fn resolve(
        self,
        yes_flood_it: bool,
        system: fn() -> anyhow::Result<SocketAddr>,
    ) -> anyhow::Result<Option<SocketAddr>> {
        let server = match self {
            Self::Embedded => return Ok(None),
            Self::System => system()?,
            Self::Server(server) => server,
        };
        if is_public(server.ip()) && !yes_flood_it {
            bail!(
                "{server} is outside loopback and private address ranges and may be somebody \
                 else's server; if flooding it is yours to decide, add --yes-flood-it"
            );
        }
        Ok(Some(server))
    }
}

/// `None` for anything that no server can have: port 0, an unspecified,
/// multicast or broadcast address.
fn parse_address(text: &str) -> Option<SocketAddr> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            // Brackets are for IPv6 (RFC 3986 section 3.2.2).
            let (host, after) = rest
                .split_once(']')
                .filter(|(host, _)| host.contains(':'))?;
            match after {
                "" => (host, None),
                _ => (host, Some(after.strip_prefix(':')?)),
            }
        }
        // A single colon can't be IPv6, which has at least two.
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (text, None),
        },
    };
    let port = match port {
        // FromStr would take a sign as well.
        Some(digits) if !digits.bytes().all(|b| b.is_ascii_digit()) => return None,
        Some(digits) => digits.parse().ok().filter(|&port| port != 0)?,
        None => DNS_PORT,
    };
    let server = parse_host(host, port)?;
    is_unicast(server.ip()).then_some(server)
}

/// IPv4, or IPv6 with a zone after `%` where it is link-local (RFC 4007 section 11).
fn parse_host(host: &str, port: u16) -> Option<SocketAddr> {
    let Some((address, zone)) = host.split_once('%') else {
        let ip: IpAddr = host.parse().ok()?;
        return Some((ip.to_canonical(), port).into());
    };
    let address: Ipv6Addr = address.parse().ok()?;
    let zone = match zone.parse() {
        Ok(index) => index,
        Err(_) => nix::net::if_::if_nametoindex(zone).ok()?,
    };
    Some(SocketAddrV6::new(address, port, 0, zone).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> String {
        match text.parse() {
            Ok(Choice::Server(server)) => server.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn every_form_of_an_address_is_read() {
        let cases = [
            ("127.0.0.1", "127.0.0.1:53"),
            ("127.0.0.1:5353", "127.0.0.1:5353"),
            ("::1", "[::1]:53"),
            ("[::1]", "[::1]:53"),
            ("[::1]:65535", "[::1]:65535"),
            ("fd00::1:53", "[fd00::1:53]:53"),
            ("fe80::1%1", "[fe80::1%1]:53"),
            ("[fe80::1%lo]:99", "[fe80::1%1]:99"),
            ("::ffff:10.0.0.1", "10.0.0.1:53"),
            ("[::ffff:10.0.0.1]:54", "10.0.0.1:54"),
        ];
        for (text, expected) in cases {
            assert_eq!(server(text), expected, "{text}");
        }
        assert_eq!("system".parse::<Choice>().unwrap(), Choice::System);
    }

    #[test]
    fn what_is_no_server_is_refused_with_the_forms() {
        let long = "1".repeat(10_000);
        let cases = [
            "",
            ":",
            "]",
            "[",
            "[]",
            "[]:53",
            "dns.example",
            "localhost",
            "127.0.0.1:",
            "127.0.0.1:0",
            "127.0.0.1:65536",
            "127.0.0.1:+53",
            "127.0.0.1:-1",
            "[::1]53",
            "[::1]:",
            "[::1",
            "::1]",
            "[127.0.0.1]:53",
            "127.1",
            "0.0.0.0",
            "::",
            "224.0.0.251",
            "ff02::fb",
            "255.255.255.255",
            "10.0.0.1%lo",
            "fe80::1%no-such-zone",
            "SYSTEM",
            " 127.0.0.1",
            &long,
        ];
        for text in cases {
            let message = text.parse::<Choice>().unwrap_err().to_string();
            assert!(message.contains("[2001:db8::1]:5353"), "{message}");
            assert!(message.len() < 300, "{message}");
        }
    }

    #[test]
    fn a_public_server_takes_a_deliberate_word() {
        let choice: Choice = "192.0.2.1".parse().unwrap();
        let system = || Ok(([127, 0, 0, 53], 53).into());
        let message = choice.resolve(false, system).unwrap_err().to_string();
        assert!(message.contains("--yes-flood-it"), "{message}");
        let expected = "192.0.2.1:53".parse().unwrap();
        assert_eq!(choice.resolve(true, system).unwrap(), Some(expected));

        let near: Choice = "127.0.0.1:5353".parse().unwrap();
        assert!(near.resolve(false, system).unwrap().is_some());
        assert_eq!(Choice::default().resolve(false, system).unwrap(), None);
        let system = Choice::System.resolve(false, system).unwrap();
        assert_eq!(system, Some(([127, 0, 0, 53], 53).into()));
    }
}
