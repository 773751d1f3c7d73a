//! Packets that the kernel discarded, and the attempts that they end.

use std::net::SocketAddr;

use super::DELAY;
use super::NETFILTER_DROP;
use super::NO_SOCKET;
use super::NOT_SPECIFIED;
use super::SECOND;
use super::SOCKET_RCVBUFF;
use super::UDP_DESTRUCT;
use super::addr;
use super::answer_of;
use super::attempt;
use super::discard;
use super::ended_by;
use super::give_up;
use super::query_of;
use super::settled;
use super::socket;
use super::stray;
use super::swept;
use super::tracker;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Owner;
use crate::attempt::Packet;
use crate::attempt::RawQuestion;
use crate::attempt::Reason;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::event::Discarded;
use crate::event::Event;
use crate::track::Tracker;

/// The same exchange as the server has it.
fn at_server(sent_ns: u64) -> Attempt {
    let client = attempt(sent_ns);
    Attempt {
        role: Role::Server,
        cookie: 88,
        local: client.peer,
        peer: client.local,
        ..client
    }
}

fn dropped(name: &str) -> Option<(Outcome, Option<Reason>)> {
    Some((Outcome::Dropped, Some(Reason::Drop(name.to_owned()))))
}

/// How the sweep ends a query in flight whose packet was discarded at 100.
fn end(discarded: &Discarded, attempt: &Attempt) -> Option<(Outcome, Option<Reason>)> {
    let mut tracker = tracker();
    discard(&mut tracker, 100, discarded.clone());
    let failure = swept(&tracker, attempt, 100 + DELAY)?;
    let mut ended = Vec::new();
    tracker.ended(attempt.clone(), Some(failure), &mut ended);
    assert_eq!(ended[0].end_ns, 100);
    assert_eq!(tracker.drops_unjoined(), 0);
    Some((ended[0].outcome, ended[0].reason.clone()))
}

#[test]
fn a_discarded_query_or_answer_ends_its_attempt() {
    let query = attempt(10);
    for discarded in [
        query_of(&query, NETFILTER_DROP),
        answer_of(&query, NETFILTER_DROP),
    ] {
        assert_eq!(end(&discarded, &query), dropped("NETFILTER_DROP"));
        let others = [
            Attempt {
                id: Some(8),
                ..query.clone()
            },
            Attempt {
                local: addr("10.0.0.5:40001"),
                ..query.clone()
            },
            Attempt {
                question: RawQuestion::new(b"\x01b\0\0\x01\0\x01"),
                ..query.clone()
            },
            Attempt {
                transport: Transport::Tcp,
                ..query.clone()
            },
            Attempt {
                sent_ns: 101,
                ..query.clone()
            },
        ];
        for other in others {
            assert_eq!(end(&discarded, &other), None, "{other:?}");
        }
    }
}

#[test]
fn what_was_discarded_is_kept_as_evidence() {
    let mut tracker = tracker();
    let mut discarded = query_of(&attempt(10), NETFILTER_DROP);
    discarded.owner.netns = 5;
    discard(&mut tracker, 100, discarded);
    let failure = swept(&tracker, &attempt(10), SECOND).expect("it is known");
    let drop = failure.drop.expect("evidence");
    assert_eq!((drop.at_ns, &*drop.reason), (100, "NETFILTER_DROP"));
    assert_eq!(drop.location.as_deref(), Some("nft_do_chain"));
    assert_eq!((drop.packet, drop.netns), (Packet::Query, 5));
    assert_eq!(drop.source, attempt(10).local);
    assert_eq!(drop.destination, attempt(10).peer);
    assert!(!drop.when_sent);
}

