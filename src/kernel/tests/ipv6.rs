//! IPv6 extension headers, RFC 8200 section 4.

use super::super::counters::Counters;
use super::message::Dns;
use super::packet::Path;
use super::packet::UDP;
use super::programs::BOTH;
use super::programs::Programs;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// A chain of extension headers; the number of the first, and the octets.
fn chain(headers: &[(u8, Vec<u8>)], last: u8) -> (u8, Vec<u8>) {
    let mut octets = Vec::new();
    for (place, (_, header)) in headers.iter().enumerate() {
        let next = headers.get(place + 1).map_or(last, |(number, _)| *number);
        octets.push(next);
        octets.extend(header);
    }
    (headers.first().map_or(last, |(number, _)| *number), octets)
}

/// Hop-by-hop, routing or destination options of `units` times eight octets,
/// without the first octet.
fn options(number: u8, units: u8) -> (u8, Vec<u8>) {
    let mut header = vec![0; usize::from(units) * 8 - 1];
    header[0] = units - 1;
    (number, header)
}

/// An authentication header with a check value of `words` times four octets.
fn authentication(words: u8) -> (u8, Vec<u8>) {
    let mut header = vec![0; 11 + usize::from(words) * 4];
    header[0] = words + 1;
    (AUTHENTICATION, header)
}

/// `field` is offset, reserved bits and the M flag.
fn fragment(field: u16) -> (u8, Vec<u8>) {
    let [high, low] = field.to_be_bytes();
    (FRAGMENT, vec![0, high, low, 0, 0, 0, 9])
}

fn packet(headers: &[(u8, Vec<u8>)], query: &Dns) -> Vec<u8> {
    let path = Path::v6();
    let (first, octets) = chain(headers, UDP);
    path.ipv6(first, &octets, &path.udp_datagram(&query.bytes()))
}

#[test]
fn root_extension_headers_are_passed_over() {
    let programs = Programs::load();
    let query = Dns::query(7, "extended.example");
    let chains = [
        vec![],
        vec![options(HOP_BY_HOP, 1)],
        vec![options(HOP_BY_HOP, 30)],
        vec![options(ROUTING, 3)],
        vec![options(DESTINATION, 1)],
        vec![options(DESTINATION, 255)],
        vec![authentication(0)],
        vec![authentication(3)],
        vec![authentication(8)],
        vec![fragment(0)],
        vec![fragment(1)],
        vec![options(HOP_BY_HOP, 1), options(ROUTING, 3)],
        // The recommended order, all six of it.
        vec![
            options(HOP_BY_HOP, 1),
            options(DESTINATION, 1),
            options(ROUTING, 3),
            fragment(0),
            authentication(3),
            options(DESTINATION, 2),
        ],
        // What the kernel takes beyond that.
        vec![options(DESTINATION, 1); 8],
        vec![options(DESTINATION, 1); 16],
    ];
    for headers in chains {
        let numbers: Vec<u8> = headers.iter().map(|(number, _)| *number).collect();
        for hook in BOTH {
            programs.clear();
            programs.run(hook, &packet(&headers, &query));
            let seen = programs.the_query();
            assert_eq!(seen.question(), query.body, "{numbers:?}");
            let attempt = seen.give_up(0).remove(0);
            let (local, peer) = Path::v6().local_and_peer(hook);
            assert_eq!((attempt.local, attempt.peer), (local, peer));
        }
    }
}

#[test]
fn root_chains_that_are_too_long_or_lead_nowhere_are_not_read() {
    let programs = Programs::load();
    let query = Dns::query(7, "endless.example");
    // One more than EXTENSIONS_MAX of bpf/packet.h.
    let seventeen = vec![options(DESTINATION, 1); 17];
    let twenty = vec![options(HOP_BY_HOP, 1); 20];
    // ICMPv6, no next header, mobility, shim6, SCTP.
    let unknown = [58, 59, 135, 140, 132].map(|number| vec![options(number, 1)]);
    for headers in unknown {
        for hook in BOTH {
            programs.run(hook, &packet(&headers, &query));
        }
    }
    programs.assert_only_counted(Counters::default());
    for headers in [seventeen, twenty] {
        for hook in BOTH {
            programs.run(hook, &packet(&headers, &query));
        }
    }
    // They may be DNS; that they were not read is known.
    programs.assert_only_counted(Counters {
        ipv6_chained: 4,
        ..Counters::default()
    });
}

#[test]
fn root_only_the_first_fragment_is_read() {
    let programs = Programs::load();
    let query = Dns::query(7, "fragment.example");
    for offset in (3..16).map(|bit| 1 << bit) {
        for more in [0, 1] {
            for hook in BOTH {
                programs.run(hook, &packet(&[fragment(offset | more)], &query));
            }
        }
    }
    programs.assert_only_counted(Counters::default());
    // The two reserved bits say nothing about the offset.
    programs.run(BOTH[0], &packet(&[fragment(0b110)], &query));
    assert_eq!(programs.the_query().question(), query.body);
}

#[test]
fn root_a_chain_that_points_behind_the_packet_is_not_read() {
    let programs = Programs::load();
    let query = Dns::query(7, "beyond.example");
    let mut behind = options(DESTINATION, 1);
    behind.1[0] = 255;
    for number in [HOP_BY_HOP, ROUTING, AUTHENTICATION, DESTINATION] {
        for hook in BOTH {
            programs.run(hook, &packet(&[(number, behind.1.clone())], &query));
        }
    }
    programs.assert_only_counted(Counters::default());
}
