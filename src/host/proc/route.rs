//! `/proc/…/net/route`, `ipv6_route` and `fib_trie`: whether a network namespace has
//! a route to an address.

use std::net::IpAddr;
use std::net::Ipv4Addr;

use super::Root;

/// A router with the whole internet in its table has more, and then the answer
/// is not known.
const TABLE_MAX: u64 = 4 << 20;

/// include/uapi/linux/route.h
const RTF_UP: u32 = 0x1;
const RTF_REJECT: u32 = 0x200;

#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    network: u128,
    /// Length of the prefix.
    bits: u32,
    metric: u32,
    rejects: bool,
}

/// Looks into the tables of the namespace whose `/proc/…/net` folder this is:
/// for IPv4 the main table and the namespace's own addresses, for IPv6 all
/// tables as if they were one. Routing rules are not in procfs, so this says what
/// is usual, not what is certain. `None` if the tables cannot be read.
pub fn is_known(net: &Root, ip: IpAddr) -> Option<bool> {
    match ip {
        IpAddr::V4(ip) if ip.is_loopback() => Some(true),
        IpAddr::V4(ip) => {
            let mut routes = parse_v4(&whole(net, "route")?);
            let ip = u32::from(ip).into();
            if leads(&routes, ip, 32) {
                return Some(true);
            }
            routes.extend(parse_own(&whole(net, "fib_trie")?));
            Some(leads(&routes, ip, 32))
        }
        IpAddr::V6(ip) => {
            let routes = parse_v6(&whole(net, "ipv6_route")?);
            Some(leads(&routes, u128::from(ip), 128))
        }
    }
}

/// Whether the address is one of the namespace itself; `None` if that cannot be read.
pub(super) fn is_own_v4(net: &Root, ip: Ipv4Addr) -> Option<bool> {
    let own = parse_own(&whole(net, "fib_trie")?);
    Some(leads(&own, u32::from(ip).into(), 32))
}

/// `None` if there is more than is read: the route may be in the rest.
fn whole(net: &Root, table: &str) -> Option<String> {
    let text = net.text(table, TABLE_MAX).ok()?;
    ((text.len() as u64) < TABLE_MAX).then_some(text)
}

/// The longest prefix decides, then the lowest metric.
pub(super) fn leads(routes: &[Route], ip: u128, width: u32) -> bool {
    let below = |bits: u32| width.saturating_sub(bits);
    let network = |bits: u32| ip.checked_shr(below(bits)).unwrap_or(0);
    let best = routes
        .iter()
        .filter(|route| {
            route.network.checked_shr(below(route.bits)).unwrap_or(0) == network(route.bits)
        })
        .max_by_key(|route| (route.bits, std::cmp::Reverse(route.metric)));
    best.is_some_and(|route| !route.rejects)
}

