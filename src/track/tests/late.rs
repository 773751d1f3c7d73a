//! Answers that come when nobody waits any more.

use super::addr;
use super::attempt;
use super::ended_by;
use super::give_up;
use super::stray;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::RawQuestion;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::event::Event;
use crate::event::Stray;
use crate::track::Tracker;

#[test]
fn a_late_answer_ends_its_attempt_a_second_time() {
    let mut tracker = Tracker::default();
    let before = give_up(&mut tracker, attempt(10));
    let answer = stray(&before, 9_000_000_000);
    let ended = ended_by(&mut tracker, Event::Stray(answer.clone()));
    let late = Attempt {
        outcome: Outcome::Late,
        end_ns: 9_000_000_000,
        answer: Some(answer.answer),
        ..before
    };
    assert_eq!(ended, [late]);
    assert_eq!(tracker.stray_answers(), 0);
}

/// Who serves is known when the answer leaves, and not before.
#[test]
fn a_late_answer_names_its_server() {
    let mut tracker = Tracker::default();
    let role = Role::Server;
    let before = give_up(
        &mut tracker,
        Attempt {
            role,
            ..attempt(10)
        },
    );
    assert_eq!(before.owner.pid, None);
    let mut answer = stray(&before, 20);
    answer.owner.pid = Some(42);
    let ended = ended_by(&mut tracker, Event::Stray(answer));
    assert_eq!(ended[0].owner.pid, Some(42));
}

#[test]
fn a_second_late_answer_is_a_stray() {
    let mut tracker = Tracker::default();
    let before = give_up(&mut tracker, attempt(10));
    let answer = Event::Stray(stray(&before, 20));
    assert_eq!(ended_by(&mut tracker, answer.clone()).len(), 1);
    for duplicates in 1..=3 {
        assert_eq!(ended_by(&mut tracker, answer.clone()), []);
        assert_eq!(tracker.stray_answers(), duplicates);
    }
}

#[test]
fn it_belongs_to_the_attempt_at_its_server_else_to_the_oldest() {
    let mut tracker = Tracker::default();
    for (sent_ns, server) in [
        (10, "10.0.0.1:53"),
        (11, "10.0.0.2:53"),
        (12, "10.0.0.3:53"),
    ] {
        let peer = addr(server);
        give_up(
            &mut tracker,
            Attempt {
                peer,
                ..attempt(sent_ns)
            },
        );
    }
    // The second server; then two answers that NAT lets come from elsewhere.
    for (from, sent_ns) in [
        ("10.0.0.2:53", 11),
        ("192.0.2.1:53", 10),
        ("192.0.2.2:53", 12),
    ] {
        let peer = addr(from);
        let answer = Stray {
            peer,
            ..stray(&attempt(10), 20)
        };
        let ended = ended_by(&mut tracker, Event::Stray(answer));
        assert_eq!(ended[0].sent_ns, sent_ns, "the answer from {from}");
    }
    assert_eq!(tracker.stray_answers(), 0);
}

#[test]
fn an_answer_to_anything_else_is_a_stray() {
    let mut tracker = Tracker::default();
    let before = give_up(&mut tracker, attempt(10));
    let answer = stray(&before, 20);
    let others = [
        Stray {
            cookie: Some(78),
            ..answer.clone()
        },
        Stray {
            id: 8,
            ..answer.clone()
        },
        Stray {
            local_port: 40001,
            ..answer.clone()
        },
        Stray {
            role: Role::Server,
            ..answer.clone()
        },
        Stray {
            transport: Transport::Tcp,
            ..answer.clone()
        },
    ];
    for other in others {
        assert_eq!(ended_by(&mut tracker, Event::Stray(other)), []);
    }
    assert_eq!(tracker.stray_answers(), 5);
    assert_eq!(ended_by(&mut tracker, Event::Stray(answer)).len(), 1);
}

/// What is asked then is not watched, so nobody forged its answers.
#[test]
fn when_no_query_is_taken_any_more_an_answer_may_be_to_one_of_those() {
    let mut tracker = Tracker::default();
    let before = give_up(&mut tracker, attempt(10));
    tracker.is_over(30);
    let other = |at_ns| Stray {
        id: 8,
        ..stray(&before, at_ns)
    };
    assert_eq!(ended_by(&mut tracker, Event::Stray(other(29))), []);
    assert_eq!(tracker.stray_answers(), 1);
    assert_eq!(ended_by(&mut tracker, Event::Stray(other(30))), []);
    assert_eq!(tracker.stray_answers(), 1);
    // A late answer is one all the same.
    let answer = Event::Stray(stray(&before, 40));
    assert_eq!(ended_by(&mut tracker, answer).len(), 1);
}

