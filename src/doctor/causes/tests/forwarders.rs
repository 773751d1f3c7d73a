//! Forwarders that ask each other, or have no place for one more query.

use super::*;

const A: (u32, &str) = (53, "10.0.0.10:53");
const B: (u32, &str) = (54, "10.0.0.11:53");
const C: (u32, &str) = (55, "10.0.0.12:53");
const TYPE_NS: u16 = 2;
const OUTSIDE: &str = "192.0.2.53:53";

/// The n-th query, as a resolver asks it while it works on its client's.
fn asks(n: u64, (pid, _): (u32, &str), server: &str, hop: u64) -> Attempt {
    let mut own = attempt(n, server, Outcome::Unanswered);
    own.owner.pid = Some(pid);
    own.owner.comm = crate::attempt::Comm::new(format!("dns{pid}").as_bytes());
    own.owner.netns = NODE + pid;
    own.cookie = 7_000 * u64::from(pid) + n;
    own.id = Some((9_000 + 100 * pid as u16) + n as u16);
    shift(&mut own, hop * MS);
    own.end_ns = own.sent_ns + 4_000 * MS;
    own
}

fn at(attempt: &Attempt, (pid, _): (u32, &str)) -> Attempt {
    let mut view = at_server(attempt, pid, Outcome::Unanswered, 4_500 * MS);
    view.owner.netns = NODE + pid;
    view.cookie = 77_000 + u64::from(pid);
    view
}

