//! Slow answers of which the time is known where it went.

use super::*;

const PID: u32 = 53;

/// Twenty answers that took so long, and what their server on this host took of it, with so
/// much before them in its socket.
pub(super) fn here(took_ms: u64, at_server_ms: u64, queued_bytes: u32) -> Story {
    let mut story = Story::default();
    for n in 0..20 {
        let mut client = attempt(n, SERVER, Outcome::Answered);
        client.end_ns = client.sent_ns + took_ms * MS;
        let mut view = at_server(&client, PID, Outcome::Answered, at_server_ms * MS);
        view.queued_bytes = queued_bytes;
        story = story.with([view, client]);
    }
    story
}

/// So many slow answers and fast ones of a server elsewhere.
fn elsewhere(slow: u64, fast: u64, transports: [Transport; 2]) -> Story {
    let with = |n, transport, ms: u64| {
        let mut it = attempt(n, SERVER, Outcome::Answered);
        it.transport = transport;
        it.end_ns = it.sent_ns + ms * MS;
        it
    };
    Story::default()
        .with((0..slow).map(|n| with(n, transports[0], 150 + n)))
        .with((500..500 + fast).map(|n| with(n, transports[1], 1)))
}

const UDP: [Transport; 2] = [Transport::Udp, Transport::Udp];
const TCP_AND_UDP: [Transport; 2] = [Transport::Tcp, Transport::Udp];

/// One of each kind, for the commands that they offer.
pub(super) fn all() -> impl Iterator<Item = Story> {
    [
        here(300, 299, 0),
        here(300, 299, 9_000),
        here(300, 1, 0),
        elsewhere(30, 0, UDP),
        elsewhere(20, 40, TCP_AND_UDP),
        slow_of(asks("example.com", 65), asks("example.com", TYPE_A)),
    ]
    .into_iter()
}

