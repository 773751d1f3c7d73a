//! Queries that are known from their drop alone.

use super::CGROUP_EGRESS;
use super::DELAY;
use super::NETFILTER_DROP;
use super::NF_REINJECT;
use super::NOT_SPECIFIED;
use super::SECOND;
use super::addr;
use super::answer_of;
use super::attempt;
use super::discard;
use super::query_of;
use super::settled;
use super::socket;
use super::swept;
use super::tracker;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Owner;
use crate::attempt::Packet;
use crate::attempt::Reason;
use crate::attempt::Transport;
use crate::event::Discarded;

/// A query that netfilter discards in its sender's stack.
fn unsent() -> Discarded {
    Discarded {
        socket: socket(&attempt(10), true),
        owner: Owner {
            pid: Some(42),
            netns: 1,
            ..Owner::default()
        },
        ..query_of(&attempt(10), NETFILTER_DROP)
    }
}

/// The first packet of a connection, the same.
fn unsent_connect() -> Discarded {
    Discarded {
        transport: Transport::Tcp,
        packet: Packet::Connect,
        message: None,
        ..unsent()
    }
}

fn known_from(discarded: &Discarded) -> Vec<Attempt> {
    let mut tracker = tracker();
    discard(&mut tracker, 100, discarded.clone());
    let ended = settled(&mut tracker, 100 + DELAY);
    assert_eq!(tracker.unsent(), ended.len() as u64);
    ended
}

#[test]
fn a_query_is_known_from_its_drop_alone() {
    let ended = known_from(&unsent());
    let [query] = &ended[..] else {
        panic!("not one: {ended:?}")
    };
    let asked = attempt(10);
    assert_eq!(query.outcome, Outcome::Dropped);
    let reason = Reason::Drop("NETFILTER_DROP".to_owned());
    assert_eq!(query.reason, Some(reason));
    assert_eq!((query.sent_ns, query.end_ns), (100, 100));
    assert_eq!((query.local, query.peer), (asked.local, asked.peer));
    assert_eq!((query.id, query.number), (Some(7), 1));
    assert_eq!((query.cookie, query.query_bytes), (77, 19));
    assert_eq!(query.question, asked.question);
    assert_eq!(query.owner.pid, Some(42));
    assert!(query.drop.as_ref().expect("evidence").when_sent);
}

#[test]
fn a_connection_is_known_from_its_first_packet() {
    let ended = known_from(&unsent_connect());
    let [connection] = &ended[..] else {
        panic!("not one: {ended:?}")
    };
    assert_eq!(connection.transport, Transport::Tcp);
    assert_eq!((connection.id, connection.query_bytes), (None, 0));
    let again = Discarded {
        again: true,
        ..unsent_connect()
    };
    assert_eq!(known_from(&again), []);
}

#[test]
fn what_the_hook_has_seen_or_nobody_counts_is_no_query_of_its_own() {
    let others = [
        Discarded {
            armed: false,
            ..unsent()
        },
        Discarded {
            no_l2_header: false,
            ..unsent()
        },
        Discarded {
            socket: None,
            ..unsent()
        },
        Discarded {
            socket: socket(&attempt(10), false),
            ..unsent()
        },
        Discarded {
            reason: NOT_SPECIFIED,
            ..unsent()
        },
        Discarded {
            reason: CGROUP_EGRESS,
            ..unsent()
        },
        Discarded {
            socket: socket(&attempt(10), true),
            ..answer_of(&attempt(10), NETFILTER_DROP)
        },
        Discarded {
            from_client: false,
            ..unsent_connect()
        },
        Discarded {
            packet: Packet::Query,
            ..unsent_connect()
        },
    ];
    for other in others {
        assert_eq!(known_from(&other), [], "{other:?}");
    }
}

/// The peer is the one that was asked, whatever address translation has made of it.
#[test]
fn an_unsent_query_has_its_addresses_from_before_translation() {
    let service = addr("10.96.0.10:53");
    let mut translated = unsent();
    translated.source = addr("192.0.2.1:61000");
    translated.destination = addr("10.9.9.9:53");
    translated.asked = Some((attempt(10).local, service));
    assert_eq!(known_from(&translated)[0].peer, service);
    assert_eq!(known_from(&translated)[0].local, attempt(10).local);
    translated.asked = None;
    translated.socket.as_mut().expect("as made above").peer = Some(service);
    assert_eq!(known_from(&translated)[0].peer, service);
}

/// Whoever decides for a queue of netfilter is not who asked.
#[test]
fn a_query_from_a_queue_has_no_known_sender() {
    let queued = Discarded {
        location: NF_REINJECT,
        ..unsent()
    };
    let owner = known_from(&queued)[0].owner;
    assert_eq!((owner.pid, owner.netns), (None, 1));
    assert!(owner.comm.as_bytes().is_empty());
}

/// A query in flight with the same id was sent before, and came through.
#[test]
fn an_unsent_resend_does_not_end_the_query_before_it() {
    let mut tracker = tracker();
    discard(&mut tracker, 100, unsent());
    assert_eq!(swept(&tracker, &attempt(10), SECOND), None);
    assert_eq!(settled(&mut tracker, SECOND).len(), 1);
}

#[test]
fn an_unsent_resend_is_an_attempt_of_its_own() {
    let mut tracker = tracker();
    for n in 1..4 {
        discard(&mut tracker, 100 * n, unsent());
    }
    let numbers: Vec<_> = settled(&mut tracker, SECOND)
        .iter()
        .map(|attempt| attempt.number)
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(tracker.unsent(), 3);
}

#[test]
fn a_flood_of_unsent_queries_is_bounded_and_each_is_told() {
    let mut tracker = tracker();
    for _ in 0..20_000 {
        discard(&mut tracker, 100, unsent());
    }
    let early = settled(&mut tracker, 101).len();
    assert!(early > 10_000, "{early}");
    let rest = settled(&mut tracker, 100 + DELAY).len();
    assert_eq!(early + rest, 20_000);
}
