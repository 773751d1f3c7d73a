//! Programs that wait for less long than kerno does.

use super::*;
use crate::attempt::Packet;
use crate::attempt::PacketDrop;

const GAVE_UP: [u64; 4] = [1, 500, 1_000, 4_999];

#[test]
fn who_closes_the_socket_waits_no_longer() {
    for ms in GAVE_UP {
        let lookup = one(vec![asked("a", A, 0).silent(5_000).given_up(ms)]);
        assert_eq!(lookup.outline.result, LookupResult::Failed);
        assert_eq!(lookup.outline.duration_ns, ms * MS);
        assert_eq!(lookup.outline.lost_ns, ms * MS);
        assert_eq!(lookup.end_ns, START + ms * MS);
        // Both on one socket: the time is lost once.
        let all = both("a", 0).map(|it| it.silent(5_000).given_up(ms));
        let lookup = one(all.to_vec());
        assert_eq!(lookup.outline.lost_ns, ms * MS);
        // One of the two is answered.
        let [a, aaaa] = both("a", 0);
        let lookup = one(vec![a, aaaa.silent(5_000).given_up(ms)]);
        assert_eq!(lookup.outline.result, LookupResult::Ok);
        assert_eq!(lookup.outline.duration_ns, ms * MS);
    }
}

/// dig tries again from a new socket, at once.
#[test]
fn who_closes_the_socket_and_asks_again_at_once_goes_on() {
    let tries = [0, 1_000, 2_000].map(|at_ms| {
        let it = asked("a", A, at_ms).silent(5_000).given_up(1_000);
        it.thread(7, 100 + at_ms)
    });
    let lookup = one(tries.to_vec());
    assert_eq!(lookup.outline.queries, 3);
    assert_eq!(lookup.outline.duration_ns, 3_000 * MS);
    assert_eq!(lookup.outline.lost_ns, 3_000 * MS);
    // The third has its answer.
    let [first, second, _] = tries;
    let answered = asked("a", A, 2_000).thread(7, 300);
    let lookup = one(vec![first, second, answered]);
    assert_eq!(lookup.outline.result, LookupResult::Ok);
    assert_eq!(lookup.outline.duration_ns, 2_001 * MS);
    assert_eq!(lookup.outline.lost_ns, 2_000 * MS);
}

/// A program with a deadline that tries again later.
#[test]
fn who_asks_again_after_a_while_looks_up_anew() {
    for (pause, number) in [(500, 4), (200, 4), (51, 4), (50, 1), (1, 1)] {
        let tries = (0..4).map(|n| {
            let it = asked("a", A, n * (300 + pause)).silent(5_000);
            it.given_up(300).thread(7, 100 + n)
        });
        let told = lookups(tries.collect());
        assert_eq!(told.len(), number, "{pause} ms: {told:#?}");
        let lost: u64 = told.iter().map(|it| it.outline.lost_ns).sum();
        assert_eq!(lost, 4 * 300 * MS, "nobody waits in a pause");
    }
    // Without it kerno takes it for the same lookup: glibc waits for so long, too.
    let tries = [0, 800].map(|at_ms| asked("a", A, at_ms).silent(5_000));
    assert_eq!(lookups(tries.to_vec()).len(), 1);
}

#[test]
fn what_comes_first_ends_the_wait() {
    // It asks another server and leaves the first socket open for a while.
    let first = asked("a", A, 0).silent(5_000).given_up(3_000);
    let second = asked("a", A, 1_000).thread(7, 2).of("10.0.0.11:53");
    let lookup = one(vec![first.clone(), second.takes(1_000)]);
    assert_eq!(lookup.steps[0].took_ns(), 1_000 * MS);
    assert_eq!(lookup.outline.duration_ns, 2_000 * MS);
    // The other server's answer comes after the socket was closed.
    let second = asked("a", A, 0).thread(7, 2).of("10.0.0.11:53");
    let lookup = one(vec![first, second.takes(4_000)]);
    assert_eq!(lookup.outline.duration_ns, 4_000 * MS);
    assert_eq!(lookup.outline.lost_ns, 4_000 * MS);
}

/// Kerno knows at once what this host discards; its program gives up later.
#[test]
fn what_was_discarded_is_waited_for_until_the_socket_is_closed() {
    // Whether it was sent again, and whether send() told of an error (dig goes on waiting).
    for (resent, when_sent) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut grouper = Grouper::default();
        let dropped = |at_ms| {
            let mut it = asked("a", A, at_ms).silent(0).id(4, 1);
            it.0.outcome = Outcome::Dropped;
            it.0.drop = Some(Box::new(PacketDrop {
                at_ns: it.0.sent_ns,
                packet: Packet::Query,
                reason: "NETFILTER_DROP".into(),
                location: None,
                netns: 0,
                source: it.0.local,
                destination: it.0.peer,
                when_sent,
                conntrack: None,
            }));
            it.0
        };
        grouper.attempt(&dropped(0));
        if resent {
            grouper.attempt(&dropped(900));
        }
        grouper.close(START + 1_000 * MS);
        assert!(grouper.take().is_empty(), "it may ask again");
        let cookie = dropped(0).cookie;
        grouper.closed(cookie + 1, START + 1_100 * MS);
        grouper.closed(cookie, START + 2_000 * MS);
        grouper.closed(cookie, START + 3_000 * MS);
        grouper.close(START + 2_050 * MS);
        let told = grouper.take();
        let [Closed::Told(lookup)] = &told[..] else {
            panic!("one: {told:#?}");
        };
        assert_eq!(lookup.outline.duration_ns, 2_000 * MS);
        assert_eq!(lookup.outline.lost_ns, 2_000 * MS);
        // Of a socket that is forgotten.
        grouper.closed(cookie, START + 4_000 * MS);
        assert!(!grouper.any_open());
    }
}

/// Nobody accepts the connection: there is no question.
#[test]
fn a_connection_that_nobody_accepts_is_waited_for_until_it_is_closed() {
    let connecting = |given_up: Option<u64>| {
        let mut it = failed_call(0, 7).silent(5_000).tcp();
        it.0.failed_call = None;
        it.0.reason = None;
        match given_up {
            Some(ms) => it.given_up(ms),
            None => it,
        }
    };
    for (given_up, lost_ms) in [(None, 5_000), (Some(1_000), 1_000)] {
        let lookup = one(vec![connecting(given_up)]);
        assert_eq!(lookup.outline.lost_ns, lost_ms * MS);
        assert_eq!(lookup.outline.duration_ns, lost_ms * MS);
    }
}
