//! DNS messages of every size, and packets that end anywhere.

use super::super::counters::Counters;
use super::message::Dns;
use super::message::HEADER_LEN;
use super::packet::IPV4;
use super::packet::IPV6;
use super::packet::Path;
use super::packet::Segment;
use super::packet::ethernet;
use super::programs::BOTH;
use super::programs::Hook;
use super::programs::Programs;
use crate::event::Event;

/// Octets behind the header that the programs keep.
const QUESTION_MAX: usize = 260;

/// A test run has room for one page, less what the kernel needs of it; a later
/// kernel may take more.
const LARGEST: usize = 3600;

/// Boundaries of what is kept, and the sizes that DNS knows.
fn sizes() -> Vec<usize> {
    let around = |kept: usize| kept + HEADER_LEN - 2..=kept + HEADER_LEN + 2;
    let mut sizes: Vec<usize> = (12..=20).chain(around(64)).chain(around(260)).collect();
    // A name of 255 octets with type and class; 512 of RFC 1035; the EDNS sizes.
    sizes.extend([271, 511, 512, 513, 1220, 1232, 1400, 1452, 2048, LARGEST]);
    sizes
}

#[test]
fn root_queries_of_every_size_keep_their_beginning() {
    let programs = Programs::load();
    for len in sizes() {
        let query = Dns::query_of_len(7, len);
        for path in [Path::v4(), Path::v6()] {
            for hook in BOTH {
                programs.clear();
                programs.run(hook, &path.udp(&query.bytes()));
                let seen = programs.the_query();
                let kept = query.body.len().min(QUESTION_MAX);
                assert_eq!(seen.question(), &query.body[..kept], "{len} octets");
                let attempt = seen.give_up(0).remove(0);
                assert_eq!(usize::from(attempt.query_bytes), len);
                let parsed = attempt.question.parse();
                assert_eq!(parsed.is_some(), len >= 17, "{len} octets");
            }
        }
    }
}

#[test]
fn root_records_carry_as_much_of_the_question() {
    let programs = Programs::load();
    for len in sizes() {
        let query = Dns::query_of_len(7, len);
        programs.clear();
        programs.repeat(Hook::Egress, &Path::v4().udp(&query.bytes()), 2);
        let ended = programs.ended();
        let kept = query.body.len().min(QUESTION_MAX);
        assert_eq!(ended.len(), 1, "{len} octets");
        assert_eq!(ended[0].question.as_bytes(), &query.body[..kept]);
        assert_eq!(usize::from(ended[0].query_bytes), len);
    }
}

#[test]
fn root_answers_of_every_size_are_told() {
    let programs = Programs::load();
    for len in sizes() {
        let mut answer = Dns::query_of_len(7, len);
        answer.flags = 0x8000;
        programs.clear();
        programs.run(Hook::Ingress, &Path::v4().back().udp(&answer.bytes()));
        let events = programs.events();
        let [Event::Stray(stray)] = &events[..] else {
            panic!("{len} octets: {events:?}");
        };
        assert_eq!(usize::from(stray.answer.bytes), len);
        let kept = answer.body.len().min(64);
        assert_eq!(stray.question.as_bytes(), &answer.body[..kept]);
    }
}

/// Up to 6.18 a test run takes no more than a page, headers included.
#[test]
fn root_a_message_of_4096_octets_is_read_where_a_test_run_takes_it() {
    let programs = Programs::load();
    let query = Dns::query_of_len(7, 4096);
    if programs.run_if_accepted(Hook::Egress, &Path::v4().udp(&query.bytes())) {
        assert_eq!(programs.the_query().question(), &query.body[..QUESTION_MAX]);
    }
}

#[test]
fn root_a_packet_that_ends_anywhere_passes_and_leaves_no_garbage() {
    let programs = Programs::load();
    let query = Dns::query(7, "truncated.example");
    for path in [Path::v4(), Path::v6()] {
        let whole = path.udp(&query.bytes());
        let message = whole.len() - query.bytes().len();
        for len in 14..=whole.len() {
            for hook in BOTH {
                programs.clear();
                programs.run_if_accepted(hook, &whole[..len]);
                let Some(there) = len.checked_sub(message) else {
                    programs.assert_only_counted(Counters::default());
                    continue;
                };
                if there < HEADER_LEN {
                    programs.assert_only_counted(Counters {
                        unparsed: 1,
                        ..Counters::default()
                    });
                    continue;
                }
                let seen = programs.the_query();
                assert_eq!(seen.question(), &query.body[..there - HEADER_LEN]);
                let attempt = seen.give_up(0).remove(0);
                assert_eq!(usize::from(attempt.query_bytes), there);
            }
        }
    }
}

#[test]
fn root_a_tcp_segment_that_ends_anywhere_passes_and_leaves_no_garbage() {
    let programs = Programs::load();
    let query = Dns::query(7, "truncated.example");
    for path in [Path::v4(), Path::v6()] {
        let segment = Segment {
            payload: &query.prefixed(),
            ..Segment::default()
        };
        let whole = path.tcp(&segment);
        let message = whole.len() - query.bytes().len();
        for len in 14..=whole.len() {
            programs.clear();
            programs.run_if_accepted(Hook::Egress, &whole[..len]);
            let there = len.saturating_sub(message);
            let split = there > 0 && there < HEADER_LEN;
            assert_eq!(programs.counters().tcp_split, u64::from(split));
            if there >= HEADER_LEN {
                let kept = &query.body[..there - HEADER_LEN];
                assert_eq!(programs.the_query().question(), kept);
            } else {
                assert_eq!(programs.in_flight().len(), 0);
            }
        }
    }
}

#[test]
fn root_an_ethertype_without_its_header_passes() {
    let programs = Programs::load();
    for ethertype in [IPV4, IPV6, 0x0806] {
        for len in 0..40 {
            let mut packet = ethernet(ethertype);
            packet.resize(14 + len, 0);
            for hook in BOTH {
                programs.run_if_accepted(hook, &packet);
            }
        }
    }
    programs.assert_only_counted(Counters::default());
}
