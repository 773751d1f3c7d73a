//! A firewall that rejects discards the query and tells its sender: the error wins,
//! whatever comes first, and the drop is its evidence.

use super::DELAY;
use super::NETFILTER_DROP;
use super::attempt;
use super::query_of;
use super::settled;
use super::socket;
use super::swept;
use super::told;
use super::tracker;
use crate::attempt::Attempt;
use crate::attempt::FailedCall;
use crate::attempt::Outcome;
use crate::attempt::Owner;
use crate::attempt::Reason;
use crate::event::Discarded;
use crate::event::NoticeKind;

const REFUSED: Reason = Reason::Errno(libc::ECONNREFUSED);

fn error() -> NoticeKind {
    NoticeKind::SocketError {
        cookie: 77,
        netns: 1,
        local_port: 40000,
        error: libc::ECONNREFUSED,
    }
}

#[test]
fn an_error_wins_over_a_drop_in_either_order() {
    let query = attempt(10);
    let dropped = NoticeKind::Drop(Box::new(query_of(&query, NETFILTER_DROP)));
    for (first, second) in [(error(), dropped.clone()), (dropped, error())] {
        let mut tracker = tracker();
        told(&mut tracker, 100, first.clone());
        // A sweep between the two must not end it.
        assert_eq!(swept(&tracker, &query, 100 + DELAY - 1), None);
        told(&mut tracker, 101, second);
        let failure = swept(&tracker, &query, 101 + DELAY);
        let mut ended = Vec::new();
        tracker.ended(query.clone(), failure, &mut ended);
        let refused = &ended[0];
        assert_eq!(refused.outcome, Outcome::Refused, "{first:?} first");
        assert_eq!(refused.reason, Some(REFUSED));
        let drop = refused.drop.as_ref().expect("evidence");
        assert_eq!(&*drop.reason, "NETFILTER_DROP");
        assert_eq!(tracker.drops_unjoined(), 0);
    }
}

#[test]
fn a_connection_that_was_refused_has_its_drop() {
    let connection = Attempt {
        outcome: Outcome::Refused,
        transport: crate::attempt::Transport::Tcp,
        id: None,
        reason: Some(REFUSED),
        ..attempt(10)
    };
    let ended = ended_after_its_syn(connection);
    assert_eq!(ended.reason, Some(REFUSED));
    assert!(ended.drop.is_some());
}

/// The packet was another connection's: this one had none.
#[test]
fn a_call_that_failed_has_no_drop() {
    let call = Attempt {
        outcome: Outcome::Refused,
        transport: crate::attempt::Transport::Tcp,
        id: None,
        failed_call: Some(FailedCall::Connect),
        ..attempt(10)
    };
    assert_eq!(ended_after_its_syn(call).drop, None);
}

/// Ends an attempt after a connection like it has lost its first packet.
fn ended_after_its_syn(connection: Attempt) -> Attempt {
    let mut tracker = tracker();
    let syn = Discarded {
        packet: crate::attempt::Packet::Connect,
        ..query_of(&connection, NETFILTER_DROP)
    };
    told(&mut tracker, 100, NoticeKind::Drop(Box::new(syn)));
    let mut ended = Vec::new();
    tracker.ended(connection, None, &mut ended);
    ended.remove(0)
}

/// In the sender's own stack: no hook saw the query, and the socket may not have
/// had a cookie.
#[test]
fn an_unsent_query_is_refused_in_either_order() {
    let query = attempt(10);
    for cookie in [Some(77), None] {
        let mut discarded = query_of(&query, NETFILTER_DROP);
        discarded.owner = Owner {
            pid: Some(1),
            netns: 1,
            ..Owner::default()
        };
        discarded.socket = socket(&query, true);
        if let Some(socket) = discarded.socket.as_mut() {
            socket.cookie = cookie;
        }
        let dropped = NoticeKind::Drop(Box::new(discarded));
        for (first, second) in [(error(), dropped.clone()), (dropped, error())] {
            let mut tracker = tracker();
            told(&mut tracker, 100, first);
            assert_eq!(settled(&mut tracker, 100 + DELAY - 1), []);
            told(&mut tracker, 101, second);
            let ended = settled(&mut tracker, 101 + DELAY);
            let [refused] = &ended[..] else {
                panic!("not one: {ended:?}")
            };
            assert_eq!(refused.reason, Some(REFUSED));
            assert_eq!(refused.outcome, Outcome::Refused);
            assert!(refused.drop.as_ref().expect("evidence").when_sent);
        }
    }
}

/// The next query of the same socket got through to nobody: the error is its own.
#[test]
fn the_error_of_the_next_query_rejects_nothing() {
    let mut tracker = tracker();
    let mut discarded = query_of(&attempt(10), NETFILTER_DROP);
    discarded.owner.pid = Some(1);
    discarded.socket = socket(&attempt(10), true);
    told(&mut tracker, 100, NoticeKind::Drop(Box::new(discarded)));
    let next = attempt(105);
    told(&mut tracker, 110, error());
    assert!(swept(&tracker, &next, 110 + DELAY).is_some());
    let ended = settled(&mut tracker, 110 + DELAY);
    let [dropped] = &ended[..] else {
        panic!("not one: {ended:?}")
    };
    assert_eq!(dropped.outcome, Outcome::Dropped);
}