/// Six clients ask the first of these, each asks the next, and the last one that.
fn chained(servers: &[(u32, &'static str)], last: &str) -> Story {
    let mut story = Story::default();
    for n in 0..6 {
        let mut query = attempt(n, servers[0].1, Outcome::Unanswered);
        query.end_ns = query.sent_ns + 5_000 * MS;
        for (hop, server) in servers.iter().enumerate() {
            let next = servers.get(hop + 1).map_or(last, |next| next.1);
            let own = asks(n, *server, next, hop as u64 + 1);
            story = story.with([at(&query, *server), query]);
            query = own;
        }
        let behind = servers.iter().find(|server| server.1 == last);
        story = story.with(behind.map(|server| at(&query, *server)));
        story = story.with([query]);
    }
    story
}

/// One whose upstream answers all but one zone.
pub(super) fn silent_zone() -> Story {
    let fine = (500..560).map(|n| {
        let mut own = asks(n, A, OUTSIDE, 1);
        own.question = question(&format!("n{n}.example.org"), TYPE_A);
        own.end_ns = own.sent_ns + MS;
        let answer = attempt(n, OUTSIDE, Outcome::Answered).answer;
        Attempt {
            outcome: Outcome::Answered,
            answer,
            ..own
        }
    });
    chained(&[A], OUTSIDE).with(fine)
}

/// One that asks root servers first, and none can be reached.
fn without_roots() -> Story {
    let mut story = Story::default();
    for n in 0..6 {
        let mut query = attempt(n, A.1, Outcome::Unanswered);
        query.end_ns = query.sent_ns + 5_000 * MS;
        let root = ["192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"][n as usize % 3];
        let mut own = asks(n, A, root, 1);
        own.question = question("net", TYPE_NS);
        let own = dropped(own, Packet::Query, "IP_INNOROUTES", "ip_error");
        story = story.with([at(&query, A), query, own]);
    }
    // What it has itself it answers.
    let fine = (500..520).flat_map(|n| {
        let query = attempt(n, A.1, Outcome::Answered);
        let mut view = at_server(&query, A.0, Outcome::Answered, MS / 10);
        view.owner.netns = NODE + A.0;
        [view, query]
    });
    story.with(fine)
}

/// The names are not those that its clients asked for.
#[test]
fn who_reaches_no_server_at_all_cannot_answer_its_clients() {
    let mut findings = without_roots().explain().findings;
    findings.retain(|it| it.severity > Severity::Info);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    let found = findings.remove(0);
    assert_eq!((found.rule.name(), found.queries), ("dns_no_route", 12));
    assert_eq!(found.title, "There is no route to 3 DNS servers");
    let evidence = found.evidence.join("\n");
    assert!(evidence.contains("6 queries to the resolver 10.0.0.10:53 went wrong because of this"));
    // It was answered once, so its own trouble does not explain them.
    let mut answered = asks(900, A, OUTSIDE, 1);
    answered.outcome = Outcome::Answered;
    answered.answer = attempt(0, OUTSIDE, Outcome::Answered).answer;
    let said = without_roots().with([answered]).said();
    assert_ne!(said, [("dns_no_route", 12)]);
}

pub(super) fn looped() -> Story {
    chained(&[A, B], A.1)
}

#[test]
fn a_loop_is_one_finding_about_both() {
    let mut findings = looped().explain().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    let finding = findings.remove(0);
    assert_eq!(
        (finding.rule.name(), finding.queries),
        ("dns_forwarding_loop", 18)
    );
    let waits = "dns53 (pid 53) waits for dns54 (pid 54), which waits for dns53 (pid 53):";
    assert!(finding.cause.starts_with(waits), "{}", finding.cause);
    let told = "Forwarding loop: dns53 (pid 53) asks dns54 (pid 54), which asks dns53 (pid 53)";
    assert!(finding.title.starts_with(told), "{}", finding.title);
    let evidence = finding.evidence.join("\n");
    for sentence in [
        "dns53 (pid 53) asked 10.0.0.11:53, and 6 queries came to nothing",
        "dns54 (pid 54) asked 10.0.0.10:53, and 6 queries came to nothing",
        "6 queries of their clients began it.",
    ] {
        assert!(evidence.contains(sentence), "{evidence}");
    }
}

/// What goes round has EDNS, and what is answered has not: that separates them, and is no
/// cause.
#[test]
fn a_loop_is_nearer_than_what_its_queries_have_in_common() {
    let mut story = looped();
    for it in &mut story.attempts {
        if it.role == Role::Client && [Some(A.0), Some(B.0)].contains(&it.owner.pid) {
            *it = contrasts::with_edns(it.clone());
        }
    }
    let fine = [A, B].into_iter().flat_map(|(pid, server)| {
        (500..560).map(move |n| {
            let mut own = attempt(n, server, Outcome::Answered);
            own.owner.netns = NODE + A.0 + B.0 - pid;
            own.id = Some(n as u16);
            own
        })
    });
    assert_eq!(story.with(fine).said(), [("dns_forwarding_loop", 18)]);
}

#[test]
fn a_loop_may_have_any_number_of_resolvers_and_a_way_to_it() {
    for (servers, last, told) in [
        (&[A][..], A.1, "dns53 (pid 53) asks itself"),
        (&[A, B, C], B.1, "dns54 (pid 54) asks dns55 (pid 55), which"),
        (&[A, B, C], A.1, "asks dns54 (pid 54), which asks dns55"),
    ] {
        let story = chained(servers, last);
        let failed = story.attempts.iter().filter(|it| it.role == Role::Client);
        let failed = failed.count() as u64;
        let findings = story.explain().findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].rule, Rule::ForwardingLoop);
        assert_eq!(findings[0].queries, failed);
        assert!(findings[0].title.contains(told), "{}", findings[0].title);
    }
}

/// A program that is a client and a server, as a test or a load generator is.
#[test]
fn a_program_that_asks_its_own_server_is_no_loop() {
    let mut story = Story::default();
    for n in 0..12 {
        // Each question twice, at the same time.
        let mut query = asks(n / 2, A, A.1, 1);
        query.cookie += 100 * (n % 2);
        query.id = Some(n as u16);
        story = story.with([at(&query, A), query]);
    }
    assert_eq!(story.said(), [("dns_unknown", 12)]);
}

#[test]
fn a_chain_that_ends_outside_is_none() {
    for servers in [&[A][..], &[A, B], &[A, B, C]] {
        let queries = 6 * (servers.len() as u64 + 1);
        let said = chained(servers, OUTSIDE).said();
        let all: u64 = said.iter().map(|(_, queries)| queries).sum();
        assert_eq!(all, queries);
        assert!(said.iter().all(|(rule, _)| *rule == "dns_upstream_slow"));
    }
}

