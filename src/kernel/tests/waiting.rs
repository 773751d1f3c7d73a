//! How many queries wait at each client's socket: what is told of when it is closed.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::super::counters::Counters;
use super::message::Dns;
use super::packet::Path;
use super::programs::Hook::Egress;
use super::programs::Hook::Ingress;
use super::programs::Programs;
use super::slots::InTests as _;
use super::socket::Socket;

#[track_caller]
fn assert_waiting(socket: &Socket<'_>, programs: &Programs, number: u64) {
    let expected = (number > 0).then_some((socket.cookie, number));
    let expected: BTreeMap<_, _> = expected.into_iter().collect();
    assert_eq!(programs.slots().counted(), expected);
}

/// In the slots, and in `dns_inflight`: each run compares them with what is there.
#[test]
fn root_each_query_of_a_client_waits_until_its_answer_comes() {
    let programs = Programs::load();
    for name in ["a.example", &"long-label.".repeat(10)] {
        for path in [Path::v4(), Path::v6()] {
            programs.clear();
            let mut socket = Socket::new(&programs);
            let queries = [1, 2, 3].map(|id| Dns::query(id, name));
            for (number, query) in (1..).zip(&queries) {
                socket.quiet(Egress, &path.udp(&query.bytes()));
                assert_waiting(&socket, &programs, number);
            }
            // Sent again it is still one.
            socket.ended_by(Egress, &path.udp(&queries[1].bytes()));
            assert_waiting(&socket, &programs, 3);
            for (left, query) in [2, 1, 0].into_iter().zip(&queries) {
                let answer = path.back().udp(&query.answer(0).bytes());
                assert_eq!(socket.ended_by(Ingress, &answer).len(), 1);
                assert_waiting(&socket, &programs, left);
            }
            // One that nobody asked for takes nothing away.
            let answer = path.back().udp(&queries[0].answer(0).bytes());
            socket.run(Ingress, &answer);
            assert_waiting(&socket, &programs, 0);
        }
    }
}

#[test]
fn root_servers_asked_at_once_are_waited_for_as_one() {
    let programs = Programs::load();
    let mut socket = Socket::at_once(&programs);
    let query = Dns::query(7, "a.example");
    for last in 1..=3 {
        let path = Path::new("10.0.0.5:40000", &format!("10.0.0.{last}:53"));
        socket.quiet(Egress, &path.udp(&query.bytes()));
        assert_waiting(&socket, &programs, 1);
    }
    let path = Path::new("10.0.0.5:40000", "10.0.0.2:53").back();
    let answer = path.udp(&query.answer(0).bytes());
    assert_eq!(socket.ended_by(Ingress, &answer).len(), 3);
    assert_waiting(&socket, &programs, 0);
}

#[test]
fn root_what_a_server_is_asked_is_not_its_wait() {
    let programs = Programs::load();
    let path = Path::new("10.0.0.5:40000", "10.0.0.53:53");
    programs.run(Ingress, &path.udp(&Dns::query(7, "a.example").bytes()));
    assert_eq!(programs.in_flight().len(), 1);
    assert_eq!(programs.slots().counted(), BTreeMap::new());
}

#[test]
fn root_what_has_had_its_time_waits_no_more() {
    let programs = Programs::load();
    let mut socket = Socket::new(&programs);
    let path = Path::v4();
    for id in [1, 2] {
        socket.quiet(Egress, &path.udp(&Dns::query(id, "a.example").bytes()));
    }
    // Of another socket in the same place: not this one's.
    programs.slots().ends_waiting(socket.cookie + 16_384);
    assert_waiting(&socket, &programs, 2);
    for left in [1, 0, 0] {
        programs.slots().ends_waiting(socket.cookie);
        assert_waiting(&socket, &programs, left);
    }
}

#[test]
fn root_who_takes_the_place_of_one_that_waits_is_counted() {
    let programs = Programs::load();
    for (number, unseen) in [(0, 0), (1, 1), (3, 1)] {
        programs.clear();
        // Whatever cookie the next socket has: another's has each place.
        for (place, word) in (1_u64 << 40..).zip(programs.slots().waiting) {
            word.store(place | number << 48, Ordering::Relaxed);
        }
        programs.run(Egress, &Path::v4().udp(&Dns::query(7, "a.example").bytes()));
        let counted = Counters {
            queries: 1,
            closings_unseen: unseen,
            ..Counters::default()
        };
        assert_eq!(programs.counters(), counted);
    }
}