fn only(story: Story) -> Finding {
    let mut findings = story.explain().findings;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

fn says(finding: &Finding, text: &str) -> bool {
    let texts = [&finding.title, &finding.cause, &finding.impact];
    let mut all = texts.into_iter().chain(&finding.evidence);
    all.any(|it| it.contains(text))
}

#[test]
fn the_queue_of_a_server_is_named_with_its_depth() {
    let found = only(here(300, 299, 9_000));
    assert_eq!((found.rule, found.queries), (Rule::ServerSlow, 20));
    assert!(
        says(&found, "Queries wait in a queue in front of"),
        "{found:#?}"
    );
    assert!(
        says(
            &found,
            "9,000 bytes lay unread in the server's socket, and never more"
        ),
        "{found:#?}"
    );
    assert!(
        says(&found, "It got 20 queries, 0.7 a second"),
        "{found:#?}"
    );
    let found = only(here(300, 299, 0));
    assert!(says(&found, "takes long for its answers"), "{found:#?}");
    assert!(
        says(&found, "half of these took 299 ms or more"),
        "{found:#?}"
    );
    assert!(
        says(&found, "was not seen to ask another server"),
        "{found:#?}"
    );
}

/// They came in a burst, but those that found nothing before them took as long.
#[test]
fn a_queue_that_costs_nothing_is_not_why() {
    let mixed = |queued_ms| {
        let with = |from: u64, ms, queued| {
            (from..from + 20).flat_map(move |n| {
                let mut client = attempt(n, SERVER, Outcome::Answered);
                client.end_ns = client.sent_ns + (ms + 1) * MS;
                let mut view = at_server(&client, PID, Outcome::Answered, ms * MS);
                view.queued_bytes = queued;
                [view, client]
            })
        };
        Story::default()
            .with(with(0, 1_200, 0))
            .with(with(20, queued_ms, 4_000))
    };
    let found = only(mixed(1_201));
    assert_eq!((found.rule, found.queries), (Rule::ServerSlow, 40));
    assert!(says(&found, "takes long for its answers"), "{found:#?}");
    assert!(says(&found, "so it is no queue"), "{found:#?}");
    // Those behind others took twice as long: both are true.
    let findings = mixed(2_400).explain().findings;
    let titles: Vec<_> = findings.iter().map(|it| &it.title[..7]).collect();
    assert_eq!(findings.len(), 2, "{findings:#?}");
    assert!(titles.contains(&"Queries") && titles.contains(&"The DNS"));
}

#[test]
fn the_way_on_this_host_is_told_from_the_server() {
    let found = only(here(300, 1, 0));
    assert_eq!((found.rule, found.queries), (Rule::SlowWay, 20));
    assert!(
        says(&found, "The server needed 1.0 ms at most"),
        "{found:#?}"
    );
    assert!(says(&found, "on the way back 299 ms"), "{found:#?}");
    // Half and half is the server's.
    assert_eq!(only(here(300, 160, 0)).rule, Rule::ServerSlow);
}

#[test]
fn a_server_elsewhere_is_far_if_nothing_comes_faster() {
    let found = only(elsewhere(30, 0, UDP));
    assert_eq!((found.rule, found.queries), (Rule::SlowWay, 30));
    assert!(says(&found, "takes 150 ms or more"), "{found:#?}");
    assert!(
        says(&found, "Of 30 answers from there 30 took more"),
        "{found:#?}"
    );
    // Some are slow: names that it does not know yet. Nobody can tell that from here.
    for (slow, fast) in [(30, 30), (19, 0), (20, 3)] {
        assert_eq!(elsewhere(slow, fast, UDP).said(), [], "{slow} {fast}");
    }
}

#[test]
fn only_tcp_is_slow() {
    let found = only(elsewhere(20, 40, TCP_AND_UDP));
    assert_eq!((found.rule, found.queries), (Rule::SlowWay, 20));
    assert!(says(&found, "over TCP take 150 ms or more"), "{found:#?}");
    assert!(
        says(&found, "Of 20 answers from there 20 took more"),
        "{found:#?}"
    );
}

#[test]
fn slow_is_critical_from_where_the_base_rule_has_it() {
    let severity = |ms| only(here(ms, ms - 1, 0)).severity;
    assert_eq!(severity(300), Severity::Warning);
    assert_eq!(severity(600), Severity::Critical);
    // One per cent of the answers is what any host has.
    let few = here(300, 299, 0).with((100..29_000).map(|n| attempt(n, OTHER, Outcome::Answered)));
    assert_eq!(few.said(), []);
}

#[test]
fn each_slow_answer_has_one_cause() {
    let story = here(300, 299, 0).with(elsewhere(3, 60, UDP).attempts.into_iter().map(|mut it| {
        it.cookie += 9_000;
        it.peer = address(OTHER);
        it.id = it.id.map(|id| id + 9_000);
        it
    }));
    let by_cause: Vec<_> = story.explain().slow_by_cause.into_iter().collect();
    assert_eq!(by_cause, [(Rule::ServerSlow, 20), (Rule::Unknown, 3)]);
}

/// Whatever makes an answer slow takes all of them, and nothing else does.
#[test]
fn the_slow_answers_of_each_kind_are_its_own() {
    let stories = [
        // They wait in the server's queue; it takes long itself; its CPU limit stops it; it waits
        // for a CPU.
        (here(300, 299, 9_000), Rule::ServerSlow),
        (here(300, 299, 0), Rule::ServerSlow),
        (
            servers::overloaded(servers::server(Some(servers::quota(90)), 0.2, 0.0)),
            Rule::ServerThrottled,
        ),
        (servers::hesitant(0.01, 0.18), Rule::ServerSaturated),
        // It waits for its own upstream.
        (servers::forwarded_slowly(), Rule::UpstreamSlow),
        // The way there: on this host, far, over TCP, for one type; segments that got lost.
        (here(300, 1, 0), Rule::SlowWay),
        (elsewhere(30, 0, UDP), Rule::SlowWay),
        (elsewhere(20, 40, TCP_AND_UDP), Rule::SlowWay),
        (
            slow_of(asks("example.com", 65), asks("example.com", TYPE_A)),
            Rule::SlowWay,
        ),
        (lossy::lossy(), Rule::TcpLossy),
        (elsewhere(3, 60, UDP), Rule::Unknown),
    ];
    for (place, (story, rule)) in stories.into_iter().enumerate() {
        let slow = story.attempts.iter().filter(|it| {
            let is_answer = it.role == Role::Client && it.outcome == Outcome::Answered;
            is_answer && it.elapsed() > Duration::from_millis(100)
        });
        let slow = slow.count() as u64;
        let by_cause = story.explain().slow_by_cause;
        assert_eq!(by_cause, [(rule, slow)].into(), "{place}");
    }
}

/// So many slow answers that are changed so, and 40 others that come at once.
fn slow_of(with: impl Fn(u64, &mut Attempt), without: impl Fn(u64, &mut Attempt)) -> Story {
    let of = |n, ms, change: &dyn Fn(u64, &mut Attempt)| {
        let mut it = attempt(n, SERVER, Outcome::Answered);
        it.end_ns = it.sent_ns + ms * MS;
        change(n, &mut it);
        it
    };
    Story::default()
        .with((0..20).map(|n| of(n, 150 + n, &with)))
        .with((500..540).map(|n| of(n, 1, &without)))
}

fn asks(name: &'static str, rtype: u16) -> impl Fn(u64, &mut Attempt) {
    move |n, it| it.question = question(&format!("n{n}.{name}"), rtype)
}

#[test]
fn what_is_slow_alone_is_named_with_both_sides() {
    let same = asks("example.com", TYPE_A);
    let cases: [(Story, &str); 5] = [
        (
            slow_of(asks("far.example", TYPE_A), &same),
            "names of far.example",
        ),
        (
            slow_of(asks("example.com", 65), &same),
            "queries of type HTTPS",
        ),
        (
            slow_of(|_, it| *it = contrasts::with_edns(it.clone()), |_, _| ()),
            "queries with EDNS (an OPT record)",
        ),
        (
            slow_of(
                |_, it| it.owner.cgroup_id = 77,
                |_, it| it.owner.cgroup_id = 78,
            ),
            "queries of curl (pid 4242)",
        ),
        (
            slow_of(|_, it| it.is_after_answer = true, |_, _| ()),
            "queries from a source port that had an answer before",
        ),
    ];
    for (story, which) in cases {
        let found = only(story);
        assert_eq!((found.rule, found.queries), (Rule::SlowWay, 20), "{which}");
        let title = format!("is slow to answer {which}");
        assert!(found.title.contains(&title), "{found:#?}");
        let told = format!("Of {which}, 20 of 20 were answered slowly; of all others, 0 of 40.");
        assert!(
            found.title.contains(which) && says(&found, &told),
            "{found:#?}"
        );
    }
}

#[test]
fn slow_answers_among_alike_ones_are_not_set_apart() {
    let same = asks("example.com", TYPE_A);
    assert_eq!(slow_of(&same, &same).said(), []);
}

#[test]
fn a_slow_server_is_set_apart_from_the_others_that_are_asked() {
    let others = || (500..540).map(|n| attempt(n, OTHER, Outcome::Answered));
    let found = only(elsewhere(30, 0, UDP).with(others()));
    let told = "30 of 30 were answered slowly; of those to all other servers from there, 0 of 40.";
    assert!(says(&found, told), "{found:#?}");
    // Where all are slow there is nothing to tell.
    let slow = |mut it: Attempt| {
        it.end_ns = it.sent_ns + 150 * MS;
        it
    };
    let findings = elsewhere(30, 0, UDP)
        .with(others().map(slow))
        .explain()
        .findings;
    assert!(
        !findings
            .iter()
            .any(|it| says(it, "those to all other servers"))
    );
}

#[test]
fn a_namespace_for_which_a_server_is_slow_is_set_apart() {
    let others = (500..540).map(|n| {
        let mut it = attempt(n, SERVER, Outcome::Answered);
        it.owner.netns = NODE;
        it
    });
    let found = only(elsewhere(30, 0, UDP).with(others));
    let told = "30 of 30 were answered slowly; of those to it from all other namespaces, 0 of 40.";
    assert!(says(&found, told), "{found:#?}");
}
