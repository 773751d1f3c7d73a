//! What each message of a lookup cost its program.

use super::*;

#[test]
fn a_dead_first_nameserver_is_on_the_way_and_costs_its_wait() {
    let dead = both("www.test", 0).map(|it| it.silent(5_000).of("10.0.0.9:53"));
    let alive = both("www.test", 5_000).map(|it| it.thread(7, 2));
    let lookup = one([dead.clone(), alive].concat());
    assert_eq!(lookup.outline.result, LookupResult::Ok);
    assert_eq!(lookup.outline.queries, 4);
    assert_eq!(lookup.outline.duration_ns, 5_001 * MS);
    assert_eq!(lookup.outline.lost_ns, 5_000 * MS);
    assert_eq!(lookup.steps[0].lost_ns, 5_000 * MS);
    assert_eq!(lookup.steps[1].lost_ns, 0, "both waited at the same time");
    // A client with less patience than kerno goes on before it is given up on.
    let alive = both("www.test", 1_000).map(|it| it.thread(7, 2));
    let lookup = one([dead.clone(), alive].concat());
    assert_eq!(lookup.outline.duration_ns, 1_001 * MS);
    assert_eq!(lookup.outline.lost_ns, 1_000 * MS);
    // And one without a second server fails.
    let again = both("www.test", 5_000).map(|it| it.silent(5_000));
    let lookup = one([dead, again].concat());
    assert_eq!(lookup.outline.result, LookupResult::Failed);
    assert_eq!(lookup.outline.lost_ns, 10_000 * MS);
}

#[test]
fn what_is_tried_again_at_once_costs_little() {
    for first in [
        asked("www.test", A, 0).refused(),
        asked("www.test", A, 0).rcode(OptRcode::SERVFAIL),
    ] {
        let lookup = one(vec![first, asked("www.test", A, 2).thread(7, 2)]);
        assert_eq!(lookup.outline.result, LookupResult::Ok);
        assert_eq!(lookup.outline.lost_ns, MS);
        assert!(lookup.steps[0].is_incident() && !lookup.steps[1].is_incident());
    }
    // musl does not hear of the error, and sends the same again when its time has come.
    let first = asked("www.test", A, 0).refused().id(4, 1);
    let lookup = one(vec![first, asked("www.test", A, 2_500).id(4, 2)]);
    assert_eq!(lookup.outline.result, LookupResult::Ok);
    assert_eq!(lookup.outline.lost_ns, 2_500 * MS, "it waited all the same");
    // Another message after a pause is another lookup.
    let all = vec![
        asked("www.test", A, 0).refused(),
        asked("www.test", A, 2_500),
    ];
    assert_eq!(lookups(all).len(), 2);
}

#[test]
fn a_slow_answer_costs_its_time() {
    let lookup = one(vec![
        asked("a", A, 0).takes(400),
        asked("a", AAAA, 0).takes(3),
    ]);
    assert_eq!(lookup.outline.lost_ns, 400 * MS);
    assert_eq!(lookup.outline.duration_ns, 400 * MS);
    assert!(lookup.steps.iter().any(Step::is_incident));
}

/// A firewall discards it, and kerno knows at once; the program waits all the same.
#[test]
fn what_is_discarded_here_is_waited_for_until_it_is_asked_again() {
    let dropped = |at_ms| {
        let mut it = asked("www.test", A, at_ms).silent(0);
        it.0.outcome = Outcome::Dropped;
        it
    };
    let lookup = one(vec![dropped(0), asked("www.test", A, 5_000)]);
    assert_eq!(lookup.outline.result, LookupResult::Ok);
    assert_eq!(lookup.outline.lost_ns, 5_000 * MS);
    assert_eq!(lookup.outline.duration_ns, 5_001 * MS);
    assert_eq!(lookup.steps[0].took_ns(), 5_000 * MS);
    // Nobody knows how long it waited for the last one.
    let lookup = one(vec![dropped(0), dropped(2_500)]);
    assert_eq!(lookup.outline.result, LookupResult::Failed);
    assert_eq!(lookup.outline.lost_ns, 2_500 * MS);
}