#[test]
fn a_socket_that_is_known_must_be_the_attempts() {
    let query = attempt(10);
    for (discarded, is_sender) in [
        (query_of(&query, NETFILTER_DROP), true),
        (answer_of(&query, NETFILTER_DROP), false),
    ] {
        let mut discarded = Discarded {
            socket: socket(&query, is_sender),
            no_l2_header: false,
            ..discarded
        };
        assert_eq!(end(&discarded, &query), dropped("NETFILTER_DROP"));
        let other = discarded.socket.as_mut().expect("as made above");
        other.cookie = Some(78);
        assert_eq!(end(&discarded, &query), None);
        let other = discarded.socket.as_mut().expect("as made above");
        other.cookie = None; // nobody has asked for it yet
        assert_eq!(end(&discarded, &query), dropped("NETFILTER_DROP"));
    }
}

#[test]
fn a_server_loses_the_query_that_it_has_just_seen() {
    let mut tracker = tracker();
    let client = Attempt {
        cookie: 5,
        ..attempt(10)
    };
    discard(&mut tracker, 100, query_of(&client, SOCKET_RCVBUFF));
    let mut ended = Vec::new();
    for attempt in [at_server(90), client] {
        let failure = swept(&tracker, &attempt, 100 + DELAY);
        assert!(failure.is_some(), "{attempt:?}");
        tracker.ended(attempt, failure, &mut ended);
    }
    for attempt in &ended {
        let reason = attempt.reason.clone();
        assert_eq!(Some((attempt.outcome, reason)), dropped("SOCKET_RCVBUFF"));
    }
    // Each once.
    assert_eq!(swept(&tracker, &at_server(90), SECOND), None);
    assert_eq!(tracker.drops_unjoined(), 0);
}

/// The query that the server works on came through; the one sent again did not.
#[test]
fn a_server_does_not_lose_what_it_has_had_for_long() {
    let at_ns = SECOND;
    for (sent_ns, location, is_lost) in [
        (at_ns - 1, 0, true),
        (at_ns - SECOND / 5, 0, false),
        (at_ns - SECOND / 5, UDP_DESTRUCT, true),
    ] {
        let mut tracker = tracker();
        let query = Discarded {
            location,
            ..query_of(&attempt(10), NOT_SPECIFIED)
        };
        discard(&mut tracker, at_ns, query);
        let failure = swept(&tracker, &at_server(sent_ns), at_ns + DELAY);
        assert_eq!(failure.is_some(), is_lost, "{sent_ns}");
    }
}

#[test]
fn an_answer_that_does_not_leave_its_server_ends_both_attempts() {
    let server = Owner {
        pid: Some(53),
        ..Owner::default()
    };
    let discarded = Discarded {
        socket: socket(&at_server(20), true),
        owner: server,
        ..answer_of(&attempt(10), NETFILTER_DROP)
    };
    for attempt in [attempt(10), at_server(20)] {
        assert_eq!(end(&discarded, &attempt), dropped("NETFILTER_DROP"));
    }
    let mut tracker = tracker();
    discard(&mut tracker, 100, discarded);
    let ended = give_up(&mut tracker, at_server(20));
    assert_eq!(ended.owner, server, "a server is known by its answer");
    assert!(ended.drop.expect("evidence").when_sent);
    // One that is discarded later has left the server.
    let later = answer_of(&attempt(10), NETFILTER_DROP);
    assert_eq!(end(&later, &at_server(20)), None);
}

/// musl: each attempt is joined when the question ends, by its server.
#[test]
fn one_of_several_servers_is_joined_by_its_address() {
    let mut tracker = tracker();
    discard(&mut tracker, 100, query_of(&attempt(10), NETFILTER_DROP));
    let superseded = |server| Attempt {
        outcome: Outcome::Superseded,
        peer: addr(server),
        ..attempt(10)
    };
    let other = give_up(&mut tracker, superseded("10.0.0.54:53"));
    assert_eq!(other.outcome, Outcome::Superseded);
    let this = give_up(&mut tracker, superseded("10.0.0.53:53"));
    assert_eq!(this.outcome, Outcome::Dropped);
    let again = give_up(&mut tracker, superseded("10.0.0.53:53"));
    assert_eq!(again.outcome, Outcome::Superseded);
}

