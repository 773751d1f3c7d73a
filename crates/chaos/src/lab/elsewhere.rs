//! A DNS server outside, made of packets: no socket of this host has its queries, and what
//! it does not answer is lost without a trace.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use serde::Deserialize;
use serde::Serialize;

use super::server::Of;
use crate::target::DNS_PORT;
use crate::testbed::server::answer;

/// What it leaves unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Leaves {
    /// What comes from this address.
    From(Ipv4Addr),
    /// What comes so long after the first query, for so long.
    Meanwhile(Duration, Duration),
    /// Names of the group `bad`.
    Bad,
}

/// The server at work.
#[derive(Debug)]
pub(super) struct Elsewhere {
    leaves: Leaves,
    first: Option<Instant>,
}

impl Elsewhere {
    pub(super) fn new(leaves: Leaves) -> Self {
        Self {
            leaves,
            first: None,
        }
    }

    /// The packet that answers this one; `Some(None)` for a query that gets none.
    pub(super) fn reply(&mut self, packet: &[u8], now: Instant) -> Option<Option<Vec<u8>>> {
        let query = Query::of(packet)?;
        let first = *self.first.get_or_insert(now);
        let leaves = match self.leaves {
            Leaves::From(ip) => query.client.ip() == IpAddr::V4(ip),
            Leaves::Meanwhile(after, lasts) => {
                let since = now.duration_since(first);
                since >= after && since < after + lasts
            }
            Leaves::Bad => Of::Any.fits(query.message, false),
        };
        let message = answer(query.message).filter(|_| !leaves);
        Some(message.and_then(|it| query.answered_with(&it)))
    }
}

/// A query over UDP and IPv4 (RFC 791 section 3.1, RFC 768).
struct Query<'a> {
    client: SocketAddr,
    server: Ipv4Addr,
    message: &'a [u8],
}

const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const UDP: u8 = 17;

impl<'a> Query<'a> {
    fn of(packet: &'a [u8]) -> Option<Self> {
        let header = usize::from(packet.first()? & 0x0f) * 4;
        if packet[0] >> 4 != 4 || *packet.get(9)? != UDP {
            return None;
        }
        let total = u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?);
        let udp = packet.get(header..usize::from(total))?;
        let port = |at: usize| Some(u16::from_be_bytes(udp.get(at..at + 2)?.try_into().ok()?));
        let ip = |at: usize| {
            let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
            Some(Ipv4Addr::from(octets))
        };
        (port(2)? == DNS_PORT).then_some(Self {
            client: SocketAddr::new(ip(12)?.into(), port(0)?),
            server: ip(16)?,
            message: udp.get(UDP_HEADER..)?,
        })
    }

    fn answered_with(&self, message: &[u8]) -> Option<Vec<u8>> {
        let IpAddr::V4(client) = self.client.ip() else {
            return None;
        };
        let udp = u16::try_from(UDP_HEADER + message.len()).ok()?;
        let total = udp.checked_add(IP_HEADER as u16)?;
        let mut packet = vec![0x45, 0];
        packet.extend(total.to_be_bytes());
        // No identification, no fragments (DF), 64 hops, no checksum yet.
        packet.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
        packet.extend(self.server.octets());
        packet.extend(client.octets());
        let sum = checksum(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend(DNS_PORT.to_be_bytes());
        packet.extend(self.client.port().to_be_bytes());
        packet.extend(udp.to_be_bytes());
        // Over IPv4 a datagram may be without a checksum.
        packet.extend([0, 0]);
        packet.extend(message);
        Some(packet)
    }
}

/// RFC 1071 section 1.
fn checksum(octets: &[u8]) -> u16 {
    let words = octets.chunks(2).map(|it| match *it {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use domain::base::Message;
    use domain::base::MessageBuilder;
    use domain::base::Name;
    use domain::base::iana::Rtype;

    use super::*;

    fn packet(client: [u8; 4], name: &str) -> Vec<u8> {
        let mut builder = MessageBuilder::new_vec().question();
        let name = Name::vec_from_str(name).unwrap();
        builder.push((&name, Rtype::A)).unwrap();
        let asked = Query {
            client: SocketAddr::new([203, 0, 113, 53].into(), DNS_PORT),
            server: client.into(),
            message: &[],
        };
        asked.answered_with(&builder.finish()).unwrap()
    }

    #[test]
    fn a_query_is_answered_to_where_it_came_from() {
        let mut server = Elsewhere::new(Leaves::Bad);
        let now = Instant::now();
        let query = packet([10, 0, 0, 7], "q1.good.lab.test");
        let answer = server.reply(&query, now).flatten().unwrap();
        assert_eq!(checksum(&answer[..IP_HEADER]), 0);
        assert_eq!(answer[12..16], [203, 0, 113, 53]);
        assert_eq!(answer[16..20], [10, 0, 0, 7]);
        let message = Message::from_octets(&answer[IP_HEADER + UDP_HEADER..]).unwrap();
        assert_eq!(message.header_counts().ancount(), 1);
        let bad = packet([10, 0, 0, 7], "q1.bad.lab.test");
        assert_eq!(server.reply(&bad, now), Some(None));
        for len in 0..IP_HEADER + UDP_HEADER {
            assert_eq!(server.reply(&query[..len], now), None, "{len}");
        }
    }

    #[test]
    fn it_leaves_out_a_client_or_a_time() {
        let query = |last| packet([10, 0, 0, last], "q1.good.lab.test");
        let now = Instant::now();
        let mut server = Elsewhere::new(Leaves::From([10, 0, 0, 7].into()));
        assert_eq!(server.reply(&query(7), now), Some(None));
        assert!(server.reply(&query(8), now).flatten().is_some());
        let (after, lasts) = (Duration::from_secs(2), Duration::from_secs(3));
        let mut server = Elsewhere::new(Leaves::Meanwhile(after, lasts));
        let mut answers = |secs| {
            let now = now + Duration::from_secs(secs);
            server.reply(&query(7), now).flatten().is_some()
        };
        assert!(answers(0) && answers(1) && !answers(2) && !answers(4) && answers(5));
    }
}
