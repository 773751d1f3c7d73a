//! Sockets that are closed while their queries wait.

use super::NETFILTER_DROP;
use super::SECOND;
use super::attempt;
use super::discard;
use super::ended_by;
use super::give_up;
use super::query_of;
use super::settled;
use super::socket;
use super::stray;
use super::tracker;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Role;
use crate::event::ClosedSocket;
use crate::event::Event;
use crate::track::Tracker;

fn close(tracker: &mut Tracker, cookie: u64, at_ns: u64) {
    let closed = ClosedSocket { at_ns, cookie };
    assert_eq!(ended_by(tracker, Event::Closed(closed)), []);
}

/// What is said of an attempt that was sent after one second and ends five seconds later.
fn gave_up(cookie: u64, at_ns: u64, change: impl FnOnce(&mut Attempt)) -> Option<u64> {
    let mut tracker = Tracker::default();
    close(&mut tracker, cookie, at_ns);
    let mut attempt = attempt(SECOND);
    change(&mut attempt);
    give_up(&mut tracker, attempt).gave_up_ns
}

#[test]
fn an_attempt_without_an_answer_says_when_its_socket_was_closed() {
    for at_ns in [SECOND, 2 * SECOND, 6 * SECOND] {
        assert_eq!(gave_up(77, at_ns, |_| {}), Some(at_ns));
    }
    // Another socket; before it was sent; when it had ended.
    assert_eq!(gave_up(78, 2 * SECOND, |_| {}), None);
    assert_eq!(gave_up(77, SECOND - 1, |_| {}), None);
    assert_eq!(gave_up(77, 6 * SECOND + 1, |_| {}), None);
    // The server's end has not asked, and who has his answer may go.
    assert_eq!(gave_up(77, 2 * SECOND, |it| it.role = Role::Server), None);
    for outcome in [Outcome::Answered, Outcome::Superseded] {
        assert_eq!(gave_up(77, 2 * SECOND, |it| it.outcome = outcome), None);
    }
}

#[test]
fn a_late_answer_comes_to_one_that_was_given_up_on() {
    let mut tracker = Tracker::default();
    close(&mut tracker, 77, 2 * SECOND);
    let before = give_up(&mut tracker, attempt(SECOND));
    let answer = Event::Stray(stray(&before, 9 * SECOND));
    let late = &ended_by(&mut tracker, answer)[0];
    assert_eq!(late.outcome, Outcome::Late);
    assert_eq!(late.gave_up_ns, Some(2 * SECOND));
}

/// Its drop is joined later than the socket is closed.
#[test]
fn what_was_discarded_may_be_given_up_on_before_that_is_known() {
    let mut tracker = tracker();
    let unsent = attempt(SECOND);
    let mut query = query_of(&unsent, NETFILTER_DROP);
    query.socket = socket(&unsent, true);
    discard(&mut tracker, SECOND, query);
    close(&mut tracker, 77, SECOND + 5);
    let ended = settled(&mut tracker, 2 * SECOND);
    assert_eq!(ended[0].outcome, Outcome::Dropped, "{ended:#?}");
    assert_eq!(ended[0].gave_up_ns, Some(SECOND + 5));
}

#[test]
fn what_is_remembered_is_bounded_and_the_latest_stay() {
    let mut tracker = Tracker::default();
    for cookie in 0..100_000 {
        close(&mut tracker, cookie, 2 * SECOND);
    }
    let given_up = |tracker: &mut Tracker, cookie| {
        let attempt = Attempt {
            cookie,
            ..attempt(SECOND)
        };
        give_up(tracker, attempt).gave_up_ns.is_some()
    };
    assert!(!given_up(&mut tracker, 0));
    assert!(given_up(&mut tracker, 99_999));
    assert!(given_up(&mut tracker, 100_000 - 32_768));
    assert!(!given_up(&mut tracker, 100_000 - 32_769));
}
