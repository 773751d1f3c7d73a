//! The table of the mix: what is asked of whom, and how it ends.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use Transport::Tcp;
use Transport::Udp;
use serde::Serialize;

/// What carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// RFC 1035 section 4.2.1.
    Udp,
    /// RFC 7766.
    Tcp,
}

/// How the queries of a part end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The server answers each.
    Answered,
    /// The server takes each and says nothing.
    Unanswered,
    /// The server says nothing to the first message of a lookup and answers the
    /// second, which is the same again.
    AnsweredWhenResent,
    /// Nobody listens, and the socket is told so: it is connected.
    Refused,
    /// Nobody listens, and the socket is not told: it is not connected
    /// (RFC 1122 section 4.1.3.3 leaves that to the system; Linux tells only
    /// connected sockets). Only the kernel knows.
    Unheard,
}

#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) end: End,
    pub(super) transport: Transport,
    pub(super) address: IpAddr,
    /// Lookups in a round.
    pub(super) lookups: u32,
}

/// Loopback, but neither 127.0.0.1 nor the addresses of systemd-resolved. Each
/// part over IPv4 has an address of its own, so that a report by server tells
/// them apart; IPv6 has but one loopback address.
const fn v4(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 53, 53, last))
}

const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

const fn part(
    name: &'static str,
    end: End,
    transport: Transport,
    address: IpAddr,
    lookups: u32,
) -> Part {
    Part {
        name,
        end,
        transport,
        address,
        lookups,
    }
}

/// The numbers differ so that no two parts can be taken for each other, and no
/// part's absence is made up for by another's.
pub(super) const PARTS: &[Part] = &[
    part("answered-udp4", End::Answered, Udp, v4(61), 13),
    part("answered-udp6", End::Answered, Udp, V6, 9),
    part("answered-tcp4", End::Answered, Tcp, v4(62), 7),
    part("answered-tcp6", End::Answered, Tcp, V6, 5),
    part("unanswered-udp4", End::Unanswered, Udp, v4(63), 6),
    part("unanswered-udp6", End::Unanswered, Udp, V6, 4),
    part("resent-udp4", End::AnsweredWhenResent, Udp, v4(64), 3),
    part("resent-udp6", End::AnsweredWhenResent, Udp, V6, 2),
    part("refused-udp4", End::Refused, Udp, v4(65), 8),
    part("refused-udp6", End::Refused, Udp, V6, 3),
    part("refused-tcp4", End::Refused, Tcp, v4(66), 4),
    part("refused-tcp6", End::Refused, Tcp, V6, 2),
    part("unheard-udp4", End::Unheard, Udp, v4(67), 5),
    part("unheard-udp6", End::Unheard, Udp, V6, 1),
];