#[test]
fn an_attempt_that_was_answered_lost_nothing() {
    let mut tracker = tracker();
    discard(&mut tracker, 100, answer_of(&attempt(10), NETFILTER_DROP));
    let answered = Attempt {
        outcome: Outcome::Answered,
        ..attempt(10)
    };
    let ended = ended_by(&mut tracker, Event::Ended(answered.clone()));
    assert_eq!(ended, [answered]);
    assert_eq!(tracker.drops_unjoined(), 1);
}

#[test]
fn what_ended_before_the_drop_is_not_joined_with_it() {
    let mut tracker = tracker();
    discard(&mut tracker, 100, query_of(&attempt(10), NETFILTER_DROP));
    let end_ns = 99;
    let resent = Attempt {
        end_ns,
        ..attempt(10)
    };
    assert_eq!(give_up(&mut tracker, resent).outcome, Outcome::Unanswered);
}

/// Conntrack of the namespace that translates knows the addresses from before.
#[test]
fn translation_is_undone_where_it_is_known() {
    let query = attempt(10);
    let (node, backend): (SocketAddr, SocketAddr) = (addr("192.0.2.1:61000"), addr("10.9.9.9:53"));
    let discarded = Discarded {
        source: node,
        destination: backend,
        asked: Some((query.local, query.peer)),
        ..query_of(&query, NETFILTER_DROP)
    };
    assert_eq!(end(&discarded, &query), dropped("NETFILTER_DROP"));
    let mut tracker = tracker();
    discard(&mut tracker, 100, discarded);
    let ended = give_up(&mut tracker, query);
    assert_eq!(ended.outcome, Outcome::Dropped);
    assert_eq!(ended.drop.expect("evidence").source, node);
}

#[test]
fn behind_translation_the_only_one_with_the_id_and_question_is_joined() {
    let there = |netns| Owner {
        netns,
        ..Owner::default()
    };
    let query = Attempt {
        owner: there(1),
        ..attempt(10)
    };
    let translated = |netns, port: u16| Discarded {
        source: ([192, 0, 2, 1], port).into(),
        owner: there(netns),
        ..query_of(&query, NETFILTER_DROP)
    };
    let joined = |drops: &[Discarded]| {
        let mut tracker = tracker();
        for discarded in drops {
            discard(&mut tracker, 100, discarded.clone());
        }
        swept(&tracker, &query, 100 + DELAY).is_some()
    };
    assert!(joined(&[translated(2, 61000)]));
    assert!(!joined(&[translated(2, 61000), translated(2, 61001)]));
    // In its own namespace a client has its own port.
    assert!(!joined(&[translated(1, 61000)]));
    assert!(!joined(&[translated(0, 61000)]));
}

#[test]
fn an_answer_that_nobody_listened_for_ends_its_attempt() {
    let answer = answer_of(&attempt(10), NO_SOCKET);
    assert_eq!(end(&answer, &attempt(10)), dropped("NO_SOCKET"));
}

#[test]
fn an_answer_that_nobody_listened_for_any_more_is_late() {
    let mut tracker = tracker();
    let unanswered = give_up(&mut tracker, attempt(10));
    let at_ns = unanswered.end_ns + 100;
    discard(&mut tracker, at_ns, answer_of(&unanswered, NO_SOCKET));
    assert_eq!(settled(&mut tracker, at_ns + DELAY - 1), []);
    let ended = settled(&mut tracker, at_ns + DELAY);
    let [late] = &ended[..] else {
        panic!("not one: {ended:?}")
    };
    assert_eq!((late.outcome, late.end_ns), (Outcome::Late, at_ns));
    assert!(late.answer.is_some());
    assert_eq!(tracker.drops_unjoined(), 0);
    assert_eq!(settled(&mut tracker, at_ns + SECOND), []);
}

