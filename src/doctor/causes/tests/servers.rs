//! What the server on this host was doing meanwhile.

use super::*;
use crate::counters::CpuWaits;
use crate::sampler::Process;
use crate::sampler::Quota;
use crate::sampler::Span;

pub(super) const RESOLVER: u32 = 53;
const UPSTREAM: &str = "192.0.2.53:53";

pub(super) fn quota(throttled_periods: u64) -> Quota {
    Quota {
        cgroup: std::path::PathBuf::from("/sys/fs/cgroup/cpu/dns").into(),
        version: crate::sampler::Version::V1,
        quota: Some(Duration::from_millis(20)),
        period: Duration::from_millis(100),
        periods: 100,
        throttled_periods,
        throttled: Duration::from_secs(5),
    }
}

/// A server whose busiest thread ran and waited for such shares of the time.
pub(super) fn server(quota: Option<Quota>, ran: f64, waited: f64) -> Process {
    Process {
        quota,
        is_quota_known: true,
        spans: vec![Span {
            from_ns: 0,
            to_ns: u64::MAX,
            ran,
            waited,
            stopped: false,
        }],
        ..Process::default()
    }
}

/// Ten queries that found no room at the server, and ten that waited there.
pub(super) fn overloaded(server: Process) -> Story {
    let lost: Vec<_> = (0..10)
        .map(|n| {
            let attempt = attempt(n, SERVER, Outcome::Dropped);
            dropped(
                attempt,
                Packet::Query,
                "SOCKET_RCVBUFF",
                "udp_queue_rcv_one_skb",
            )
        })
        .collect();
    let slow: Vec<_> = (20..30)
        .map(|n| {
            let mut attempt = attempt(n, SERVER, Outcome::Answered);
            attempt.end_ns = attempt.sent_ns + 300 * MS;
            attempt
        })
        .collect();
    let views: Vec<_> = lost
        .iter()
        .map(|it| at_server(it, RESOLVER, Outcome::Dropped, MS))
        .chain(
            slow.iter()
                .map(|it| at_server(it, RESOLVER, Outcome::Answered, 290 * MS)),
        )
        .map(|view| Attempt {
            queued_bytes: 200_000,
            ..view
        })
        .collect();
    let mut incident = Story::default().with(lost).with(slow).with(views);
    incident.host.servers.insert(RESOLVER, server);
    incident
}

#[test]
fn the_overflow_is_a_symptom_of_the_cpu_limit() {
    let throttled = overloaded(server(Some(quota(90)), 0.2, 0.0));
    assert_eq!(throttled.said(), [("dns_server_throttled", 20)]);
    let saturated = overloaded(server(None, 0.99, 0.0));
    assert_eq!(saturated.said(), [("dns_server_saturated", 20)]);
    // A quota that hardly ever runs out explains nothing. What waited in a socket
    // that overflowed belongs to the overflow.
    let blocked = overloaded(server(Some(quota(3)), 0.1, 0.0));
    assert_eq!(blocked.said(), [("dns_server_overflow", 20)]);
}

#[test]
fn who_waits_for_a_cpu_is_busy_too() {
    let starved = overloaded(server(None, 0.3, 0.65)).explain().findings;
    assert_eq!(starved[0].rule.name(), "dns_server_saturated");
    assert!(starved[0].title.contains("too little CPU"), "{starved:?}");
    assert!(starved[0].title.contains("other programs"), "{starved:?}");
    // A CPU limit would look the same, and its group may be gone.
    let unknown = Process {
        is_quota_known: false,
        ..server(None, 0.3, 0.65)
    };
    let unknown = overloaded(unknown).explain().findings;
    assert_eq!(unknown[0].rule.name(), "dns_server_saturated");
    let said = format!("{:?}", unknown[0]);
    assert!(
        said.contains("too little CPU") && said.contains("is not known"),
        "{said}"
    );
    assert!(
        !said.contains("other programs on this host use it"),
        "{said}"
    );
    let busy = overloaded(server(None, 0.65, 0.3)).explain().findings;
    assert!(busy[0].title.contains("cannot keep up"), "{busy:?}");
}

/// Five queries at a server with little to do, all answered after 200 ms.
pub(super) fn hesitant(ran: f64, waited: f64) -> Story {
    let slow: Vec<_> = (0..5)
        .map(|n| {
            let mut attempt = attempt(n, SERVER, Outcome::Answered);
            attempt.sent_ns = 10_000 * MS + n * MS;
            attempt.end_ns = attempt.sent_ns + 200 * MS;
            attempt
        })
        .collect();
    let views = slow
        .iter()
        .map(|it| at_server(it, RESOLVER, Outcome::Answered, 199 * MS));
    let views: Vec<_> = views.collect();
    let mut story = Story::default().with(slow).with(views);
    let mut server = server(None, ran, waited);
    (server.spans[0].from_ns, server.spans[0].to_ns) = (9_900 * MS, 10_900 * MS);
    story.host.servers.insert(RESOLVER, server);
    story
}

