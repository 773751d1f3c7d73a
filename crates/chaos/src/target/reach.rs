//! How far an address reaches: what may be flooded without a further word.

use std::net::IpAddr;

/// Whose an address can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This host: 127.0.0.0/8 (RFC 1122), `::1`.
    Loopback,
    /// The user's own networks: RFC 1918, unique local (RFC 4193), link-local
    /// (RFC 3927 and RFC 4291).
    Private,
    /// Possibly somebody else's. Shared addresses (RFC 6598) are among them:
    /// those belong to the provider.
    Public,
}

impl Reach {
    /// The reach of an address; an IPv4-mapped one is the IPv4 that it is.
    pub fn of(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        let private = match ip {
            IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
        };
        if ip.is_loopback() {
            Self::Loopback
        } else if private {
            Self::Private
        } else {
            Self::Public
        }
    }

    /// Whether one host can have the address.
    pub(super) fn is_unicast(ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
        !ip.is_unspecified() && !ip.is_multicast() && !broadcast
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_every_range() {
        let table = [
            ("126.255.255.255", Reach::Public),
            ("127.0.0.0", Reach::Loopback),
            ("127.255.255.255", Reach::Loopback),
            ("128.0.0.0", Reach::Public),
            ("9.255.255.255", Reach::Public),
            ("10.0.0.0", Reach::Private),
            ("10.255.255.255", Reach::Private),
            ("11.0.0.0", Reach::Public),
            ("172.15.255.255", Reach::Public),
            ("172.16.0.0", Reach::Private),
            ("172.31.255.255", Reach::Private),
            ("172.32.0.0", Reach::Public),
            ("192.167.255.255", Reach::Public),
            ("192.168.0.0", Reach::Private),
            ("192.168.255.255", Reach::Private),
            ("192.169.0.0", Reach::Public),
            ("169.253.255.255", Reach::Public),
            ("169.254.0.0", Reach::Private),
            ("169.254.169.253", Reach::Private),
            ("169.255.0.0", Reach::Public),
            ("100.64.0.1", Reach::Public),
            ("::1", Reach::Loopback),
            ("::2", Reach::Public),
            ("fbff:ffff::1", Reach::Public),
            ("fc00::", Reach::Private),
            ("fdff:ffff::1", Reach::Private),
            ("fe00::1", Reach::Public),
            ("fe80::", Reach::Private),
            ("febf:ffff::1", Reach::Private),
            ("fec0::1", Reach::Public),
            ("2001:db8::1", Reach::Public),
            ("::ffff:127.0.0.1", Reach::Loopback),
            ("::ffff:10.1.1.1", Reach::Private),
            ("::ffff:11.0.0.1", Reach::Public),
        ];
        for (text, expected) in table {
            assert_eq!(Reach::of(text.parse().unwrap()), expected, "{text}");
        }
    }
}
