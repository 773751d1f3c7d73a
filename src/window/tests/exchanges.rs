//! Which exchanges of servers a window keeps one by one.

use super::*;

/// Of what went well a few stand for all, in whatever windows it is seen; and all are counted.
#[test]
fn exchanges_that_went_well_are_not_kept() {
    const EXCHANGES: u64 = 3_000;
    let mut window = Window::new(Filter::default());
    let mut merged: Option<ClosedWindow> = None;
    for number in 0..EXCHANGES {
        let mut served = sample::plain_attempt();
        served.role = Role::Server;
        served.id = Some(number as u16);
        served.sent_ns += number * MS;
        served.end_ns += number * MS;
        window.attempt(&served);
        // Its answer is lost.
        if number % 1_000 == 100 {
            let mut failed = sample::attempt(("curl", 7), SERVERS[0], Outcome::Unanswered, 0);
            failed.id = served.id;
            failed.question = served.question.clone();
            failed.peer = served.local;
            failed.local = served.peer;
            failed.sent_ns = served.sent_ns;
            failed.end_ns = served.sent_ns + 700 * MS;
            window.attempt(&failed);
        }
        if number % 500 == 499 {
            let closed = window.roll(end(1, 500));
            match &mut merged {
                Some(merged) => merged.merge(&closed),
                None => merged = Some(closed),
            }
        }
    }
    let evidence = merged.expect("one at least").evidence();
    assert_eq!(
        evidence.server_views.len(),
        2 + 3,
        "{:?}",
        evidence.server_views
    );
    assert!(evidence.incidents.iter().all(|it| it.server_view.is_some()));
    let served: Vec<_> = evidence.arrivals.processes().collect();
    assert_eq!((served.len(), served[0].1.well), (1, EXCHANGES));
    assert!(evidence.resolvers.contains(&served[0].0));
}

/// A client waits for an answer that its server has sent in the window before: it is known
/// in the window in which it gives up, and once in both.
#[test]
fn an_answer_that_was_lost_may_be_of_the_window_before() {
    let mut window = Window::new(Filter::default());
    for number in 0..100 {
        let mut served = sample::plain_attempt();
        served.role = Role::Server;
        served.id = Some(number);
        served.sent_ns += u64::from(number) * MS;
        served.end_ns += u64::from(number) * MS;
        window.attempt(&served);
    }
    let mut first = window.roll(end(1, 100));
    let mut failed = sample::plain_attempt();
    failed.outcome = Outcome::Unanswered;
    failed.answer = None;
    (failed.local, failed.peer) = (failed.peer, failed.local);
    failed.id = Some(50);
    failed.sent_ns += 50 * MS;
    failed.end_ns += 5_000 * MS;
    window.attempt(&failed);
    let second = window.roll(end(1, 1));
    let views_of = |window: &ClosedWindow| {
        let evidence = window.evidence();
        let view = evidence
            .view_of(&evidence.incidents[0])
            .map(|it| it.arrived_ns);
        (view, evidence.server_views.len())
    };
    assert_eq!(views_of(&second), (Some(failed.sent_ns), 1));
    assert_eq!(first.evidence().server_views.len(), 2);
    first.merge(&second);
    assert_eq!(views_of(&first), (Some(failed.sent_ns), 3));
}
