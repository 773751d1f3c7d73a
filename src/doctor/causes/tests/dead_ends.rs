//! Where nothing gets through, and the kernel does not tell of each packet.

use super::*;

/// Sixteen of a batch whose drop the kernel does not tell, as it happens where it runs
/// no tracing program.
fn a_batch_unseen() -> Story {
    let mut incident = Story::default();
    for n in 0..48 {
        let attempt = attempt(n, SERVER, Outcome::Unanswered);
        incident.attempts.push(match n {
            16..32 => attempt,
            _ => dropped(attempt, Packet::Query, "NEIGH_FAILED", "neigh_invalidate"),
        });
    }
    // Else another rule would not take them.
    incident.with(more(40, OTHER, Outcome::Answered))
}

#[test]
fn a_drop_that_is_not_told_has_the_cause_of_those_around_it() {
    let evidence = a_batch_unseen().evidence();
    assert_eq!(evidence.drops_unseen, 16);
    let explanation = a_batch_unseen().explain();
    assert_eq!(explanation.failures_by_cause[&Rule::NoRoute], 48);
    let finding = &explanation.findings[0];
    assert_eq!((finding.rule.name(), finding.queries), ("dns_no_route", 48));
    let evidence = &finding.evidence;
    assert!(evidence[0].starts_with("32 packets were discarded: NEIGH_FAILED at neigh_invalidate"));
    assert!(
        evidence[1].starts_with("16 more queries were sent there at the same time"),
        "{evidence:?}"
    );
}

#[test]
fn what_got_through_meanwhile_is_another_matter() {
    // The neighbour answered again before them.
    let mut incident = a_batch_unseen();
    incident.attempts.truncate(32);
    let mut answered = attempt(15, SERVER, Outcome::Answered);
    shift(&mut answered, MS);
    incident.attempts.insert(16, answered);
    let incident = incident.with(more(40, OTHER, Outcome::Answered));
    let evidence = incident.evidence();
    assert_eq!(evidence.drops_unseen, 0);
    // They arrived at a server of this host.
    let mut incident = a_batch_unseen();
    for n in 16..32 {
        let view = at_server(&incident.attempts[n], 53, Outcome::Unanswered, 5_000 * MS);
        incident.attempts.push(view);
    }
    assert_eq!(incident.evidence().drops_unseen, 0);
    // Long before and long after.
    for apart in [-4_000, 4_000] {
        let mut incident = a_batch_unseen();
        let mut far: Vec<_> = incident.attempts.drain(16..32).collect();
        for attempt in &mut far {
            let at = 10_000 * MS as i64 + apart * MS as i64;
            attempt.sent_ns = at.unsigned_abs();
            attempt.first_ns = attempt.sent_ns;
            attempt.end_ns = attempt.sent_ns + 5_000 * MS;
        }
        for attempt in &mut incident.attempts[..32] {
            attempt.sent_ns = 10_000 * MS;
        }
        assert_eq!(incident.with(far).evidence().drops_unseen, 0);
    }
    // Another namespace, another server.
    let mut incident = a_batch_unseen();
    incident.attempts[16].owner.netns = NODE;
    incident.attempts[17].peer = address("10.0.0.12:53");
    assert_eq!(incident.evidence().drops_unseen, 14);
}

/// On a kernel that hides its symbols a queue that is emptied has no place.
#[test]
fn a_queue_that_is_emptied_somewhere_has_the_cause_of_those_around_it() {
    let mut incident = a_batch_unseen();
    for attempt in &mut incident.attempts[16..32] {
        *attempt = dropped(attempt.clone(), Packet::Query, "QUEUE_PURGE", "");
        if let Some(drop) = attempt.drop.as_mut() {
            drop.location = None;
        }
    }
    assert_eq!(incident.said(), [("dns_no_route", 48)]);
}

/// A drop is told when its packet has waited for seconds, an answer at once.
#[test]
fn what_was_answered_while_a_drop_was_waited_for_parts_it_from_others() {
    let told_late = |n: u64| {
        let attempt = attempt(n, SERVER, Outcome::Unanswered);
        dropped(attempt, Packet::Query, "NEIGH_FAILED", "neigh_invalidate")
    };
    // Sent at 0 and 2 s and told of at 3 s; answered at 0.5 s; lost at 1 s.
    let parted = Story::default()
        .with([attempt(5, SERVER, Outcome::Answered)])
        .with([told_late(0), told_late(20)])
        .with([attempt(10, SERVER, Outcome::Unanswered)]);
    assert_eq!(parted.evidence().drops_unseen, 1, "as the one at 2 s");
    // Answered before and after what was lost.
    let apart = Story::default()
        .with([5, 15].map(|n| attempt(n, SERVER, Outcome::Answered)))
        .with([told_late(0), told_late(20)])
        .with([attempt(10, SERVER, Outcome::Unanswered)]);
    assert_eq!(apart.evidence().drops_unseen, 0);
    let together = Story::default()
        .with([told_late(0), told_late(20)])
        .with([attempt(10, SERVER, Outcome::Unanswered)]);
    assert_eq!(together.evidence().drops_unseen, 1);
}

/// So many waited for a link address that the first had to go: the address may have
/// come right after.
#[test]
fn a_full_queue_is_no_dead_end_by_itself() {
    let full = |n| {
        let attempt = attempt(n, SERVER, Outcome::Unanswered);
        dropped(
            attempt,
            Packet::Query,
            "NEIGH_QUEUEFULL",
            "__neigh_event_send",
        )
    };
    let burst = Story::default()
        .with((0..12).map(full))
        .with(more(300, SERVER, Outcome::Answered));
    assert_eq!(burst.said()[0], ("dns_kernel_drop", 12));
    let mut dead = Story::default().with((0..12).map(full));
    for n in 12..24 {
        let attempt = attempt(n, SERVER, Outcome::Unanswered);
        let told = dropped(attempt, Packet::Query, "NEIGH_FAILED", "neigh_invalidate");
        dead = dead.with([told]);
    }
    assert_eq!(dead.said(), [("dns_no_route", 24)]);
}

/// The way to the server is fine: it is the client whose link address is not found.
#[test]
fn an_answer_without_a_way_does_not_blame_the_way_to_the_server() {
    let story = Story::default().with((0..12).map(|n| {
        let attempt = attempt(n, SERVER, Outcome::Unanswered);
        dropped(attempt, Packet::Answer, "NEIGH_FAILED", "neigh_invalidate")
    }));
    assert_eq!(story.said(), [("dns_kernel_drop", 12)]);
}
