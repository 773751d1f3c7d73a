//! IPv4 headers: options, fragments, and what is no IPv4 at all.

use super::super::counters::Counters;
use super::message::Dns;
use super::packet::IPV4;
use super::packet::Path;
use super::packet::UDP;
use super::packet::ethernet;
use super::programs::BOTH;
use super::programs::Hook;
use super::programs::Programs;
use super::programs::WITHOUT_SWAPS;
use crate::attempt::Role;
use crate::attempt::Transport;

/// More fragments follow (RFC 791 section 3.1).
const MF: u16 = 0x2000;
/// Don't fragment.
const DF: u16 = 0x4000;

#[test]
fn root_a_query_is_in_flight_with_all_that_the_packet_says() {
    let programs = Programs::load();
    let query = Dns::query(4711, "www.Example.com");
    for (hook, role) in [(Hook::Egress, Role::Client), (Hook::Ingress, Role::Server)] {
        for path in [Path::v4(), Path::v6()] {
            programs.clear();
            programs.run(hook, &path.udp(&query.bytes()));
            let seen = programs.the_query();
            let attempt = seen.give_up(seen.newest_ns()).remove(0);
            let (local, peer) = path.local_and_peer(hook);
            assert_eq!(attempt.role, role);
            assert_eq!(attempt.transport, Transport::Udp);
            assert_eq!((attempt.local, attempt.peer), (local, peer));
            assert_eq!(attempt.id, Some(4711));
            assert_eq!(attempt.number, 1);
            assert_eq!(usize::from(attempt.query_bytes), query.bytes().len());
            assert_eq!(attempt.first_ns, attempt.sent_ns);
            assert_eq!(attempt.question.as_bytes(), query.body);
            assert_eq!(seen.servers_asked(), 1);
            assert_eq!(programs.counters().queries, 1);
            assert_eq!(programs.events(), []);
        }
    }
}

#[test]
fn root_the_owner_is_the_sender_and_a_server_has_none_before_it_answers() {
    use std::os::unix::fs::MetadataExt as _;
    let programs = Programs::load();
    let query = Path::v4().udp(&Dns::query(1, "a").bytes());
    programs.run(Hook::Egress, &query);
    let owner = programs.the_query().give_up(0).remove(0).owner;
    let comm = std::fs::read("/proc/self/comm").expect("a /proc");
    let netns = std::fs::metadata("/proc/self/ns/net").expect("a /proc");
    assert_eq!(owner.pid, Some(std::process::id()));
    assert_eq!(owner.comm.as_bytes(), comm.trim_ascii_end());
    assert_eq!(u64::from(owner.netns), netns.ino());
    assert_ne!(owner.cgroup_id, 0);
    programs.clear();
    programs.run(Hook::Ingress, &query);
    let owner = programs.the_query().give_up(0).remove(0).owner;
    assert_eq!(owner.pid, None);
    assert_eq!(owner.comm.as_bytes(), b"");
    assert_eq!(u64::from(owner.netns), netns.ino());
}

/// Without the kernel's types a socket's namespace is noted by its cookie.
#[test]
fn root_the_namespace_noted_for_another_socket_is_not_taken() {
    use std::os::unix::fs::MetadataExt as _;
    let mut programs = Programs::load();
    let netns = std::fs::metadata("/proc/self/ns/net").expect("a /proc");
    let (another, wrong) = (0xffff_ffff_u64, 4711);
    programs.bss().known_netns.fill(another << 32 | wrong);
    let query = Path::v4().udp(&Dns::query(1, "a").bytes());
    for _ in 0..2 {
        programs.run(Hook::Egress, &query);
        let owner = programs.the_query().give_up(0).remove(0).owner;
        assert_eq!(u64::from(owner.netns), netns.ino());
        programs.clear();
    }
    let notes = programs.bss().known_netns;
    let noted = notes.iter().filter(|it| **it >> 32 != another);
    let expected = if WITHOUT_SWAPS { 2 } else { 0 };
    assert_eq!(noted.count(), expected, "a socket for each run");
    programs.bss().known_netns.fill(0);
}

#[test]
fn root_options_of_every_length_are_passed_over() {
    let programs = Programs::load();
    let path = Path::v4();
    let query = Dns::query(7, "options.example");
    for words in 0..=10 {
        // No-operation options (RFC 791 section 3.1).
        let packet = path.ipv4(
            UDP,
            &vec![1; words * 4],
            DF,
            &path.udp_datagram(&query.bytes()),
        );
        for hook in BOTH {
            programs.clear();
            programs.run(hook, &packet);
            assert_eq!(
                programs.the_query().question(),
                query.body,
                "ihl {}",
                words + 5
            );
        }
    }
}

#[test]
fn root_a_header_length_below_five_words_is_no_ip() {
    let programs = Programs::load();
    for ihl in 0..5 {
        let mut packet = Path::v4().udp(&Dns::query(7, "short.example").bytes());
        packet[14] = 0x40 | ihl;
        for hook in BOTH {
            programs.run(hook, &packet);
        }
    }
    programs.assert_only_counted(Counters::default());
}

#[test]
fn root_the_first_fragment_is_read_and_the_later_ones_are_not() {
    let programs = Programs::load();
    let path = Path::v4();
    let query = Dns::query(7, "fragment.example");
    let datagram = path.udp_datagram(&query.bytes());
    for hook in BOTH {
        programs.clear();
        programs.run(hook, &path.ipv4(UDP, &[], MF, &datagram));
        assert_eq!(programs.the_query().question(), query.body);
        programs.clear();
        // The offset has 13 bits, in units of eight octets.
        for offset in (0..13).map(|bit| 1 << bit) {
            for more in [0, MF] {
                programs.run(hook, &path.ipv4(UDP, &[], more | offset, &datagram));
            }
        }
        programs.assert_only_counted(Counters::default());
    }
}

#[test]
fn root_other_protocols_are_not_read() {
    let programs = Programs::load();
    let path = Path::v4();
    let datagram = path.udp_datagram(&Dns::query(7, "other.example").bytes());
    for hook in BOTH {
        // ICMP, IGMP, IPv6 in IPv4, GRE, ESP, AH, SCTP, UDP-Lite.
        for protocol in [1, 2, 41, 47, 50, 51, 132, 136] {
            programs.run(hook, &path.ipv4(protocol, &[], 0, &datagram));
        }
        // ARP, VLAN, LLDP, none.
        for ethertype in [0x0806, 0x8100, 0x88cc, 0] {
            let mut packet = ethernet(ethertype);
            packet.extend(&path.udp(&Dns::query(7, "other.example").bytes())[14..]);
            programs.run(hook, &packet);
        }
        // An IPv6 packet that is said to be IPv4.
        let mut packet = ethernet(IPV4);
        packet.extend(&Path::v6().udp(&Dns::query(7, "other.example").bytes())[14..]);
        programs.run(hook, &packet);
    }
    programs.assert_only_counted(Counters::default());
}
