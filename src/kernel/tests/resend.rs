//! Several sends with one id: resends, and one question to several servers.

use super::super::counters::Counters;
use super::super::entry::Claim;
use super::super::inflight::take_claim;
use super::claims::change;
use super::message::Dns;
use super::packet::Path;
use super::programs::BOTH;
use super::programs::Hook;
use super::programs::Programs;
use super::socket::Socket;
use crate::attempt::Attempt;
use crate::attempt::Outcome;

use Hook::Egress;
use Hook::Ingress;

/// Longer than the span in which sends to several servers are one question.
const LATER_NS: u64 = 60_000_000;

/// The same question to several servers.
fn to_server(last_octet: u8) -> Path {
    Path::new("10.0.0.5:40000", &format!("10.0.0.{last_octet}:53"))
}

/// Outcome, number and last octet of the server's address.
fn summary(ended: &[Attempt]) -> Vec<(Outcome, u16, u8)> {
    ended
        .iter()
        .map(|attempt| {
            let octets = match attempt.peer.ip() {
                std::net::IpAddr::V4(ip) => ip.octets(),
                std::net::IpAddr::V6(ip) => panic!("{ip}"),
            };
            (attempt.outcome, attempt.number, octets[3])
        })
        .collect()
}

#[test]
fn root_each_resend_ends_the_attempt_before_it() {
    let programs = Programs::load();
    // A short record, and a full one for a question that is longer.
    for name in ["resent.example", &"long-label.".repeat(10)] {
        let query = Dns::query(7, name);
        for path in [Path::v4(), Path::v6()] {
            for hook in BOTH {
                programs.clear();
                programs.repeat(hook, &path.udp(&query.bytes()), 5);
                let ended = programs.ended();
                let last = programs.the_query().give_up(0).remove(0);
                let numbers: Vec<u16> = ended.iter().map(|attempt| attempt.number).collect();
                assert_eq!((numbers, last.number), (vec![1, 2, 3, 4], 5));
                let mut before = last.first_ns;
                for attempt in ended.iter().chain([&last]) {
                    assert_eq!(attempt.outcome, Outcome::Unanswered);
                    assert_eq!(attempt.first_ns, last.first_ns);
                    assert!(attempt.sent_ns >= before);
                    assert_eq!(attempt.question.as_bytes(), query.body);
                    before = attempt.sent_ns;
                }
                assert_eq!(programs.counters().queries, 5);
            }
        }
    }
}

#[test]
fn root_another_question_with_the_same_id_starts_anew() {
    let programs = Programs::load();
    let mut socket = Socket::new(&programs);
    let path = Path::v4();
    // They differ in length or in an octet.
    let long = "long-label.".repeat(20);
    let names = [
        "a.example",
        "b.example",
        "bb.example",
        &long,
        &format!("{long}x"),
        &long,
    ];
    socket.quiet(Egress, &path.udp(&Dns::query(7, "first.example").bytes()));
    let mut before = "first.example";
    for name in names {
        let ended = socket.ended_by(Egress, &path.udp(&Dns::query(7, name).bytes()));
        assert_eq!(summary(&ended), [(Outcome::Unanswered, 1, 53)]);
        let question = ended[0].question.parse().expect("a question");
        assert_eq!(question.name, before.trim_end_matches('.'));
        before = name;
    }
    assert_eq!(programs.the_query().give_up(0)[0].number, 1);
}

#[test]
fn root_a_question_that_differs_in_one_octet_is_another() {
    let programs = Programs::load();
    let mut socket = Socket::new(&programs);
    let path = Path::v4();
    // As long as what is kept.
    let mut query = Dns::query_of_len(7, 12 + 260);
    socket.quiet(Egress, &path.udp(&query.bytes()));
    for place in 0..query.body.len() {
        query.body[place] ^= 1;
        let ended = socket.ended_by(Egress, &path.udp(&query.bytes()));
        assert_eq!(summary(&ended), [(Outcome::Unanswered, 1, 53)]);
        let now = programs.the_query().give_up(0).remove(0);
        assert_eq!(now.number, 1, "octet {place}");
        assert_eq!(now.first_ns, now.sent_ns);
    }
    // And the same once more is a resend.
    socket.ended_by(Egress, &path.udp(&query.bytes()));
    assert_eq!(programs.the_query().give_up(0)[0].number, 2);
}