/// Whoever waits for the upstream is the one who asks it, and no less often than it failed.
#[test]
fn what_is_said_of_an_upstream_is_of_the_one_who_asked_it() {
    for finding in chained(&[A, B, C], OUTSIDE).explain().findings {
        let told = finding
            .evidence
            .iter()
            .find(|line| line.contains("; of these"));
        let Some(told) = told else {
            continue;
        };
        assert!(
            told.contains("6 times; of these, 6 went unanswered"),
            "{told}"
        );
        let askers = [("dns55", OUTSIDE), ("dns53", B.1), ("dns54", C.1)];
        let is_told = |(_, upstream): &&(&str, &str)| finding.title.contains(upstream);
        let (asker, _) = askers.iter().find(is_told).expect("an upstream");
        assert!(told.starts_with(asker), "{told}");
    }
}

/// 150 queries of its own wait for a silent upstream; what comes then is refused at once.
fn full(places: u64, client_is_let_in: bool) -> Story {
    full_at(OUTSIDE, places, client_is_let_in)
}

fn full_at(upstream: &'static str, places: u64, client_is_let_in: bool) -> Story {
    let mut story = Story::default();
    for n in 0..places {
        let mut client = attempt(n, A.1, Outcome::Unanswered);
        if !client_is_let_in {
            client.owner.netns = NODE;
            client.owner.pid = Some(1);
        }
        client.end_ns = client.sent_ns + 2_000 * MS;
        let own = asks(n, A, upstream, 1);
        let came_back = (upstream == A.1).then(|| at(&own, A));
        story = story.with(came_back).with([at(&client, A), own, client]);
    }
    let refused = (500..700).map(|n| {
        let mut client = answered_with(attempt(n, A.1, Outcome::Answered), 5);
        // While the last of those waits.
        client.sent_ns = attempt(places, A.1, Outcome::Answered).sent_ns + n * MS / 1_000;
        // Some wait before they are read, as on a host with much to do.
        client.end_ns = client.sent_ns + if n % 10 == 0 { 300 * MS } else { MS };
        let took = client.end_ns - client.sent_ns - MS / 2;
        let mut view = at_server(&client, A.0, Outcome::Answered, took);
        view.owner.netns = NODE + A.0;
        view.answer = client.answer;
        [view, client]
    });
    story.with(refused.flatten())
}

#[test]
fn what_a_full_forwarder_refuses_is_a_symptom_of_its_silent_upstream() {
    let mut findings = full(60, true).explain().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    let finding = findings.remove(0);
    assert_eq!(
        (finding.rule.name(), finding.queries),
        ("dns_upstream_slow", 320)
    );
    let evidence = finding.evidence.join("\n");
    assert!(
        evidence.contains("200 queries of clients were answered REFUSED and not passed on"),
        "{evidence}"
    );
    assert!(
        evidence.contains("60 queries of its clients waited"),
        "{evidence}"
    );
    assert!(evidence.contains("dns-forward-max"), "{evidence}");
}

#[test]
fn what_a_forwarder_refuses_because_it_asks_itself_is_a_symptom_of_the_loop() {
    let mut findings = full_at(A.1, 60, true).explain().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    let finding = findings.remove(0);
    assert_eq!(
        (finding.rule.name(), finding.queries),
        ("dns_forwarding_loop", 320)
    );
    let evidence = finding.evidence.join("\n");
    for sentence in [
        "dns53 (pid 53) asked 10.0.0.10:53, and 60 queries came to nothing",
        "60 queries of their clients began it.",
        "200 queries of clients were answered REFUSED and not passed on, while up to 60 of the resolver's own",
    ] {
        assert!(evidence.contains(sentence), "{evidence}");
    }
}

#[test]
fn a_client_that_is_never_let_in_is_refused_for_another_reason() {
    for story in [full(60, false), full(10, true)] {
        let findings = story.explain().findings;
        let rules: Vec<_> = findings.iter().map(|it| it.rule.name()).collect();
        assert!(rules.contains(&"dns_refused_rcode"), "{rules:?}");
        let refused = findings.iter().find(|it| it.rule == Rule::RefusedRcode);
        let evidence = refused.expect("it").evidence.join("\n");
        // It is said that it had trouble of its own, and not that it had none.
        assert!(evidence.contains("of its own went wrong"), "{evidence}");
        assert!(!evidence.contains("no slow or lost query"), "{evidence}");
    }
}
