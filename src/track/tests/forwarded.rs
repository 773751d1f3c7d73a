//! Packets whose socket is known are no other socket's, whatever they say.

use super::DELAY;
use super::NETFILTER_DROP;
use super::SECOND;
use super::addr;
use super::answer_of;
use super::attempt;
use super::discard;
use super::give_up;
use super::in_flight;
use super::query_of;
use super::socket;
use super::swept;
use super::tracker;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Owner;
use crate::attempt::RawQuestion;
use crate::event::Discarded;

fn there(netns: u32) -> Owner {
    Owner {
        netns,
        ..Owner::default()
    }
}

/// A forwarder that asks on with its client's id and question: the packet is the forwarder's.
#[test]
fn what_is_discarded_of_a_forwarder_is_not_its_clients() {
    let client = Attempt {
        owner: there(1),
        ..attempt(10)
    };
    let own = Attempt {
        owner: there(2),
        cookie: 78,
        local: addr("10.0.0.53:61000"),
        peer: addr("192.0.2.53:53"),
        ..attempt(20)
    };
    let now_ns = 100 + DELAY;
    for lost in [
        query_of(&own, NETFILTER_DROP),
        answer_of(&own, NETFILTER_DROP),
    ] {
        let mut tracker = tracker();
        discard(
            &mut tracker,
            100,
            Discarded {
                owner: there(3),
                ..lost
            },
        );
        for query in [&client, &own] {
            tracker.note_in_flight(&in_flight(query));
        }
        assert_eq!(swept(&tracker, &client, now_ns), None);
        let waits = give_up(&mut tracker, client.clone());
        assert_eq!(waits.outcome, Outcome::Unanswered);
        let failure = swept(&tracker, &own, now_ns);
        let mut ended = Vec::new();
        tracker.ended(own.clone(), failure, &mut ended);
        assert_eq!(ended[0].outcome, Outcome::Dropped);
        assert_eq!(tracker.drops_unjoined(), 0);
    }
}

/// Its port is another one, so it is another socket, though nobody has asked for its cookie.
#[test]
fn a_packet_whose_socket_is_known_is_not_behind_translation() {
    let query = Attempt {
        owner: there(1),
        ..attempt(10)
    };
    let other = Attempt {
        local: addr("10.0.0.53:61000"),
        ..attempt(10)
    };
    for cookie in [None, Some(78)] {
        for (lost, is_sender) in [
            (query_of(&other, NETFILTER_DROP), true),
            (answer_of(&other, NETFILTER_DROP), false),
        ] {
            let mut tracker = tracker();
            let mut socket = socket(&other, is_sender);
            socket.as_mut().expect("as made above").cookie = cookie;
            let lost = Discarded {
                socket,
                no_l2_header: false,
                owner: there(2),
                ..lost
            };
            discard(&mut tracker, 100, lost);
            assert_eq!(swept(&tracker, &query, SECOND), None, "{cookie:?}");
        }
    }
}

/// As of old: nobody here has the port that the packet has.
#[test]
fn a_query_that_is_asked_for_first_keeps_what_is_its_own() {
    let query = Attempt {
        owner: there(1),
        ..attempt(10)
    };
    let mut tracker = tracker();
    let lost = Discarded {
        source: addr("192.0.2.1:61000"),
        owner: there(2),
        ..query_of(&query, NETFILTER_DROP)
    };
    discard(&mut tracker, 100, lost);
    // Another question from that port, and another id.
    for other in [
        Attempt {
            question: RawQuestion::new(b"\x01b\0\0\x01\0\x01"),
            local: addr("192.0.2.1:61000"),
            cookie: 78,
            ..attempt(10)
        },
        Attempt {
            id: Some(8),
            local: addr("192.0.2.1:61000"),
            cookie: 79,
            ..attempt(10)
        },
    ] {
        tracker.note_in_flight(&in_flight(&other));
    }
    tracker.note_in_flight(&in_flight(&query));
    assert!(swept(&tracker, &query, SECOND).is_some());
}
