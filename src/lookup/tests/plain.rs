//! Plain answers go another way, and are the same lookups.

use std::net::IpAddr;

use super::*;
use crate::attempt::PlainStep;
use crate::lookup::Outline;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Looks {
    Once,
    Often,
    After(u64),
}

/// What these come to as plain answers: the outlines of all lookups, by their durations. Those
/// that are over are looked for at the end, and before at each end or so many milliseconds after
/// the first.
fn outlines(mut all: Vec<Asked>, looks: Looks) -> Vec<Outline> {
    all.sort_by_key(|it| it.0.end_ns);
    let mut grouper = Grouper::default();
    for Asked(it) in &all {
        if looks == Looks::Often {
            grouper.close(it.end_ns);
        }
        let IpAddr::V4(ip) = it.peer.ip() else {
            panic!("of IPv4");
        };
        let question = it.question.as_bytes();
        let answer = it.answer.expect("an answer");
        let step = PlainStep {
            pid: it.owner.pid.expect("a process"),
            tid: it.owner.tid.unwrap_or(0),
            cookie: it.cookie,
            id: it.id.expect("a message"),
            sent_ns: it.sent_ns,
            end_ns: it.end_ns,
            server_ip: &ip.to_ipv6_mapped().octets(),
            server_port: it.peer.port(),
            question,
            fingerprint: it.question.fingerprint().expect("a question"),
            is_nxdomain: answer.rcode == OptRcode::NXDOMAIN,
            answers: answer.answers,
        };
        grouper.plain(&step, 7);
    }
    if let (Looks::After(ms), Some(first)) = (looks, all.first()) {
        grouper.close(first.0.end_ns + ms * MS);
    }
    grouper.close(START + 60_000 * MS);
    grouper.close_all();
    let told = grouper.take().into_iter().map(|it| match it {
        Closed::Plain(cell, outline) => {
            assert_eq!(cell, 7);
            outline
        }
        Closed::Told(lookup) => lookup.outline,
    });
    sorted(told.collect())
}

fn sorted(mut all: Vec<Outline>) -> Vec<Outline> {
    all.sort_by_key(|it| (it.duration_ns, it.queries, it.lost_ns));
    all
}

/// They are so many lookups, whichever way they go.
fn are(all: &[Asked], number: usize) {
    let told = lookups(all.to_vec());
    let told = sorted(told.iter().map(|it| it.outline).collect());
    assert_eq!(told.len(), number, "{told:#?}");
    for looks in [
        Looks::Once,
        Looks::Often,
        Looks::After(50),
        Looks::After(55),
    ] {
        assert_eq!(outlines(all.to_vec(), looks), told, "{looks:?}");
    }
}

#[test]
fn short_lookups_are_one_whoever_asks() {
    are(&both("www.test", 0), 1);
    are(&[asked("www.test", A, 0)], 1);
    are(&[asked("www.test", A, 0).nothing()], 1);
    are(&both("www.test", 0).map(Asked::no_data), 1);
    // One after the other, through the same socket or not.
    are(&[asked("www.test", A, 0), asked("www.test", AAAA, 2)], 1);
    let later = asked("www.test", AAAA, 2).thread(7, 5);
    are(&[asked("www.test", A, 0).thread(7, 4), later], 1);
}

#[test]
fn a_lookup_that_is_spread_over_threads_is_one() {
    let [a, aaaa] = both("www.test", 0);
    are(&[a.thread(1, 10), aaaa.thread(2, 11)], 1);
    let [a, aaaa] = both("www.test", 0);
    are(&[a.thread(1, 10), aaaa.thread(2, 11).takes(9)], 1);
}

#[test]
fn longer_ones_become_what_they_are() {
    let search = |at| {
        vec![
            asked("www.test.a", A, at).nothing(),
            asked("www.test.a", AAAA, at).nothing(),
            asked("www.test", A, at + 2),
            asked("www.test", AAAA, at + 2),
        ]
    };
    are(&search(0), 1);
    are(&[search(0), search(5_000)].concat(), 2);
    are(&[asked("www.test", A, 0), asked("www.test", A, 3)], 2);
    // Of two processes.
    are(
        &[
            asked("www.test", A, 0),
            asked("www.test", AAAA, 0).process(8).thread(8, 9),
        ],
        2,
    );
}

#[test]
fn more_than_are_kept_are_all_counted() {
    // Within half of a second, so that none of them is over before there is no room.
    let all: Vec<_> = (0..9_000)
        .map(|at| asked(&format!("host{at}.test"), A, at / 18).thread(7, at))
        .collect();
    let told = outlines(all, Looks::Once);
    assert_eq!(told.len(), 9_000);
    assert!(
        told.iter()
            .all(|it| it.queries == 1 && it.duration_ns == MS)
    );
}
