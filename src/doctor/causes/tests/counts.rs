//! The counts add up, and places stand apart.

use super::*;

#[test]
fn each_failed_query_has_exactly_one_cause() {
    let explanation = Story::default()
        .with(many(40, SERVER, Outcome::Answered))
        .with(more(7, SERVER, Outcome::Unanswered))
        .with((100..105).map(|n| refused(attempt(n, SERVER, Outcome::Refused), libc::ECONNREFUSED)))
        .with((200..203).map(|n| {
            let attempt = attempt(n, OTHER, Outcome::Dropped);
            dropped(attempt, Packet::Query, "NETFILTER_DROP", "nft_do_chain")
        }))
        .with((300..302).map(|n| {
            let attempt = attempt(n, OTHER, Outcome::Dropped);
            dropped(attempt, Packet::Query, "UDP_CSUM", "udp_rcv")
        }))
        .explain();
    let expected = [
        (Rule::PolicyDrop, 3),
        (Rule::NobodyListening, 5),
        (Rule::KernelDrop, 2),
        (Rule::Unknown, 7),
    ];
    let counts: Vec<_> = explanation.failures_by_cause.into_iter().collect();
    assert_eq!(counts, expected);
}

#[test]
fn too_many_to_keep_are_counted_all_the_same() {
    let all = crate::incidents::INCIDENTS_MAX as u64 + 5_000;
    let explanation = Story::default()
        .with((0..all).map(|n| {
            let mut attempt = attempt(n % 400, SERVER, Outcome::Unanswered);
            attempt.cookie = n;
            // Of one process it would be a storm.
            attempt.owner.pid = Some(n as u32 % 40);
            attempt
        }))
        .explain();
    assert_eq!(explanation.failures_by_cause[&Rule::Unknown], all);
    assert_eq!(explanation.findings[0].queries, all);
}

#[test]
fn a_late_answer_makes_no_second_case() {
    let unanswered = attempt(1, SERVER, Outcome::Unanswered);
    let late = Attempt {
        outcome: Outcome::Late,
        end_ns: unanswered.end_ns + 900 * MS,
        ..answered_with(unanswered.clone(), 0)
    };
    let late = Attempt {
        outcome: Outcome::Late,
        ..late
    };
    let explanation = Story::default().with([unanswered, late]).explain();
    let counts: Vec<_> = explanation.failures_by_cause.into_iter().collect();
    assert_eq!(counts, [(Rule::ClientGaveUp, 1)]);
}

#[test]
fn two_places_are_two_findings() {
    let said = Story::default()
        .with((0..9).map(|n| refused(attempt(n, SERVER, Outcome::Refused), libc::ECONNREFUSED)))
        .with((20..24).map(|n| refused(attempt(n, OTHER, Outcome::Refused), libc::ECONNREFUSED)))
        .explain();
    let servers: Vec<_> = said
        .findings
        .iter()
        .map(|finding| {
            (
                finding.scope.server.map(|it| it.ip.to_string()),
                finding.queries,
            )
        })
        .collect();
    assert_eq!(
        servers,
        [
            (Some("10.0.0.10".to_owned()), 9),
            (Some("10.0.0.11".to_owned()), 4)
        ]
    );
}

#[test]
fn what_the_filters_leave_out_is_no_finding() {
    let mut incidents = Incidents::default();
    for n in 0..9 {
        incidents.record(&attempt(n, SERVER, Outcome::Unanswered), false);
    }
    let evidence = incidents.close(HostSample::default(), Duration::from_secs(30), Vec::new());
    let explanation = explained(&evidence, &Collector::default().snapshot());
    assert_eq!(explanation, Diagnosis::default());
}

#[test]
fn a_healthy_host_has_no_finding() {
    let explanation = Story::default()
        .with(many(400, SERVER, Outcome::Answered))
        .with([answered_with(attempt(450, SERVER, Outcome::Answered), 3)])
        // One of 400 is the network's daily life; but it is counted.
        .with(more(1, SERVER, Outcome::Unanswered))
        .explain();
    assert_eq!(explanation.findings, []);
    assert_eq!(explanation.failures_by_cause[&Rule::Unknown], 1);
}

/// Each slow answer has one cause, and all of them are there.
#[test]
fn slow_answers_add_up_as_failures_do() {
    let slow = |n: u64, server, rcode| {
        let mut attempt = answered_with(attempt(n, server, Outcome::Answered), rcode);
        attempt.end_ns = attempt.sent_ns + 300 * MS;
        attempt
    };
    let waiting = servers::overloaded(servers::server(Some(servers::quota(90)), 0.2, 0.0));
    let story = waiting
        .with((200..212).map(|n| slow(n, OTHER, 0)))
        .with((300..303).map(|n| slow(n, OTHER, 2)))
        .with(more(30, OTHER, Outcome::Answered));
    let all = story.attempts.iter().filter(|attempt| {
        let is_slow = attempt.elapsed() > Duration::from_millis(100);
        attempt.role == Role::Client && attempt.outcome == Outcome::Answered && is_slow
    });
    let all = all.count() as u64;
    let explanation = story.explain();
    let by_cause = &explanation.slow_by_cause;
    assert_eq!(by_cause.values().sum::<u64>(), all);
    assert_eq!(by_cause[&Rule::ServerThrottled], 10);
    assert_eq!(by_cause[&Rule::Servfail], 3);
    assert_eq!(by_cause[&Rule::Unknown], 12);
}