#[test]
fn who_has_little_to_do_and_waits_for_a_cpu_with_it_is_not_slow_itself() {
    let starved = hesitant(0.01, 0.18);
    assert_eq!(starved.said(), [("dns_server_saturated", 5)]);
    let said = format!("{:?}", hesitant(0.01, 0.18).explain().findings[0]);
    assert!(said.contains("When the server has work"), "{said}");
    assert!(!said.contains("nearly all the time"), "{said}");
    // It slept.
    assert_eq!(hesitant(0.01, 0.05).said(), [("dns_server_slow", 5)]);
    // An error that came soon is no matter of waiting.
    let mut soon = hesitant(0.01, 0.18);
    for attempt in &mut soon.attempts {
        attempt.end_ns = attempt.sent_ns + 5 * MS;
        attempt.queued_bytes = 1_664;
        *attempt = answered_with(attempt.clone(), 5);
    }
    assert_eq!(soon.said(), [("dns_refused_rcode", 5)]);
    // It waited before it had the query, and for other work.
    let mut before = hesitant(0.01, 0.18);
    let server = before.host.servers.get_mut(&RESOLVER).expect("the server");
    server.spans[0].to_ns = 9_999 * MS;
    (server.spans[0].from_ns, server.spans[0].waited) = (9_500 * MS, 0.15);
    assert_eq!(before.said(), [("dns_server_slow", 5)]);
    // It worked more than it waited.
    assert_eq!(hesitant(0.3, 0.18).said(), [("dns_server_slow", 5)]);
}

#[test]
fn how_long_it_waited_for_a_cpu_is_told_where_that_was_looked_at() {
    // Waits of 67 to 134 ms, and shorter ones.
    let mut slots = [0; 40];
    (slots[26], slots[20]) = (5, 900);
    let waits = CpuWaits::of(&slots, Duration::from_millis(900));
    let told = |server| {
        let mut story = overloaded(server);
        story.host.cpu_waits.insert(RESOLVER, waits.clone());
        story.host.waits_looked_at = Duration::from_secs(8);
        format!("{:?}", story.explain().findings[0])
    };
    let line = "waited 905 times for a CPU, 900 ms in all, each less than 134 ms, in the 8.0 s";
    let starved = told(server(None, 0.3, 0.65));
    assert!(
        starved.contains("too little CPU") && starved.contains(line),
        "{starved}"
    );
    // It alone makes no cause: they may have been at another time.
    let idle = told(server(None, 0.3, 0.3));
    assert!(
        idle.contains("ServerOverflow") && !idle.contains(line),
        "{idle}"
    );
}

#[test]
fn another_time_says_nothing_of_a_query() {
    let mut idle = server(None, 0.99, 0.0);
    // All queries were gone long before.
    idle.spans[0].from_ns = u64::MAX - 1;
    assert_eq!(overloaded(idle).said(), [("dns_server_overflow", 20)]);
}

#[test]
fn a_server_that_takes_long_without_cpu_time_is_not_throttled_out_of_nothing() {
    let slow = |server| {
        let mut incident = Story::default();
        for n in 0..5 {
            let mut client = attempt(n, SERVER, Outcome::Answered);
            client.end_ns = client.sent_ns + 300 * MS;
            let view = at_server(&client, RESOLVER, Outcome::Answered, 299 * MS);
            incident = incident.with([view, client]);
        }
        incident.host.servers.insert(RESOLVER, server);
        incident.said()
    };
    // Nothing waited in its socket, but it was stopped in their midst.
    assert_eq!(
        slow(server(Some(quota(90)), 0.1, 0.0)),
        [("dns_server_throttled", 5)]
    );
    assert_eq!(
        slow(server(Some(quota(3)), 0.1, 0.0)),
        [("dns_server_slow", 5)]
    );
}

#[test]
fn a_server_that_hangs_is_named_though_it_never_answered() {
    let mut incident = Story::default();
    for n in 0..5 {
        let query = attempt(n, SERVER, Outcome::Unanswered);
        let mut view = at_server(&query, RESOLVER, Outcome::Unanswered, 2_000 * MS);
        view.owner.pid = None;
        view.queued_bytes = 4_000;
        incident = incident.with([view, query]);
    }
    let mut hung = server(None, 0.0, 0.0);
    hung.spans[0].stopped = true;
    incident.host.servers.insert(RESOLVER, hung);
    let listener = ((NODE, address(SERVER)), RESOLVER);
    incident.host.listeners.extend([listener]);
    let finding = incident.explain().findings.remove(0);
    assert_eq!((finding.rule.name(), finding.queries), ("dns_unknown", 5));
    let fix = finding.fix.join(" ");
    assert!(fix.contains("kill -CONT 53"), "{fix}");
    assert!(!fix.contains("traceroute"), "{fix}");
}