#[test]
fn only_what_fits_is_late() {
    let unanswered = attempt(10);
    let at_ns = unanswered.end_ns + 100;
    let fits = answer_of(&unanswered, NO_SOCKET);
    let elsewhere = Owner {
        netns: 2,
        ..Owner::default()
    };
    let others = [
        answer_of(&unanswered, NETFILTER_DROP),
        query_of(&unanswered, NO_SOCKET),
        answer_of(
            &Attempt {
                local: addr("10.0.0.5:40001"),
                ..unanswered.clone()
            },
            NO_SOCKET,
        ),
        answer_of(
            &Attempt {
                question: RawQuestion::new(b"\x01b\0\0\x01\0\x01"),
                ..unanswered.clone()
            },
            NO_SOCKET,
        ),
        Discarded {
            owner: elsewhere,
            ..fits
        },
    ];
    for other in others {
        let mut tracker = tracker();
        let mut unanswered = unanswered.clone();
        unanswered.owner.netns = 1;
        give_up(&mut tracker, unanswered);
        discard(&mut tracker, at_ns, other.clone());
        assert_eq!(settled(&mut tracker, at_ns + DELAY), [], "{other:?}");
    }
}

/// What the socket got is late already; its copy finds nothing more.
#[test]
fn a_late_answer_is_counted_once() {
    let mut tracker = tracker();
    let unanswered = give_up(&mut tracker, attempt(10));
    let at_ns = unanswered.end_ns + 100;
    let answer = Event::Stray(stray(&unanswered, at_ns));
    assert_eq!(ended_by(&mut tracker, answer).len(), 1);
    discard(&mut tracker, at_ns, answer_of(&unanswered, NO_SOCKET));
    assert_eq!(settled(&mut tracker, at_ns + DELAY), []);
}

/// TCP sends again what was lost: it is known when the attempt ends.
#[test]
fn what_tcp_lost_is_known_at_the_end() {
    let query = Attempt {
        transport: Transport::Tcp,
        ..attempt(10)
    };
    let segment = Discarded {
        message: None,
        ..answer_of(&query, NETFILTER_DROP)
    };
    let connect = Discarded {
        packet: Packet::Connect,
        from_client: true,
        source: query.local,
        destination: query.peer,
        ..segment.clone()
    };
    let connection = Attempt {
        id: None,
        ..query.clone()
    };
    let outcome = |lost: &Discarded, of: &Attempt| {
        let mut tracker = tracker();
        discard(&mut tracker, 100, lost.clone());
        assert_eq!(swept(&tracker, of, SECOND), None);
        give_up(&mut tracker, of.clone()).outcome
    };
    assert_eq!(outcome(&segment, &query), Outcome::Dropped);
    assert_eq!(outcome(&connect, &connection), Outcome::Dropped);
    assert_eq!(outcome(&connect, &query), Outcome::Unanswered);
    assert_eq!(outcome(&segment, &connection), Outcome::Unanswered);
    let stranger = Attempt {
        local: addr("10.0.0.6:40000"),
        peer: addr("10.0.0.54:53"),
        ..connection
    };
    assert_eq!(outcome(&connect, &stranger), Outcome::Unanswered);
}

/// A segment may have held both.
#[test]
fn several_queries_on_a_connection_may_end_by_one_drop() {
    let mut tracker = tracker();
    let query = |id| Attempt {
        transport: Transport::Tcp,
        id: Some(id),
        ..attempt(10)
    };
    let segment = Discarded {
        message: None,
        ..query_of(&query(1), NETFILTER_DROP)
    };
    discard(&mut tracker, 100, segment);
    for id in 1..4 {
        assert_eq!(give_up(&mut tracker, query(id)).outcome, Outcome::Dropped);
    }
}

#[test]
fn what_nobody_misses_ends_nothing() {
    let mut tracker: Tracker = tracker();
    let unread = Discarded {
        location: UDP_DESTRUCT,
        ..answer_of(&attempt(10), NOT_SPECIFIED)
    };
    discard(&mut tracker, 100, unread);
    assert_eq!(swept(&tracker, &attempt(10), SECOND), None);
    assert_eq!(tracker.drops_unjoined(), 0);
}
