//! Failures that the kernel tells of, and the queries that they end.

use super::DELAY;
use super::NO_SOCKET;
use super::attempt;
use super::ended_by;
use super::query_of;
use super::settled;
use super::stray;
use super::swept;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::RawQuestion;
use crate::attempt::Reason;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::event::Event;
use crate::event::NoticeKind;
use crate::track::Tracker;

const REFUSED: Reason = Reason::Errno(libc::ECONNREFUSED);

/// A tracker that was told of one failure.
fn told(at_ns: u64, kind: NoticeKind) -> Tracker {
    let mut tracker = super::tracker();
    assert!(!tracker.has_fresh_notices());
    super::told(&mut tracker, at_ns, kind);
    assert!(tracker.has_fresh_notices());
    tracker
}

fn socket_error() -> NoticeKind {
    error_of(77, libc::EHOSTUNREACH)
}

fn error_of(cookie: u64, error: i32) -> NoticeKind {
    NoticeKind::SocketError {
        cookie,
        netns: 1,
        local_port: 40000,
        error,
    }
}

fn no_socket() -> NoticeKind {
    NoticeKind::Drop(Box::new(query_of(&attempt(10), NO_SOCKET)))
}

/// Outcome, time and reason of the failure of an attempt, told of at 100: as a
/// query in flight, and as one just resent.
fn failure(kind: &NoticeKind, attempt: &Attempt) -> Option<(Outcome, u64, Reason)> {
    let told = told(100, kind.clone());
    let in_flight = swept(&told, attempt, 100 + DELAY);
    let resent = told.kernel_errors.failure_of_attempt(attempt);
    assert_eq!(resent, in_flight);
    in_flight.map(|failure| (failure.outcome, failure.at_ns, failure.reason))
}

#[test]
fn a_socket_error_ends_all_queries_sent_before_it_and_none_after() {
    let kind = socket_error();
    let reason = Reason::Errno(libc::EHOSTUNREACH);
    for (id, sent_ns) in [(1, 10), (2, 99), (3, 100)] {
        let id = Some(id);
        let expected = (Outcome::Refused, 100, reason.clone());
        assert_eq!(
            failure(
                &kind,
                &Attempt {
                    id,
                    ..attempt(sent_ns)
                }
            ),
            Some(expected)
        );
    }
    assert_eq!(failure(&kind, &attempt(101)), None);
    let cookie = 78;
    assert_eq!(
        failure(
            &kind,
            &Attempt {
                cookie,
                ..attempt(10)
            }
        ),
        None
    );
}

#[test]
fn a_query_that_met_no_socket_is_known_by_id_port_and_question() {
    let kind = no_socket();
    let query = attempt(10);
    // The client's socket may be anywhere: its cookie says nothing.
    let cookie = 1234;
    let expected = Some((Outcome::Refused, 100, REFUSED));
    assert_eq!(
        failure(
            &kind,
            &Attempt {
                cookie,
                ..query.clone()
            }
        ),
        expected
    );
    let others = [
        Attempt {
            id: Some(8),
            ..query.clone()
        },
        Attempt {
            local: super::addr("10.0.0.5:40001"),
            ..query.clone()
        },
        Attempt {
            question: RawQuestion::new(b"\x01b\0\0\x01\0\x01"),
            ..query.clone()
        },
        Attempt {
            question: RawQuestion::default(),
            ..query.clone()
        },
        Attempt {
            transport: Transport::Tcp,
            ..query.clone()
        },
        Attempt {
            sent_ns: 101,
            ..query
        },
    ];
    for other in others {
        assert_eq!(failure(&kind, &other), None, "{other:?}");
    }
}

#[test]
fn a_server_is_never_refused() {
    let server = Attempt {
        role: Role::Server,
        local: super::addr("10.0.0.53:53"),
        peer: super::addr("10.0.0.5:40000"),
        ..attempt(10)
    };
    assert_eq!(failure(&socket_error(), &server), None);
}

#[test]
fn a_refused_attempt_ends_when_the_kernel_said_so() {
    let mut tracker = told(100, socket_error());
    // The sweep finds it later, or a resend comes first.
    let failure = swept(&tracker, &attempt(10), 100 + DELAY);
    let mut ended = Vec::new();
    tracker.ended(attempt(10), failure, &mut ended);
    ended.extend(ended_by(&mut tracker, Event::Ended(attempt(20))));
    for attempt in &ended {
        assert_eq!(attempt.outcome, Outcome::Refused);
        assert_eq!(attempt.end_ns, 100);
        assert_eq!(attempt.reason, Some(Reason::Errno(libc::EHOSTUNREACH)));
    }
}

#[test]
fn an_answered_attempt_stays_answered_and_a_refused_one_is_not_late() {
    let mut tracker = told(100, socket_error());
    let outcome = Outcome::Answered;
    let answered = Attempt {
        outcome,
        ..attempt(10)
    };
    assert_eq!(
        ended_by(&mut tracker, Event::Ended(answered.clone())),
        [answered]
    );
    let refused = ended_by(&mut tracker, Event::Ended(attempt(20)));
    assert_eq!(refused[0].outcome, Outcome::Refused);
    let answer = Event::Stray(stray(&refused[0], 200));
    assert_eq!(ended_by(&mut tracker, answer), []);
    assert_eq!(tracker.stray_answers(), 1);
}

/// One of several servers refuses: it is joined by its address when the question
/// ends, and once.
#[test]
fn a_query_that_met_no_socket_is_joined_once_and_at_its_server() {
    let mut tracker = told(100, no_socket());
    let outcome = Outcome::Superseded;
    let other = Attempt {
        outcome,
        peer: super::addr("10.0.0.54:53"),
        ..attempt(10)
    };
    let ended = ended_by(&mut tracker, Event::Ended(other.clone()));
    assert_eq!(ended, [other]);
    let superseded = Attempt {
        outcome,
        ..attempt(10)
    };
    let ended = ended_by(&mut tracker, Event::Ended(superseded.clone()));
    assert_eq!(ended[0].outcome, Outcome::Refused);
    let ended = ended_by(&mut tracker, Event::Ended(superseded.clone()));
    assert_eq!(ended, [superseded]);
}

/// A closed port under load: each query of a connected socket has two notices.
#[test]
fn many_refusals_are_all_joined() {
    let mut tracker = super::tracker();
    for n in 0..20_000_u64 {
        let query = Attempt {
            cookie: n,
            id: Some((n % 60_000) as u16),
            ..attempt(10 * n)
        };
        let at_ns = 10 * n + 1;
        super::told(&mut tracker, at_ns, error_of(n, libc::ECONNREFUSED));
        super::discard(&mut tracker, at_ns, query_of(&query, NO_SOCKET));
        let failure = swept(&tracker, &query, at_ns + DELAY);
        assert!(failure.is_some(), "{n}");
        let mut ended = Vec::new();
        tracker.ended(query, failure, &mut ended);
        assert!(ended[0].drop.is_some(), "{n}");
        // The sweep after a second's worth of a flood of 5,000 a second.
        if n % 5_000 == 0 {
            settled(&mut tracker, 10 * n + 2_000_000_000);
        }
    }
    assert_eq!(tracker.notices_lost(), 0);
    assert_eq!(tracker.drops_unjoined(), 0);
}
