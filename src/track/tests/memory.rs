//! What is kept, and for how long.

use super::DELAY;
use super::NETFILTER_DROP;
use super::SECOND;
use super::attempt;
use super::discard;
use super::ended_by;
use super::give_up;
use super::query_of;
use super::settled;
use super::stray;
use super::swept;
use super::told;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::event::Event;
use crate::event::NoticeKind;
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
    settled(&mut tracker, 200 * SECOND);
    assert!(!is_late(&mut tracker, &of_socket(1, 8_999)));
}

#[test]
fn an_attempt_is_kept_for_a_minute() {
    let mut tracker = Tracker::default();
    let (old, young) = (of_socket(1, SECOND), of_socket(2, 2 * SECOND));
    for attempt in [&old, &young] {
        give_up(&mut tracker, attempt.clone());
    }
    settled(&mut tracker, old.end_ns + 60 * SECOND + 1);
    assert!(!is_late(&mut tracker, &old));
    assert!(is_late(&mut tracker, &young));
}

#[test]
fn a_drop_is_kept_a_second_longer_than_attempts_and_fresh_until_it_is_joined() {
    let kept_ns = super::TIMEOUT.as_nanos() as u64 + SECOND;
    for (now_ns, is_kept) in [(100 + kept_ns, true), (101 + kept_ns, false)] {
        let mut tracker = super::tracker();
        discard(&mut tracker, 100, query_of(&attempt(10), NETFILTER_DROP));
        assert!(tracker.has_fresh_notices());
        settled(&mut tracker, 99 + DELAY);
        assert!(tracker.has_fresh_notices());
        settled(&mut tracker, now_ns);
        assert!(!tracker.has_fresh_notices());
        assert_eq!(swept(&tracker, &attempt(10), now_ns).is_some(), is_kept);
        assert_eq!(tracker.drops_unjoined(), 1);
    }
}

#[test]
fn a_flood_of_errors_is_bounded_and_does_not_end_the_joining() {
    const KEPT_MAX: u64 = 8192;
    let mut tracker = Tracker::default();
    let error = |cookie| NoticeKind::SocketError {
        cookie,
        netns: 1,
        local_port: 40000,
        error: libc::ECONNREFUSED,
    };
    for cookie in 0..2 * KEPT_MAX {
        told(&mut tracker, 100, error(cookie));
    }
    let is_refused = |tracker: &Tracker, cookie, now_ns| {
        swept(tracker, &of_socket(cookie, 10), now_ns).is_some()
    };
    assert!(is_refused(&tracker, KEPT_MAX - 1, SECOND));
    assert!(!is_refused(&tracker, KEPT_MAX, SECOND));
    assert_eq!(tracker.notices_lost(), KEPT_MAX);
    settled(&mut tracker, 62 * SECOND);
    told(&mut tracker, 63 * SECOND, error(KEPT_MAX));
    assert!(is_refused(&tracker, KEPT_MAX, 64 * SECOND));
}

/// 25,000 refused queries a second, each on a socket of its own.
#[test]
fn a_flood_of_errors_that_are_joined_loses_none() {
    let mut tracker = Tracker::default();
    let sweeps_a_second = 50;
    for cookie in 0..25_000 {
        let at_ns = SECOND + cookie * SECOND / 25_000;
        let kind = NoticeKind::SocketError {
            cookie,
            netns: 1,
            local_port: 40000,
            error: libc::ECONNREFUSED,
        };
        told(&mut tracker, at_ns, kind);
        if cookie % (25_000 / sweeps_a_second) == 0 {
            let joined = cookie.saturating_sub(25_000 / sweeps_a_second)..cookie;
            for cookie in joined {
                assert!(swept(&tracker, &of_socket(cookie, 10), u64::MAX).is_some());
            }
            settled(&mut tracker, at_ns);
        }
    }
    assert_eq!(tracker.notices_lost(), 0);
}

#[test]
fn a_flood_of_drops_is_bounded_and_the_newest_are_kept() {
    const KEPT_MAX: u16 = 8192;
    let mut tracker = super::tracker();
    let query = |id| Attempt {
        id: Some(id),
        ..attempt(10)
    };
    for id in 0..2 * KEPT_MAX {
        discard(&mut tracker, 100, query_of(&query(id), NETFILTER_DROP));
    }
    for (id, is_kept) in [(0, false), (KEPT_MAX - 1, false), (KEPT_MAX, true)] {
        assert_eq!(swept(&tracker, &query(id), SECOND).is_some(), is_kept);
    }
    assert_eq!(tracker.drops_unjoined(), 2 * u64::from(KEPT_MAX));
}

/// One client that uses one port and one id for everything.
#[test]
fn drops_that_are_alike_are_bounded() {
    let mut tracker = super::tracker();
    for n in 0..20_000 {
        discard(&mut tracker, n, query_of(&attempt(10), NETFILTER_DROP));
    }
    let mut ended = Vec::new();
    for n in 0..100 {
        let failure = swept(&tracker, &attempt(10), SECOND);
        assert_eq!(failure.is_some(), n < 64, "{n}");
        tracker.ended(attempt(10), failure, &mut ended);
    }
    assert_eq!(ended[0].end_ns, 20_000 - 64);
}