#[test]
fn root_a_question_to_three_servers_has_one_answer_and_two_superseded() {
    let programs = Programs::load();
    let query = Dns::query(7, "musl.example");
    for answered in 1..=3 {
        programs.clear();
        let mut socket = Socket::at_once(&programs);
        for server in 1..=3 {
            socket.quiet(Egress, &to_server(server).udp(&query.bytes()));
        }
        assert_eq!(programs.the_query().servers_asked(), 3);
        let answer = query.answer(0).bytes();
        let ended = socket.ended_by(Ingress, &to_server(answered).back().udp(&answer));
        let expected = [1, 2, 3].map(|server| match server == answered {
            true => (Outcome::Answered, 1, server),
            false => (Outcome::Superseded, 1, server),
        });
        assert_eq!(summary(&ended), expected);
        programs.assert_only_counted(Counters {
            queries: 3,
            ..Counters::default()
        });
    }
}

#[test]
fn root_a_fourth_server_has_no_room_and_is_counted() {
    let programs = Programs::load();
    let mut socket = Socket::at_once(&programs);
    let query = Dns::query(7, "four.example");
    for server in 1..=4 {
        socket.quiet(Egress, &to_server(server).udp(&query.bytes()));
    }
    let left = programs.the_query().give_up(0);
    assert_eq!(
        summary(&left).iter().map(|send| send.2).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let counters = programs.counters();
    assert_eq!((counters.queries, counters.inflight_full), (4, 1));
}

#[test]
fn root_a_second_round_to_all_servers_ends_the_first() {
    let programs = Programs::load();
    let mut socket = Socket::at_once(&programs);
    let query = Dns::query(7, "rounds.example").bytes();
    for server in 1..=3 {
        socket.quiet(Egress, &to_server(server).udp(&query));
    }
    socket.at_once = false;
    programs.age(LATER_NS);
    let ended = socket.ended_by(Egress, &to_server(1).udp(&query));
    let unanswered = |server| (Outcome::Unanswered, 1, server);
    assert_eq!(
        summary(&ended),
        [unanswered(1), unanswered(2), unanswered(3)]
    );
    socket.at_once = true;
    socket.quiet(Egress, &to_server(2).udp(&query));
    let left = programs.the_query().give_up(0);
    let second = |server| (Outcome::Unanswered, 2, server);
    assert_eq!(summary(&left), [second(1), second(2)]);
}

/// No resolver does this within moments; what counts is that nothing gets lost.
#[test]
fn root_a_resend_to_one_server_ends_the_whole_round() {
    let programs = Programs::load();
    let mut socket = Socket::at_once(&programs);
    let query = Dns::query(7, "one.example");
    socket.quiet(Egress, &to_server(1).udp(&query.bytes()));
    socket.quiet(Egress, &to_server(2).udp(&query.bytes()));
    let ended = socket.ended_by(Egress, &to_server(1).udp(&query.bytes()));
    let unanswered = |server| (Outcome::Unanswered, 1, server);
    assert_eq!(summary(&ended), [unanswered(1), unanswered(2)]);
    let left = programs.the_query().give_up(0);
    assert_eq!(summary(&left), [(Outcome::Unanswered, 2, 1)]);
}

#[test]
fn root_the_next_server_after_a_while_is_a_new_attempt() {
    let programs = Programs::load();
    let mut socket = Socket::new(&programs);
    let query = Dns::query(7, "next.example").bytes();
    socket.quiet(Egress, &to_server(1).udp(&query));
    programs.age(LATER_NS);
    let ended = socket.ended_by(Egress, &to_server(2).udp(&query));
    assert_eq!(summary(&ended), [(Outcome::Unanswered, 1, 1)]);
    let left = programs.the_query().give_up(0);
    assert_eq!(summary(&left), [(Outcome::Unanswered, 2, 2)]);
}

/// Another thread may have put a query in the place of the one that was looked up, and just
/// be filling it: whoever takes that out tells of one.
#[test]
fn root_an_entry_that_is_just_being_filled_has_an_end() {
    let programs = Programs::load();
    // Which dns_inflight has, whatever the kernel.
    let query = Dns::query(7, &"long-label.".repeat(20));
    let mut socket = Socket::new(&programs);
    socket.quiet(Egress, &Path::v4().udp(&query.bytes()));
    change(&programs, |entry| entry.query.nsends = 0);
    let ended = socket.ended_by(Egress, &Path::v4().udp(&query.bytes()));
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!(programs.in_flight().len(), 1);
    assert_eq!(programs.counters().queries, 2);
    // The same where user space takes it out.
    change(&programs, |entry| entry.query.nsends = 0);
    let map = &programs.maps().dns_inflight;
    let taken = take_claim(map, programs.slots(), &programs.the_query(), 99);
    assert_eq!(taken.expect("the map can be used"), Claim::Lost);
    assert_eq!(programs.in_flight().len(), 0);
}