/// What lay in the socket of a server that ended.
pub(super) fn left_unread(queued_bytes: u32) -> Story {
    let mut attempts = Vec::new();
    for n in 0..5 {
        let query = attempt(n, SERVER, Outcome::Dropped);
        attempts.push(Attempt {
            queued_bytes,
            ..at_server(&query, RESOLVER, Outcome::Unanswered, 2_000 * MS)
        });
        let mut query = dropped(query, Packet::Query, "NOT_SPECIFIED", "udp_destruct_common");
        if let Some(drop) = &mut query.drop {
            drop.at_ns = query.sent_ns + 500 * MS;
        }
        attempts.push(query);
    }
    Story::default().with(attempts)
}

#[test]
fn what_a_server_left_unread_was_held_up_or_lost_with_it() {
    let finding = left_unread(0).explain().findings.remove(0);
    assert_eq!(
        (finding.rule.name(), finding.queries),
        ("dns_kernel_drop", 5)
    );
    assert!(
        finding
            .title
            .contains("closed its socket with queries unread"),
        "{finding:?}"
    );
    for queued_bytes in [0, 100_000] {
        let mut busy = left_unread(queued_bytes);
        let server = server(None, 0.99, 0.0);
        busy.host.servers.insert(RESOLVER, server);
        assert_eq!(busy.said(), [("dns_server_saturated", 5)]);
    }
}

/// A server that answers, stops with the 10th query, and goes on never.
#[test]
fn what_a_stopped_server_had_read_or_had_not_is_one_trouble() {
    let mut attempts = Vec::new();
    for n in 0..20 {
        let query = attempt(n, SERVER, Outcome::Unanswered);
        match n {
            0..10 => {
                attempts.push(at_server(&query, RESOLVER, Outcome::Answered, MS));
                attempts.push(attempt(n, SERVER, Outcome::Answered));
            }
            10..15 => {
                attempts.push(at_server(&query, RESOLVER, Outcome::Unanswered, 2_000 * MS));
                attempts.push(query);
            }
            _ => {
                attempts.push(at_server(&query, RESOLVER, Outcome::Dropped, MS));
                let drop = "udp_queue_rcv_one_skb";
                attempts.push(dropped(query, Packet::Query, "SOCKET_RCVBUFF", drop));
            }
        }
    }
    let mut incident = Story::default().with(attempts.clone());
    let mut stopped = server(None, 0.0, 0.0);
    stopped.spans[0].stopped = true;
    incident.host.servers.insert(RESOLVER, stopped);
    let findings = incident.explain().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    let finding = &findings[0];
    assert_eq!(
        (finding.rule.name(), finding.queries),
        ("dns_server_overflow", 10)
    );
    assert!(finding.title.contains("is stopped"), "{finding:?}");
    assert!(
        finding
            .fix
            .iter()
            .any(|step| step.contains("kill -CONT 53"))
    );
    // A server that answers between two overflows has not stalled.
    let mut alive = at_server(&attempts[1], RESOLVER, Outcome::Answered, MS);
    shift(&mut alive, 1_430 * MS);
    let said = Story::default().with(attempts).with([alive]).said();
    assert_eq!(said, [("dns_server_overflow", 5), ("dns_unknown", 5)]);
}

/// Clients of a resolver on this host, whose own query ended so.
pub(super) fn forwarded(upstream: impl Fn(Attempt) -> Attempt) -> Story {
    let mut attempts = Vec::new();
    for n in 0..6 {
        let mut client = attempt(n, SERVER, Outcome::Unanswered);
        client.end_ns = client.sent_ns + 5_000 * MS;
        let mut own = attempt(n, UPSTREAM, Outcome::Unanswered);
        own.owner.pid = Some(RESOLVER);
        own.owner.netns = NODE;
        own.cookie += 5_000;
        own.id = Some(9_000 + n as u16);
        shift(&mut own, MS);
        own.end_ns = own.sent_ns + 4_000 * MS;
        attempts.push(at_server(
            &client,
            RESOLVER,
            Outcome::Unanswered,
            5_000 * MS,
        ));
        attempts.push(upstream(own));
        attempts.push(client);
    }
    Story::default().with(attempts)
}

/// The same where its upstream answers, and takes most of the time.
pub(super) fn forwarded_slowly() -> Story {
    let mut story = Story::default();
    for n in 0..6 {
        let mut client = attempt(n, SERVER, Outcome::Answered);
        client.end_ns = client.sent_ns + 400 * MS;
        let view = at_server(&client, RESOLVER, Outcome::Answered, 390 * MS);
        let mut own = attempt(n, UPSTREAM, Outcome::Answered);
        own.owner.pid = Some(RESOLVER);
        own.owner.netns = NODE;
        own.cookie += 5_000;
        own.id = Some(9_000 + n as u16);
        shift(&mut own, MS);
        own.end_ns = own.sent_ns + 380 * MS;
        story = story.with([view, own, client]);
    }
    story
}

