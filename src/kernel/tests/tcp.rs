//! TCP, one segment at a time: each belongs to a connection of its own, which
//! the programs see for the first time.

use super::super::counters::Counters;
use super::message::Dns;
use super::packet::Path;
use super::packet::Segment;
use super::packet::TCP;
use super::programs::BOTH;
use super::programs::Hook;
use super::programs::Programs;
use crate::attempt::Transport;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH_ACK: u8 = 0x18;
const ACK: u8 = 0x10;

fn data(path: Path, payload: &[u8]) -> Vec<u8> {
    path.tcp(&Segment {
        seq: 1000,
        flags: PSH_ACK,
        payload,
        ..Segment::default()
    })
}

/// So many queries with their prefixes, ids from 0.
fn queries(count: u16) -> Vec<u8> {
    (0..count)
        .flat_map(|id| Dns::query(id, "pipelined.example").prefixed())
        .collect()
}

#[test]
fn root_a_query_with_its_prefix_in_one_segment() {
    let programs = Programs::load();
    let query = Dns::query(7, "tcp.example");
    for path in [Path::v4(), Path::v6()] {
        for words in 0..=10 {
            // No-operation options (RFC 9293 section 3.1).
            let packet = path.tcp(&Segment {
                seq: 1000,
                flags: PSH_ACK,
                options: &vec![1; words * 4],
                payload: &query.prefixed(),
                ..Segment::default()
            });
            for hook in BOTH {
                programs.clear();
                programs.run(hook, &packet);
                let seen = programs.the_query();
                let attempt = seen.give_up(0).remove(0);
                assert_eq!(attempt.transport, Transport::Tcp);
                assert_eq!(seen.question(), query.body);
                assert_eq!(usize::from(attempt.query_bytes), query.bytes().len());
                let ends = path.local_and_peer(hook);
                assert_eq!((attempt.local, attempt.peer), ends);
            }
        }
    }
}

#[test]
fn root_several_messages_in_one_segment_are_all_read() {
    let programs = Programs::load();
    for count in [1, 2, 5, 16, 32] {
        for hook in BOTH {
            programs.clear();
            programs.run(hook, &data(Path::v4(), &queries(count)));
            let mut ids: Vec<u16> = programs
                .in_flight()
                .iter()
                .map(|query| query.key.id)
                .collect();
            ids.sort_unstable();
            assert_eq!(ids, (0..count).collect::<Vec<_>>());
            let expected = Counters {
                queries: count.into(),
                ..Counters::default()
            };
            assert_eq!(programs.counters(), expected);
        }
    }
}

#[test]
fn root_more_messages_than_are_read_are_counted() {
    // MESSAGES_MAX of bpf/stream.h.
    const READ: u16 = 256;
    let programs = Programs::load();
    // Without a question, so that all fit into one packet of the test run.
    let headers: Vec<u8> = (0..=READ)
        .flat_map(|id| Dns::header(id).prefixed())
        .collect();
    programs.run(Hook::Egress, &data(Path::v4(), &headers));
    assert_eq!(programs.in_flight().len(), usize::from(READ));
    let expected = Counters {
        queries: READ.into(),
        tcp_crowded: 1,
        ..Counters::default()
    };
    assert_eq!(programs.counters(), expected);
}

#[test]
fn root_a_message_longer_than_its_segment_is_read_as_far_as_it_goes() {
    let programs = Programs::load();
    for len in [512, 1232, 4096, 65535] {
        let mut query = Dns::query(7, "long.example");
        query.body.resize(len - 12, 0);
        for there in [12, 13, 40, 500] {
            programs.clear();
            programs.run(
                Hook::Egress,
                &data(Path::v4(), &query.prefixed()[..2 + there]),
            );
            let seen = programs.the_query();
            let attempt = seen.give_up(0).remove(0);
            assert_eq!(usize::from(attempt.query_bytes), len);
            assert_eq!(seen.question(), &query.body[..(there - 12).min(260)]);
        }
    }
}

#[test]
fn root_a_prefix_too_small_for_a_header_is_not_dns() {
    let programs = Programs::load();
    for len in 0..12_u16 {
        let payload = [
            &len.to_be_bytes()[..],
            &Dns::query(7, "junk.example").bytes(),
        ]
        .concat();
        for hook in BOTH {
            programs.clear();
            programs.run(hook, &data(Path::v4(), &payload));
            programs.assert_only_counted(Counters {
                unparsed: 1,
                ..Counters::default()
            });
        }
    }
}

#[test]
fn root_a_header_cut_by_the_segment_is_counted() {
    let programs = Programs::load();
    let query = Dns::query(7, "split.example").prefixed();
    for there in 1..12 {
        programs.clear();
        // The message before it is whole.
        let payload = [&queries(1)[..], &query[..2 + there]].concat();
        programs.run(Hook::Egress, &data(Path::v4(), &payload));
        assert_eq!(programs.the_query().key.id, 0);
        assert_eq!(programs.counters().tcp_split, 1);
    }
}

#[test]
fn root_segments_without_payload_say_nothing() {
    let programs = Programs::load();
    for flags in [ACK, FIN | ACK, RST, RST | ACK, SYN, SYN | ACK, 0, 0xff] {
        for path in [Path::v4(), Path::v6(), Path::v4().back()] {
            let segment = Segment {
                flags,
                ..Segment::default()
            };
            for hook in BOTH {
                programs.run(hook, &path.tcp(&segment));
            }
        }
    }
    programs.assert_only_counted(Counters::default());
}

#[test]
fn root_a_data_offset_below_the_header_or_behind_the_packet_is_not_read() {
    let programs = Programs::load();
    for words in [0, 1, 4, 15] {
        let mut packet = data(Path::v4(), &[]);
        packet[14 + 20 + 12] = words << 4;
        for hook in BOTH {
            programs.run(hook, &packet);
        }
    }
    // A TCP header that is not all there.
    for len in 1..20 {
        let path = Path::v4();
        let segment = &data(path, &[])[34..][..len];
        programs.run(Hook::Egress, &path.ip(TCP, segment));
    }
    programs.assert_only_counted(Counters::default());
}