fn hexadecimal(fields: &[&str], field: usize) -> Option<u32> {
    u32::from_str_radix(fields.get(field)?, 16).ok()
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`; addresses are the
/// number that their octets form in memory, in hexadecimal.
pub(super) fn parse_v4(text: &str) -> Vec<Route> {
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let flags = hexadecimal(&fields, 3)?;
            (flags & RTF_UP != 0).then_some(())?;
            Some(Route {
                network: u32::from_be(hexadecimal(&fields, 1)?).into(),
                bits: hexadecimal(&fields, 7)?.count_ones(),
                metric: fields.get(6)?.parse().ok()?,
                rejects: flags & RTF_REJECT != 0,
            })
        })
        .collect()
}

/// `destination bits source bits next_hop metric refs use flags device`, all in
/// hexadecimal, addresses as 32 digits in network order.
pub(super) fn parse_v6(text: &str) -> Vec<Route> {
    text.lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let network = fields.first().filter(|digits| digits.len() == 32)?;
            let flags = hexadecimal(&fields, 8)?;
            (flags & (RTF_UP | RTF_REJECT) != 0).then_some(())?;
            Some(Route {
                network: u128::from_str_radix(network, 16).ok()?,
                bits: hexadecimal(&fields, 1).filter(|bits| *bits <= 128)?,
                metric: hexadecimal(&fields, 5)?,
                rejects: flags & RTF_REJECT != 0,
            })
        })
        .collect()
}

/// What belongs to the namespace itself: a line with a network, then one for
/// each prefix of it.
pub(super) fn parse_own(fib_trie: &str) -> Vec<Route> {
    let mut network: Option<u32> = None;
    fib_trie
        .lines()
        .filter_map(|line| {
            let line = line.trim();
            if let Some(leaf) = line.strip_prefix("|-- ") {
                network = leaf.parse().ok().map(|it: Ipv4Addr| it.into());
            }
            let bits = line.strip_prefix('/')?.strip_suffix(" host LOCAL")?;
            Some(Route {
                network: network?.into(),
                bits: bits.parse().ok().filter(|bits| *bits <= 32)?,
                metric: 0,
                rejects: false,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::*;

    const V4: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
cable\t00004D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t0000600A\t0100000A\t0003\t0\t0\t100\t0000FFFF\t0\t0\t0
*\t0A00600A\t00000000\t0201\t0\t0\t0\tFFFFFFFF\t0\t0\t0
down\t00000000\t00000000\t0000\t0\t0\t0\t00000000\t0\t0\t0
";
    const V6: &str = "\
fd770000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001    cable
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
00000000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000003 00000000 80200001       lo
";

    fn v4(text: &str, ip: &str) -> bool {
        let ip: Ipv4Addr = ip.parse().unwrap();
        leads(&parse_v4(text), u32::from(ip).into(), 32)
    }

    fn v6(text: &str, ip: &str) -> bool {
        let ip: Ipv6Addr = ip.parse().unwrap();
        leads(&parse_v6(text), ip.into(), 128)
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_longest_prefix_decides() {
        assert!(v4(V4, "10.77.0.2"));
        assert!(v4(V4, "10.96.0.11"));
        assert!(!v4(V4, "10.96.0.10"), "an unreachable route");
        assert!(!v4(V4, "192.0.2.1"), "the default route is down");
        assert!(!v4("", "10.77.0.2"));
        let default = V4.replace("\t0000\t0\t0\t0\t00000000", "\t0003\t0\t0\t0\t00000000");
        assert!(v4(&default, "192.0.2.1"));
    }

    #[test]
    fn the_null_entry_of_ipv6_leads_nowhere() {
        assert!(v6(V6, "fd77::2"));
        assert!(v6(V6, "::1"));
        assert!(!v6(V6, "2001:db8::1"));
    }

    #[test]
    fn own_addresses_are_reached_without_a_route() {
        let trie = "\
Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.1.0.0
        /24 link UNICAST
     |-- 10.1.0.9
        /32 host LOCAL
     |-- 10.77.0.0
        /24 host LOCAL
";
        let own = |ip: [u8; 4]| leads(&parse_own(trie), u32::from_be_bytes(ip).into(), 32);
        assert!(own([10, 1, 0, 9]));
        assert!(own([10, 77, 0, 2]), "a network on the loopback");
        assert!(!own([10, 1, 0, 0]));
        assert!(!own([10, 78, 0, 2]));
        assert!(parse_own("/32 host LOCAL\n|-- x\n/99 host LOCAL\n").is_empty());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([0-9A-Fa-f]{0,33}[\t ]|\n){0,60}") {
            let _ = leads(&parse_v4(&text), 1, 32);
            let _ = leads(&parse_v6(&text), 1, 128);
        }
    }

    #[test]
    fn live_the_running_kernel_agrees_on_the_form() {
        let known = |ip: &str| is_known(&Root::at("/proc/self/net"), ip.parse().unwrap());
        assert_eq!(known("127.0.0.53"), Some(true));
        assert!(known("192.0.2.1").is_some());
    }
}
