//! What is kept, and for how long.

use super::SECOND;
use super::addr;
use super::attempt;
use super::ended_by;
use super::give_up;
use super::question;
use super::stray;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::kernel::Event;
use crate::kernel::InFlight;
use crate::kernel::Notice;
use crate::kernel::NoticeKind;
use crate::track::Tracker;

/// An attempt of its own socket.
fn of_socket(cookie: u64, sent_ns: u64) -> Attempt {
    Attempt {
        cookie,
        ..attempt(sent_ns)
    }
}

fn is_late(tracker: &mut Tracker, attempt: &Attempt) -> bool {
    let answer = stray(attempt, attempt.end_ns + 1);
    match &ended_by(tracker, Event::Stray(answer))[..] {
        [] => false,
        [late] => late.outcome == Outcome::Late,
        more => panic!("{more:?}"),
    }
}

#[test]
fn only_the_last_attempts_are_kept() {
    const KEPT_MAX: u64 = 8192;
    let mut tracker = Tracker::default();
    for cookie in 0..KEPT_MAX + 10 {
        give_up(&mut tracker, of_socket(cookie, cookie));
    }
    for cookie in [0, 9] {
        assert!(!is_late(&mut tracker, &of_socket(cookie, cookie)));
    }
    for cookie in [10, KEPT_MAX + 9] {
        assert!(is_late(&mut tracker, &of_socket(cookie, cookie)));
    }
}

#[test]
fn late_answers_and_resends_leave_nothing_behind() {
    let mut tracker = Tracker::default();
    // One socket, over and over, longer than there is room for.
    for turn in 0..9_000 {
        let attempt = give_up(&mut tracker, of_socket(1, turn));
        if turn % 2 == 0 {
            assert!(is_late(&mut tracker, &attempt), "turn {turn}");
        }
    }
    tracker.forget(200 * SECOND);
    assert!(!is_late(&mut tracker, &of_socket(1, 8_999)));
}

#[test]
fn an_attempt_is_kept_for_a_minute() {
    let mut tracker = Tracker::default();
    let (old, young) = (of_socket(1, SECOND), of_socket(2, 2 * SECOND));
    for attempt in [&old, &young] {
        give_up(&mut tracker, attempt.clone());
    }
    tracker.forget(old.end_ns + 60 * SECOND + 1);
    assert!(!is_late(&mut tracker, &old));
    assert!(is_late(&mut tracker, &young));
}

/// The longest timeout is a minute, and a second more.
#[test]
fn a_notice_is_kept_for_61_seconds_and_fresh_until_the_sweep() {
    let query = InFlight::of_attempt(&attempt(10));
    for (now_ns, is_kept) in [(100 + 61 * SECOND, true), (101 + 61 * SECOND, false)] {
        let mut tracker = Tracker::default();
        let kind = NoticeKind::NoSocket {
            client_port: 40000,
            server: addr("10.0.0.53:53"),
            id: 7,
            question: question(),
        };
        let at_ns = 100;
        ended_by(&mut tracker, Event::Notice(Notice { at_ns, kind }));
        assert!(tracker.has_fresh_notices());
        tracker.forget(now_ns);
        assert!(!tracker.has_fresh_notices());
        assert_eq!(tracker.failure_of(&query).is_some(), is_kept);
    }
}

#[test]
fn a_flood_of_notices_is_bounded_and_does_not_end_the_joining() {
    const KEPT_MAX: u64 = 8192;
    let mut tracker = Tracker::default();
    let error = libc::ECONNREFUSED;
    for cookie in 0..2 * KEPT_MAX {
        let kind = NoticeKind::SocketError { cookie, error };
        let at_ns = 100;
        ended_by(&mut tracker, Event::Notice(Notice { at_ns, kind }));
    }
    let is_refused = |tracker: &mut Tracker, cookie| {
        let query = InFlight::of_attempt(&of_socket(cookie, 10));
        tracker.failure_of(&query).is_some()
    };
    assert!(is_refused(&mut tracker, KEPT_MAX - 1));
    assert!(!is_refused(&mut tracker, KEPT_MAX));
    tracker.forget(62 * SECOND);
    let kind = NoticeKind::SocketError {
        cookie: KEPT_MAX,
        error,
    };
    ended_by(
        &mut tracker,
        Event::Notice(Notice {
            at_ns: 63 * SECOND,
            kind,
        }),
    );
    assert!(is_refused(&mut tracker, KEPT_MAX));
}
