//! Answers that meet their query.

use super::super::counters::Counters;
use super::message::Dns;
use super::message::TC;
use super::packet::Path;
use super::programs::Hook;
use super::programs::Programs;
use super::socket::Socket;
use crate::attempt::Outcome;
use crate::attempt::Role;
use crate::event::Event;

use Hook::Egress;
use Hook::Ingress;

#[test]
fn root_an_answer_ends_the_attempt_with_what_its_header_says() {
    let programs = Programs::load();
    for path in [Path::v4(), Path::v6()] {
        for (id, rcode) in [(0, 0), (1, 3), (65535, 2), (4711, 15)] {
            programs.clear();
            let mut socket = Socket::new(&programs);
            let query = Dns::query(id, "answered.example");
            let mut answer = query.answer(rcode);
            answer.flags |= TC;
            socket.quiet(Egress, &path.udp(&query.bytes()));
            let ended = socket.ended_by(Ingress, &path.back().udp(&answer.bytes()));
            let [attempt] = &ended[..] else {
                panic!("{ended:?}");
            };
            assert_eq!(attempt.outcome, Outcome::Answered);
            assert_eq!(attempt.id, Some(id));
            assert_eq!((attempt.local, attempt.peer), (path.from, path.to));
            assert_eq!(attempt.question.as_bytes(), query.body);
            assert_eq!(attempt.owner.pid, Some(std::process::id()));
            let seen = attempt.answer.expect("an answer");
            assert_eq!(seen.rcode.to_int(), rcode);
            assert!(seen.truncated);
            assert_eq!(seen.answers, 1);
            assert_eq!(usize::from(seen.bytes), answer.bytes().len());
            let only_counted = Counters {
                queries: 1,
                ..Counters::default()
            };
            programs.assert_only_counted(only_counted);
        }
    }
}

#[test]
fn root_a_second_answer_and_one_to_another_id_or_port_are_strays() {
    let programs = Programs::load();
    let mut socket = Socket::new(&programs);
    let path = Path::v4();
    let query = Dns::query(7, "stray.example");
    let answer = path.back().udp(&query.answer(0).bytes());
    socket.quiet(Egress, &path.udp(&query.bytes()));
    let mut other_id = query.answer(0);
    other_id.id = 8;
    let other_port = path.with_ports(40001, 53).back();
    for packet in [
        path.back().udp(&other_id.bytes()),
        other_port.udp(&query.answer(0).bytes()),
    ] {
        assert!(matches!(
            &socket.run(Ingress, &packet)[..],
            [Event::Stray(_)]
        ));
        assert_eq!(programs.in_flight().len(), 1);
    }
    assert_eq!(socket.ended_by(Ingress, &answer).len(), 1);
    let [Event::Stray(stray)] = &socket.run(Ingress, &answer)[..] else {
        panic!("a duplicate is a stray");
    };
    assert_eq!(stray.id, 7);
    assert_eq!(
        stray.question.parse().expect("a question").name,
        "stray.example"
    );
}

#[test]
fn root_nat_may_let_the_answer_come_from_another_address() {
    let programs = Programs::load();
    let mut socket = Socket::new(&programs);
    let query = Dns::query(7, "nat.example");
    socket.quiet(Egress, &Path::v4().udp(&query.bytes()));
    let translated = Path::new("192.0.2.7:53", "10.0.0.5:40000");
    let ended = socket.ended_by(Ingress, &translated.udp(&query.answer(0).bytes()));
    assert_eq!(ended[0].outcome, Outcome::Answered);
    assert_eq!(
        ended[0].peer,
        Path::v4().to,
        "the server as the client knows it"
    );
}

#[test]
fn root_a_server_tells_its_clients_apart_and_owns_its_answers() {
    let programs = Programs::load();
    let mut socket = Socket::new(&programs);
    let clients = [
        Path::v4(),
        Path::v4().with_ports(40001, 53),
        Path::new("10.0.0.6:40000", "10.0.0.53:53"),
        Path::v6(),
    ];
    let query = Dns::query(7, "shared.example");
    for path in clients {
        socket.quiet(Ingress, &path.udp(&query.bytes()));
    }
    assert_eq!(programs.in_flight().len(), clients.len());
    for path in clients {
        let ended = socket.ended_by(Egress, &path.back().udp(&query.answer(3).bytes()));
        let [attempt] = &ended[..] else {
            panic!("{ended:?}");
        };
        assert_eq!(attempt.role, Role::Server);
        assert_eq!(attempt.outcome, Outcome::Answered);
        assert_eq!((attempt.client(), attempt.server()), (path.from, path.to));
        assert_eq!(attempt.owner.pid, Some(std::process::id()));
    }
    assert_eq!(programs.in_flight().len(), 0);
}

#[test]
fn root_the_upper_bits_of_a_response_code_come_from_its_opt_record() {
    let programs = Programs::load();
    let path = Path::v4();
    // A server's cookie: option 10 with 8 and up to 32 octets (RFC 7873).
    let cookie = [&[0, 10, 0, 40][..], &[0xcc; 40]].concat();
    // The third leaves DNS_ECHO_AT room for its query's OPT record, just so.
    let names = ["a", "twenty.octets.example", &"long-label.".repeat(9)];
    for name in names {
        for (rcode, options) in [(16, &[][..]), (23, &cookie), (1, &cookie), (0xfff, &[])] {
            programs.clear();
            let mut socket = Socket::new(&programs);
            // Who gets such an answer has sent an OPT record with a cookie.
            let bare = Dns::query(7, name);
            let mut query = bare.clone();
            query.counts[3] = 1;
            query.body.extend([0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 12]);
            query.body.extend([0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
            socket.quiet(Egress, &path.udp(&query.bytes()));
            let answer = bare.edns_error(rcode, options).bytes();
            let ended = socket.ended_by(Ingress, &path.back().udp(&answer));
            let answer = ended[0].answer.expect("an answer");
            assert_eq!(answer.rcode.to_int(), rcode, "{name}");
            let question = ended[0].question.parse().expect("a question");
            assert_eq!(question.name, name.trim_end_matches('.'));
        }
    }
}

/// The name is the one that was asked for, whatever the answer repeats.
#[test]
fn root_an_answer_to_another_question_does_not_rename_the_query() {
    let programs = Programs::load();
    let mut socket = Socket::new(&programs);
    let path = Path::v4();
    let query = Dns::query(7, "AsKeD.example");
    for echo in ["asked.example", "other.evil.example"] {
        programs.clear();
        socket.quiet(Egress, &path.udp(&query.bytes()));
        let answer = Dns::query(7, echo).edns_error(5, &[]).bytes();
        let ended = socket.ended_by(Ingress, &path.back().udp(&answer));
        let question = ended[0].question.parse().expect("a question");
        assert_eq!(question.name, "AsKeD.example");
    }
}

/// Some servers leave the question out of a FORMERR.
#[test]
fn root_an_answer_without_a_question_leaves_that_of_the_query() {
    let programs = Programs::load();
    let mut socket = Socket::new(&programs);
    let path = Path::v4();
    let query = Dns::query(7, "formerr.example");
    socket.quiet(Egress, &path.udp(&query.bytes()));
    let mut answer = query.edns_error(1, &[]);
    answer.counts = [0, 0, 0, 1];
    answer.body.drain(..query.body.len());
    let ended = socket.ended_by(Ingress, &path.back().udp(&answer.bytes()));
    assert_eq!(ended[0].answer.expect("an answer").rcode.to_int(), 1);
    let question = ended[0].question.parse().expect("a question");
    assert_eq!(question.name, "formerr.example");
}
