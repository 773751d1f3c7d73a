//! `/proc/…/net/fib_trie` and `if_inet6`: whether an address is one of a network namespace
//! itself, so that what is sent to it goes no further.

use std::net::IpAddr;

use super::Root;
use super::route;

/// Some 80,000 addresses of IPv6.
const TABLE_MAX: u64 = 4 << 20;

/// Of the namespace whose `/proc/…/net` folder this is; `None` if that cannot be read.
pub fn is_own(net: &Root, ip: IpAddr) -> Option<bool> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => route::is_own_v4(net, ip),
        IpAddr::V6(ip) => {
            let mut lines = net.lines("if_inet6", TABLE_MAX).ok()?;
            Some(lines.any(|line| parse(&line) == Some(ip.into())))
        }
    }
}

/// `address index prefix scope flags device`, the address as 32 digits.
pub(super) fn parse(line: &str) -> Option<u128> {
    let digits = line.split_ascii_whitespace().next()?;
    (digits.len() == 32)
        .then(|| u128::from_str_radix(digits, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn own_addresses_are_told_from_those_behind() {
        let folder = tempfile::tempdir().unwrap();
        let net = Root::at(folder.path());
        let own = |ip: &str| is_own(&net, ip.parse().unwrap());
        assert_eq!((own("10.0.0.1"), own("fd00::2")), (None, None));
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.0.0\n        /24 link UNICAST\n     \
                    |-- 10.0.0.1\n        /32 host LOCAL\n     |-- 10.0.0.255\n        /32 link BROADCAST\n";
        fs::write(net.path("fib_trie"), trie).unwrap();
        fs::write(
            net.path("if_inet6"),
            "fd000000000000000000000000000002 04 40 00 82     eth0\n",
        )
        .unwrap();
        let all = ["10.0.0.1", "10.0.0.2", "10.0.0.255", "fd00::2", "fd00::3"];
        let expected = [true, false, false, true, false].map(Some);
        assert_eq!(all.map(own), expected);
        assert_eq!(own("::ffff:10.0.0.1"), Some(true));
    }

    #[test]
    fn live_loopback_is_of_this_namespace() {
        let net = Root::default().below("proc/self/net");
        let own = |ip: &str| is_own(&net, ip.parse().unwrap());
        assert_eq!(
            (own("127.0.0.1"), own("198.51.100.77")),
            (Some(true), Some(false))
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_the_kernel_writes_is_read(ip: u128) {
            prop_assert_eq!(parse(&format!("{ip:032x} 01 80 10 80 lo")), Some(ip));
            prop_assert_eq!(Ipv6Addr::from(ip).to_string().parse::<Ipv6Addr>().map(u128::from), Ok(ip));
        }
    }
}