#[test]
fn a_server_is_late_for_the_client_that_asked() {
    let mut tracker = Tracker::default();
    let asked = Attempt {
        role: Role::Server,
        local: addr("10.0.0.53:53"),
        peer: addr("10.0.0.5:40000"),
        ..attempt(10)
    };
    let before = give_up(&mut tracker, asked);
    let answer = stray(&before, 20);
    let peer = addr("10.0.0.6:40000");
    let other = Stray {
        peer,
        ..answer.clone()
    };
    assert_eq!(ended_by(&mut tracker, Event::Stray(other)), []);
    let ended = ended_by(&mut tracker, Event::Stray(answer));
    assert_eq!(ended[0].outcome, Outcome::Late);
}

#[test]
fn only_what_had_no_answer_can_be_late() {
    for outcome in [Outcome::Answered, Outcome::Superseded] {
        let mut tracker = Tracker::default();
        let answered = Attempt {
            outcome,
            ..attempt(10)
        };
        let answer = Event::Stray(stray(&answered, 20));
        assert_eq!(ended_by(&mut tracker, Event::Ended(answered)).len(), 1);
        assert_eq!(ended_by(&mut tracker, answer), []);
        assert_eq!(tracker.stray_answers(), 1);
    }
}

/// musl's second round: the server that comes second answers that round.
#[test]
fn the_answer_of_a_superseded_attempt_is_not_late_for_an_older_one() {
    let mut tracker = Tracker::default();
    let first_round = give_up(&mut tracker, attempt(10));
    let superseded = Attempt {
        outcome: Outcome::Superseded,
        ..attempt(20)
    };
    ended_by(&mut tracker, Event::Ended(superseded));
    let answer = Event::Stray(stray(&first_round, 30));
    assert_eq!(ended_by(&mut tracker, answer.clone()), []);
    // It is known that this server does answer.
    let way = (first_round.owner.netns, first_round.peer);
    assert_eq!(tracker.came_second(), [(way, 1)].into());
    assert_eq!(tracker.came_second(), [].into());
    // A second one can only belong to the first round.
    let ended = ended_by(&mut tracker, answer);
    assert_eq!(ended[0].outcome, Outcome::Late);
}

/// One question, and as many messages as the zone takes.
#[test]
fn what_follows_the_first_message_of_a_zone_transfer_is_no_stray() {
    let asked = |rtype: u8, transport| Attempt {
        transport,
        outcome: Outcome::Answered,
        question: RawQuestion::new(&[1, b'a', 0, 0, rtype, 0, 1]),
        ..attempt(10)
    };
    let (tcp, udp) = (Transport::Tcp, Transport::Udp);
    for (rtype, transport, strays) in [(252, tcp, 0), (251, tcp, 0), (1, tcp, 3), (252, udp, 3)] {
        for role in [Role::Client, Role::Server] {
            let mut tracker = Tracker::default();
            let first = Attempt {
                role,
                ..asked(rtype, transport)
            };
            ended_by(&mut tracker, Event::Ended(first.clone()));
            // Their questions are left out, as they may be.
            for number in 1..=3 {
                let mut more = stray(&first, 20 + number);
                more.question = RawQuestion::default();
                assert_eq!(ended_by(&mut tracker, Event::Stray(more)), []);
            }
            assert_eq!(tracker.stray_answers(), strays, "{rtype} {transport:?}");
            // Another id is another matter, and so is what comes a minute later.
            let mut other = stray(&first, 30);
            other.id = other.id.wrapping_add(1);
            ended_by(&mut tracker, Event::Stray(other));
            tracker.settle(100_000_000_000, &mut Vec::new());
            ended_by(&mut tracker, Event::Stray(stray(&first, 100_000_000_001)));
            assert_eq!(tracker.stray_answers(), strays + 2, "{rtype} {transport:?}");
        }
    }
}

#[test]
fn an_answer_to_another_question_is_not_late() {
    let questions: [(&[u8], bool); 5] = [
        (b"\x01a\0\0\x01\0\x01", true),
        (b"\x01A\0\0\x01\0\x01 and its records", true),
        (b"\x01b\0\0\x01\0\x01", false),
        (b"\x01a\0\0\x1c\0\x01", false),
        (b"", true),
    ];
    for (octets, is_late) in questions {
        let mut tracker = Tracker::default();
        let before = give_up(&mut tracker, attempt(10));
        let mut answer = stray(&before, 20);
        answer.question = RawQuestion::new(octets);
        let ended = ended_by(&mut tracker, Event::Stray(answer));
        assert_eq!(ended.len(), usize::from(is_late), "{octets:x?}");
    }
}
