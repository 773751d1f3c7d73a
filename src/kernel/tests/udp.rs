//! UDP lengths against the packet's own.

use super::super::counters::Counters;
use super::message::Dns;
use super::packet::Path;
use super::packet::UDP;
use super::programs::BOTH;
use super::programs::Hook;
use super::programs::Programs;

#[test]
fn root_padding_behind_the_datagram_is_not_part_of_the_message() {
    let programs = Programs::load();
    let path = Path::v4();
    let query = Dns::query(7, "padded.example");
    let message = query.bytes();
    for padding in [1, 2, 18, 46, 300] {
        let mut payload = message.clone();
        payload.resize(message.len() + padding, 0xaa);
        let length = 8 + message.len() as u16;
        let packet = path.ip(UDP, &path.udp_datagram_saying(length, &payload));
        for hook in BOTH {
            programs.clear();
            programs.run(hook, &packet);
            let seen = programs.the_query();
            assert_eq!(seen.question(), query.body);
            let attempt = seen.give_up(0).remove(0);
            assert_eq!(usize::from(attempt.query_bytes), message.len());
        }
    }
}

#[test]
fn root_a_length_beyond_the_packet_is_cut_to_it() {
    let programs = Programs::load();
    let path = Path::v4();
    let query = Dns::query(7, "long.example");
    let length = 8 + query.bytes().len() as u16;
    for more in [1, 8, 1000, u16::MAX - length] {
        let datagram = path.udp_datagram_saying(length + more, &query.bytes());
        for hook in BOTH {
            programs.clear();
            programs.run(hook, &path.ip(UDP, &datagram));
            assert_eq!(programs.the_query().question(), query.body);
        }
    }
}

/// A jumbogram says 0 (RFC 2675 section 4), a broken sender anything; the
/// kernel's own receive path has dropped the latter before the hook.
#[test]
fn root_a_length_below_the_header_is_not_believed() {
    let programs = Programs::load();
    let path = Path::v6();
    let query = Dns::query(7, "broken.example");
    for length in 0..8 {
        let datagram = path.udp_datagram_saying(length, &query.bytes());
        for hook in BOTH {
            programs.clear();
            programs.run(hook, &path.ip(UDP, &datagram));
            assert_eq!(programs.the_query().question(), query.body);
        }
    }
}

#[test]
fn root_a_datagram_too_small_for_a_header_is_counted_as_unparsed() {
    let programs = Programs::load();
    let path = Path::v4();
    let message = Dns::query(7, "small.example").bytes();
    for len in 0..12 {
        // Once by what there is, once by what the length says.
        let datagram = path.udp_datagram_saying(8 + len as u16, &message);
        programs.run(Hook::Egress, &path.udp(&message[..len]));
        programs.run(Hook::Egress, &path.ip(UDP, &datagram));
    }
    programs.assert_only_counted(Counters {
        unparsed: 24,
        ..Counters::default()
    });
}