#[test]
fn a_resolver_that_waits_is_not_the_cause() {
    assert_eq!(forwarded(|own| own).said(), [("dns_upstream_slow", 12)]);
}

#[test]
fn what_the_upstream_did_is_told_apart_and_its_clients_are_hit() {
    let late = |own| dropped(own, Packet::Answer, "NO_SOCKET", "__udp4_lib_rcv");
    let finding = forwarded(late).explain().findings.remove(0);
    assert_eq!(
        (finding.rule.name(), finding.queries),
        ("dns_upstream_slow", 12)
    );
    let told = finding.evidence.join(" ");
    assert!(
        told.contains("6 were answered when it had given up"),
        "{told}"
    );
    assert!(!told.contains("unanswered"), "{told}");
    let hit = finding.hit_hardest.unwrap();
    assert_eq!(hit, "curl (pid 4242): 6 queries");
}

#[test]
fn what_hits_the_resolver_itself_is_the_cause_for_its_clients() {
    let explanation =
        forwarded(|own| dropped(own, Packet::Query, "NETFILTER_DROP", "nft_do_chain")).explain();
    assert_eq!(explanation.findings.len(), 1);
    let finding = &explanation.findings[0];
    assert_eq!(
        (finding.rule.name(), finding.queries),
        ("dns_policy_drop", 12)
    );
    assert!(
        finding
            .evidence
            .iter()
            .any(|line| line.contains("6 queries to the resolver")),
        "{:?}",
        finding.evidence
    );
    // What is said of packets and of who sent them is said of the resolver's own.
    let told = finding.evidence.join(" ");
    assert!(told.contains("6 packets were discarded"), "{told}");
    assert!(!told.contains("curl (pid 4242)"), "{told}");
}

#[test]
fn a_client_that_asks_again_is_no_upstream_of_the_server() {
    // Client and server share a namespace, and the client asks twice.
    let mut attempts = Vec::new();
    for n in 0..6 {
        let mut first = attempt(n, SERVER, Outcome::Unanswered);
        first.owner.netns = NODE;
        first.end_ns = first.sent_ns + 5_000 * MS;
        let mut second = first.clone();
        second.cookie += 100;
        second.id = Some(700 + n as u16);
        second.sent_ns += 1_000 * MS;
        attempts.push(at_server(&first, RESOLVER, Outcome::Unanswered, 5_000 * MS));
        attempts.extend([first, second]);
    }
    assert_eq!(
        Story::default().with(attempts).said(),
        [("dns_unknown", 12)]
    );
}

#[test]
fn large_answers_that_left_the_server_and_never_came() {
    let incident = |bytes| {
        let mut attempts = Vec::new();
        for n in 0..4 {
            let client = attempt(n, SERVER, Outcome::Unanswered);
            let mut view = at_server(&client, RESOLVER, Outcome::Answered, MS);
            if let Some(answer) = view.answer.as_mut() {
                answer.bytes = bytes;
            }
            attempts.extend([view, client]);
        }
        Story::default().with(attempts)
    };
    assert_eq!(incident(1_400).said(), [("dns_answer_too_big", 4)]);
    assert_eq!(incident(400).said(), [("dns_unknown", 4)]);
}

/// One process asks one question over and over, and the server leaves some of
/// its and of its neighbours' queries unanswered.
#[test]
fn a_storm_hurts_its_neighbours() {
    let mut attempts = Vec::new();
    for n in 0..2_000 {
        let outcome = if n % 10 == 0 {
            Outcome::Unanswered
        } else {
            Outcome::Answered
        };
        let mut query = attempt(n, SERVER, outcome);
        query.question = question("db.example.com", TYPE_A);
        attempts.push(query);
    }
    for n in 0..20 {
        let mut query = attempt(3_000 + n, SERVER, Outcome::Unanswered);
        query.owner.pid = Some(7);
        attempts.push(query);
    }
    assert_eq!(Story::default().with(attempts).said(), [("dns_storm", 220)]);
}

#[test]
fn a_storm_that_hurts_nobody_is_a_note() {
    let explanation = Story::default()
        .with((0..2_000).map(|n| Attempt {
            question: question("db.example.com", TYPE_A),
            ..attempt(n, SERVER, Outcome::Answered)
        }))
        .explain();
    let said: Vec<_> = explanation
        .findings
        .iter()
        .map(|finding| (finding.rule.name(), finding.severity))
        .collect();
    assert_eq!(said, [("dns_storm", Severity::Info)]);
}
