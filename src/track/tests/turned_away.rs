//! Queries of other hosts that no server here saw.

use super::*;

const NODE: u32 = 4_026_532_001;
/// Longer than a discarded packet is kept.
const LATER: u64 = 100 * SECOND;

/// A query that came from elsewhere, and was discarded in the server's namespace.
fn arriving(attempt: &Attempt, reason: u32) -> Discarded {
    Discarded {
        owner: Owner {
            netns: NODE,
            ..Owner::default()
        },
        no_l2_header: false,
        ..query_of(attempt, reason)
    }
}

#[test]
fn a_query_that_nobody_sent_here_is_told_of_its_server() {
    let sent = attempt(SECOND);
    let mut tracker = tracker();
    discard(&mut tracker, SECOND, arriving(&sent, NETFILTER_DROP));
    settled(&mut tracker, SECOND + DELAY);
    // It may still belong to an attempt that ends later, but what is there is looked at now.
    assert_eq!(tracker.turned_away(), []);
    assert_eq!(tracker.suspects(), [(NODE, sent.peer)].into());
    assert!(tracker.suspects().is_empty());
    let at_last = tracker.turned_away_at_last();
    settled(&mut tracker, LATER);
    let told = tracker.turned_away();
    assert_eq!(told, at_last);
    let [query] = &told[..] else {
        panic!("{told:#?}")
    };
    assert_eq!(query.role, Role::Server);
    assert_eq!(query.outcome, Outcome::Dropped);
    assert_eq!((query.client(), query.server()), (sent.local, sent.peer));
    assert_eq!(query.owner.netns, NODE);
    assert_eq!(query.question, sent.question);
    // Told once.
    settled(&mut tracker, 2 * LATER);
    assert_eq!(tracker.turned_away(), []);
    assert_eq!(tracker.turned_away_at_last(), []);
}

#[test]
fn what_a_client_here_asked_is_its_own() {
    let sent = attempt(SECOND);
    let mut tracker = tracker();
    discard(&mut tracker, SECOND, arriving(&sent, NETFILTER_DROP));
    let mut ended = Vec::new();
    tracker.ended(sent, None, &mut ended);
    assert_eq!(ended[0].outcome, Outcome::Dropped);
    settled(&mut tracker, SECOND + DELAY);
    assert!(tracker.suspects().is_empty());
    assert_eq!(tracker.turned_away_at_last(), []);
    settled(&mut tracker, LATER);
    assert_eq!(tracker.turned_away(), []);
}

#[test]
fn answers_and_what_reached_a_socket_are_no_such_queries() {
    let sent = attempt(SECOND);
    let mut tracker = tracker();
    discard(&mut tracker, SECOND, answer_of(&sent, NETFILTER_DROP));
    for reason in [NO_SOCKET, SOCKET_RCVBUFF, NOT_SPECIFIED] {
        discard(&mut tracker, SECOND, arriving(&sent, reason));
    }
    // Before anything counted.
    let early = Discarded {
        armed: false,
        ..arriving(&sent, NETFILTER_DROP)
    };
    discard(&mut tracker, SECOND, early);
    settled(&mut tracker, SECOND + DELAY);
    assert!(tracker.suspects().is_empty());
    assert_eq!(tracker.turned_away_at_last(), []);
}

#[test]
fn a_client_is_known_by_its_address_before_translation() {
    let sent = attempt(SECOND);
    let mut tracker = tracker();
    let (client, asked) = (addr("10.9.9.9:1234"), addr("192.0.2.1:53"));
    let translated = Discarded {
        asked: Some((client, asked)),
        ..arriving(&sent, NETFILTER_DROP)
    };
    discard(&mut tracker, SECOND, translated);
    let told = tracker.turned_away_at_last();
    assert_eq!((told[0].client(), told[0].server()), (client, sent.peer));
}

#[test]
fn of_a_connection_the_opening_counts() {
    let sent = Attempt {
        transport: Transport::Tcp,
        ..attempt(SECOND)
    };
    let mut tracker = tracker();
    let opening = Discarded {
        packet: Packet::Connect,
        message: None,
        ..arriving(&sent, NETFILTER_DROP)
    };
    let data = Discarded {
        packet: Packet::Query,
        ..opening.clone()
    };
    discard(&mut tracker, SECOND, opening);
    discard(&mut tracker, SECOND, data);
    assert_eq!(tracker.turned_away_at_last().len(), 1);
}
