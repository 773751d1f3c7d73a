//! Which addresses a flood may go to.

use std::net::IpAddr;

/// Whether it is neither this host's (127.0.0.0/8, `::1`) nor of the user's own
/// networks (RFC 1918; unique local, RFC 4193; link-local, RFC 3927 and RFC 4291), so
/// that it is possibly somebody else's. Shared addresses (RFC 6598) are: those belong
/// to the provider. An IPv4-mapped address is the IPv4 that it is.
pub(super) fn is_public(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let is_private = match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    !ip.is_loopback() && !is_private
}

/// Whether one host can have the address.
pub(super) fn is_unicast(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_every_range() {
        let table = [
            ("126.255.255.255", true),
            ("127.0.0.0", false),
            ("127.255.255.255", false),
            ("128.0.0.0", true),
            ("9.255.255.255", true),
            ("10.0.0.0", false),
            ("10.255.255.255", false),
            ("11.0.0.0", true),
            ("172.15.255.255", true),
            ("172.16.0.0", false),
            ("172.31.255.255", false),
            ("172.32.0.0", true),
            ("192.167.255.255", true),
            ("192.168.0.0", false),
            ("192.168.255.255", false),
            ("192.169.0.0", true),
            ("169.253.255.255", true),
            ("169.254.0.0", false),
            ("169.254.169.253", false),
            ("169.255.0.0", true),
            ("100.64.0.1", true),
            ("::1", false),
            ("::2", true),
            ("fbff:ffff::1", true),
            ("fc00::", false),
            ("fdff:ffff::1", false),
            ("fe00::1", true),
            ("fe80::", false),
            ("febf:ffff::1", false),
            ("fec0::1", true),
            ("2001:db8::1", true),
            ("::ffff:127.0.0.1", false),
            ("::ffff:10.1.1.1", false),
            ("::ffff:11.0.0.1", true),
        ];
        for (text, expected) in table {
            assert_eq!(is_public(text.parse().unwrap()), expected, "{text}");
        }
    }
}
