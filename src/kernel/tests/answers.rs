//! Answers that meet their query.

use super::super::counters::Counters;
use super::message::Dns;
use super::message::QR;
use super::message::TC;
use super::packet::Path;
use super::programs::Hook;
use super::programs::Programs;
use super::socket::Socket;
use crate::attempt::Ignored;
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

/// Plain questions are read and compared word by word: of each length, whatever is
/// behind them, and whatever is not theirs in the last octets.
#[test]
fn root_the_question_counts_to_its_last_octet_at_each_length() {
    let programs = Programs::load();
    for path in [Path::v4(), Path::v6()] {
        for len in 1..=60 {
            programs.clear();
            let mut socket = Socket::new(&programs);
            let plain = Dns::query(7, &"y".repeat(len));
            let mut edns = plain.clone();
            edns.counts[3] = 1;
            edns.body.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
            for query in [&plain, &edns] {
                socket.quiet(Egress, &path.udp(&query.bytes()));
                // Right behind the name's last letter are its root, the type, the class.
                for back in [1, 2, 3, 6] {
                    let mut forged = plain.answer(0);
                    let at = plain.body.len() - back;
                    forged.body[at] ^= 1;
                    socket.quiet(Ingress, &path.back().udp(&forged.bytes()));
                }
                let with_record = plain.answer(0);
                let mut without = plain.answer(3);
                without.body.truncate(plain.body.len());
                without.counts[1] = 0;
                let mut folded = without.clone();
                folded.body[1] = b'Y';
                let answer = [with_record, without, folded][len % 3].clone();
                let ended = socket.ended_by(Ingress, &path.back().udp(&answer.bytes()));
                assert_eq!(ended.len(), 1, "{len}");
                assert_eq!(ended[0].question.as_bytes(), query.body, "{len}");
                assert_eq!(ended[0].ignored.other_question, 4, "{len}");
            }
        }
    }
}

/// Anybody can send from another address, and guess an id. What translates the
/// address of the real answer is in the tests of nat.
#[test]
fn root_an_answer_from_where_nobody_was_asked_is_ignored() {
    let programs = Programs::load();
    let mut socket = Socket::new(&programs);
    let query = Dns::query(7, "forged.example");
    let answer = query.answer(0).bytes();
    socket.quiet(Egress, &Path::v4().udp(&query.bytes()));
    let (_, here) = Path::v4().back().local_and_peer(Egress);
    for from in ["192.0.2.7:53", "10.0.0.54:53", "[fd00::53]:53"] {
        let forged = Path {
            from: from.parse().expect("an address"),
            to: here,
        };
        if forged.from.is_ipv4() {
            socket.quiet(Ingress, &forged.udp(&answer));
        }
    }
    let ended = socket.ended_by(Ingress, &Path::v4().back().udp(&answer));
    assert_eq!(ended[0].outcome, Outcome::Answered);
    let ignored = Ignored {
        other_question: 0,
        other_source: 2,
    };
    assert_eq!(ended[0].ignored, ignored);
    assert_eq!(programs.counters().answers_ignored, 2);
}

/// A question to a group is answered by its members.
#[test]
fn root_a_multicast_question_may_be_answered_by_anybody() {
    let programs = Programs::load();
    let query = Dns::query(7, "printer.local");
    for (to, from) in [
        ("224.0.0.251:53", "192.0.2.9:53"),
        ("255.255.255.255:53", "192.0.2.9:53"),
        ("[ff02::fb]:53", "[fe80::9]:53"),
    ] {
        programs.clear();
        let mut socket = Socket::new(&programs);
        let here = if to.starts_with('[') {
            "[fd00::5]:5353"
        } else {
            "10.0.0.5:5353"
        };
        socket.quiet(Egress, &Path::new(here, to).udp(&query.bytes()));
        let answer = Path::new(from, here).udp(&query.answer(0).bytes());
        assert_eq!(socket.ended_by(Ingress, &answer).len(), 1, "{to}");
    }
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

/// Case may change on the way; the name is the one that was asked for.
#[test]
fn root_an_answer_in_another_case_does_not_rename_the_query() {
    let programs = Programs::load();
    let mut socket = Socket::new(&programs);
    let path = Path::v4();
    let query = Dns::query(7, "AsKeD.[@]example");
    socket.quiet(Egress, &path.udp(&query.bytes()));
    let answer = Dns::query(7, "aSkEd.[@]EXAMPLE").edns_error(5, &[]).bytes();
    let ended = socket.ended_by(Ingress, &path.back().udp(&answer));
    let [attempt] = &ended[..] else {
        panic!("{ended:?}");
    };
    assert_eq!(attempt.question.as_bytes(), query.body);
}

#[test]
fn root_an_answer_to_another_question_is_ignored() {
    let programs = Programs::load();
    let path = Path::v4();
    let long = "long-label.".repeat(8);
    for (asked, said) in [
        ("asked.example", "other.evil.example"),
        ("asked.example", "asked.exampld"),
        ("asked.[example", "asked.{example"),
        ("asked.example", "asked.example.org"),
        ("asked.example", "asked"),
        (&long[..], "a"),
        ("a", &long[..]),
        (&long[..], &format!("{long}x")),
        (
            &long[..],
            &long.replace("long-label.long", "long-label.lonk"),
        ),
        (".", "a"),
    ] {
        programs.clear();
        let mut socket = Socket::new(&programs);
        let query = Dns::query(7, asked);
        socket.quiet(Egress, &path.udp(&query.bytes()));
        let forged = Dns::query(7, said).answer(0).bytes();
        socket.quiet(Ingress, &path.back().udp(&forged));
        // Nor is one of another type, or without a question but an error.
        for at in 1..=4 {
            let mut other = query.clone();
            let octet = other.body.len() - at;
            other.body[octet] ^= 0x20;
            socket.quiet(Ingress, &path.back().udp(&other.answer(0).bytes()));
        }
        let mut bare = Dns::header(7);
        bare.flags |= QR;
        socket.quiet(Ingress, &path.back().udp(&bare.bytes()));
        let answer = path.back().udp(&query.answer(0).bytes());
        let ended = socket.ended_by(Ingress, &answer);
        let ignored = Ignored {
            other_question: 6,
            other_source: 0,
        };
        assert_eq!(ended[0].ignored, ignored, "{asked} {said}");
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
