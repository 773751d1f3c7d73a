//! Answers that the client's own socket had no room for.

use super::DELAY;
use super::NETFILTER_DROP;
use super::RAW_RCV;
use super::SECOND;
use super::SOCKET_FILTER;
use super::SOCKET_RCVBUFF;
use super::UDP_QUEUE_RCV;
use super::answer_of;
use super::attempt;
use super::discard;
use super::ended_by;
use super::query_of;
use super::settled;
use super::socket;
use super::tracker;
use crate::attempt::Answer;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Packet;
use crate::attempt::Reason;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::event::Discarded;
use crate::event::Event;
use crate::thresholds::QUEUED_BYTES;
use crate::track::Tracker;

/// Answered at 100, when so much lay in its socket.
fn answered(queued_bytes: u32) -> Attempt {
    let attempt = attempt(10);
    let answer = answer_of(&attempt, 0).message.expect("a message").answer;
    Attempt {
        outcome: Outcome::Answered,
        end_ns: 100,
        answer: Some(Answer {
            bytes: 60,
            ..answer
        }),
        queued_bytes,
        ..attempt
    }
}

fn full(attempt: &Attempt, reason: u32) -> Discarded {
    Discarded {
        socket: socket(attempt, false),
        ..answer_of(attempt, reason)
    }
}

/// What becomes of it, with this drop right behind its answer.
fn end(attempt: &Attempt, drop: Option<Discarded>) -> (Attempt, u64) {
    let mut tracker = tracker();
    let mut ended = Vec::new();
    tracker.event(Event::Ended(attempt.clone()), &mut ended);
    if let Some(drop) = drop {
        discard(&mut tracker, 101, drop);
    }
    if ended.is_empty() {
        assert!(tracker.has_fresh_notices(), "it waits");
        assert_eq!(settled(&mut tracker, 99 + DELAY), [], "too early");
        ended = settled(&mut tracker, 100 + DELAY);
    }
    assert_eq!(ended.len(), 1);
    (ended.remove(0), tracker.drops_unjoined())
}

#[test]
fn an_answer_that_found_no_room_is_dropped() {
    let attempt = answered(QUEUED_BYTES);
    let (ended, unjoined) = end(&attempt, Some(full(&attempt, SOCKET_RCVBUFF)));
    assert_eq!(ended.outcome, Outcome::Dropped);
    assert_eq!(
        ended.reason,
        Some(Reason::Drop("SOCKET_RCVBUFF".to_owned()))
    );
    assert_eq!((ended.end_ns, ended.answer), (101, None));
    assert_eq!(ended.drop.map(|drop| drop.packet), Some(Packet::Answer));
    assert_eq!(unjoined, 0);
}

#[test]
fn one_that_did_is_answered() {
    let attempt = answered(QUEUED_BYTES);
    assert_eq!(end(&attempt, None).0, attempt);
    // Another socket's, another question's, its query's, or for another reason.
    let of_other = |change: fn(&mut Attempt)| {
        let mut other = attempt.clone();
        change(&mut other);
        full(&other, SOCKET_RCVBUFF)
    };
    for drop in [
        of_other(|it| it.cookie += 1),
        of_other(|it| it.id = Some(1)),
        of_other(|it| it.local.set_port(9)),
        query_of(&attempt, SOCKET_RCVBUFF),
        full(&attempt, NETFILTER_DROP),
    ] {
        assert_eq!(end(&attempt, Some(drop)).0.outcome, Outcome::Answered);
    }
}

#[test]
fn where_room_is_nothing_waits() {
    let mut tracker = tracker();
    for it in [
        answered(QUEUED_BYTES - 1),
        Attempt {
            transport: Transport::Tcp,
            ..answered(QUEUED_BYTES)
        },
    ] {
        let mut ended = Vec::new();
        tracker.event(Event::Ended(it), &mut ended);
        assert_eq!(ended.len(), 1);
    }
    assert!(!tracker.has_fresh_notices());
}

/// Each drop is one answer's.
#[test]
fn a_burst_loses_as_many_as_were_discarded() {
    let mut tracker = tracker();
    let mut ended = Vec::new();
    for n in 0..600 {
        let mut it = answered(QUEUED_BYTES);
        it.id = Some(n);
        it.end_ns += u64::from(n);
        tracker.event(Event::Ended(it.clone()), &mut ended);
        if n % 3 > 0 {
            discard(&mut tracker, it.end_ns + 1, full(&it, SOCKET_RCVBUFF));
        }
    }
    ended.extend(settled(&mut tracker, 1_000 + DELAY));
    let lost = ended.iter().filter(|it| it.outcome == Outcome::Dropped);
    assert_eq!((lost.count(), ended.len()), (400, 600));
    assert_eq!(tracker.drops_unjoined(), 0);
}

/// A program on the client's control group that lets no answer in runs behind the hook that
/// sees it come. The first one is known from its drop alone; those that follow wait for theirs.
#[test]
fn answers_that_a_filter_lets_not_in_are_dropped() {
    let filtered = |attempt: &Attempt, location| Discarded {
        location,
        socket: None,
        ..full(attempt, SOCKET_FILTER)
    };
    let mut tracker = tracker();
    let first = answered(0);
    // A copy for somebody else.
    discard(&mut tracker, 99, filtered(&first, RAW_RCV));
    assert_eq!(tracker.filters().count(), 0);
    assert_eq!(ended_by(&mut tracker, Event::Ended(first.clone())).len(), 1);
    let mut tracker = super::tracker();
    discard(&mut tracker, 101, filtered(&first, UDP_QUEUE_RCV));
    assert_eq!(tracker.drops_unjoined(), 1);
    let next = |id, is_lost: bool, tracker: &mut Tracker| {
        let next = Attempt {
            id: Some(id),
            cookie: u64::from(id),
            ..answered(0)
        };
        assert_eq!(ended_by(tracker, Event::Ended(next.clone())), []);
        if is_lost {
            discard(tracker, 101, filtered(&next, RAW_RCV));
            discard(tracker, 102, filtered(&next, UDP_QUEUE_RCV));
        }
        let mut ended = settled(tracker, 100 + DELAY);
        assert_eq!(ended.len(), 1);
        ended.remove(0)
    };
    let lost = next(8, true, &mut tracker);
    assert_eq!(lost.outcome, Outcome::Dropped);
    assert_eq!(lost.reason, Some(Reason::Drop("SOCKET_FILTER".to_owned())));
    assert_eq!(next(9, false, &mut tracker).outcome, Outcome::Answered);
    // The first one and the copy.
    assert_eq!(tracker.drops_unjoined(), 2);
    // Another server, another namespace, the server's side, and TCP.
    let others: [fn(&mut Attempt); 4] = [
        |it| it.peer.set_ip([10, 0, 0, 54].into()),
        |it| it.owner.netns = 9,
        |it| it.role = Role::Server,
        |it| it.transport = Transport::Tcp,
    ];
    for change in others {
        let mut other = answered(0);
        change(&mut other);
        assert_eq!(ended_by(&mut tracker, Event::Ended(other)).len(), 1);
    }
    assert_eq!(tracker.filters().count(), 1);
    // It is forgotten when none was lost for a minute.
    settled(&mut tracker, 62 * SECOND);
    assert_eq!(tracker.filters().count(), 0);
}
