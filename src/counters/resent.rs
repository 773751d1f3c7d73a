//! Segments of TCP to DNS servers that were sent again.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use anyhow::Result;
use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use kerno_counters::net;
use kerno_counters::net::Connection;

use super::Running;

/// Counts them from now on, until it is dropped. It runs when a segment is sent again.
#[derive(Debug)]
pub struct ResentWatch(Running);

/// Whose segments: network namespace and port of a client, and the address of its server,
/// at port 53.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub struct TcpClient {
    /// Inode number of the network namespace.
    pub netns: u32,
    /// The server.
    pub server: IpAddr,
    /// The client's port.
    pub port: u16,
}

/// What was sent again on one connection, or on several with the same port, one after
/// another.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resent {
    /// Segments.
    pub segments: u64,
    /// Of these, those that were to open the connection.
    pub openings: u64,
    /// When the first was sent again, in nanoseconds of `CLOCK_MONOTONIC`.
    pub first_ns: u64,
    /// When the last was.
    pub last_ns: u64,
}

impl Resent {
    /// What was counted after `before`; `None` for nothing.
    pub fn since(&self, before: &Self) -> Option<Self> {
        let segments = self.segments.checked_sub(before.segments);
        // The kernel's table may have forgotten it meanwhile, and begun anew.
        let Some(segments) = segments else {
            return Some(*self);
        };
        (segments > 0).then_some(Self {
            segments,
            openings: self.openings.saturating_sub(before.openings),
            // When the first of them was is not kept; it was not before this.
            first_ns: before.last_ns,
            last_ns: self.last_ns,
        })
    }

    /// Adds what was counted after it.
    pub fn absorb(&mut self, next: Self) {
        self.segments += next.segments;
        self.openings += next.openings;
        self.first_ns = self.first_ns.min(next.first_ns);
        self.last_ns = self.last_ns.max(next.last_ns);
    }
}

/// The counter that tells of them.
const COUNTER: &str = "dns_retransmits";

impl ResentWatch {
    /// Attaches its program. Where this kernel lacks the hook, the error says so.
    pub fn start() -> Result<Self> {
        let running = Running::of("net", |program| program.gives.contains(&COUNTER))?;
        match running.missing().into_iter().next() {
            Some((_, reason)) => Err(anyhow::anyhow!(reason)),
            None => Ok(Self(running)),
        }
    }

    /// All that was sent again since it began.
    pub fn read(&self) -> Result<Vec<(TcpClient, Resent)>> {
        let all = net::RESENT.read(&self.0.loaded)?.into_iter();
        Ok(all
            .map(|(connection, it)| {
                let resent = Resent {
                    segments: it.segments,
                    openings: it.openings,
                    first_ns: it.first_ns,
                    last_ns: it.last_ns,
                };
                (client(&connection), resent)
            })
            .collect())
    }
}

/// A socket of IPv6 may have a peer of IPv4, which it writes as `::ffff:10.0.0.53`.
fn client(connection: &Connection) -> TcpClient {
    let server = match connection.v4 {
        0 => IpAddr::from(Ipv6Addr::from(connection.v6)).to_canonical(),
        v4 => Ipv4Addr::from(v4.to_ne_bytes()).into(),
    };
    TcpClient {
        netns: connection.netns,
        server,
        port: connection.port.try_into().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_kernel_has_them() {
        let connection = |v4: [u8; 4], v6: &str| Connection {
            v6: v6.parse::<Ipv6Addr>().expect("an address").octets(),
            v4: u32::from_ne_bytes(v4),
            netns: 7,
            port: 40_000,
        };
        let server = |v4, v6| client(&connection(v4, v6)).server.to_string();
        assert_eq!(server([10, 0, 0, 53], "::"), "10.0.0.53");
        assert_eq!(server([0; 4], "::ffff:10.0.0.53"), "10.0.0.53");
        assert_eq!(server([0; 4], "2001:db8::53"), "2001:db8::53");
        let client = client(&connection([10, 0, 0, 53], "::"));
        assert_eq!((client.netns, client.port), (7, 40_000));
    }
}
