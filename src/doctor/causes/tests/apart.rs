//! Servers elsewhere that answer some namespaces, or at some times.

use super::contrasts::silent;
use super::contrasts::with_edns;
use super::*;
use crate::attempt::Identity;
use crate::host::Clock;

const POD_B: u32 = 4_026_532_101;
const POD_C: u32 = 4_026_532_102;

/// So many of a network namespace, of which so many go unanswered.
fn of(netns: u32, silents: u64, answered: u64) -> impl Iterator<Item = Attempt> {
    let first = u64::from(netns % 50) * 100;
    (first..first + silents + answered).map(move |n| {
        let mut it = attempt(n, SERVER, Outcome::Answered);
        it.owner.netns = netns;
        it.owner.pid = Some(netns % 1_000);
        match n < first + silents {
            true => silent(it),
            false => it,
        }
    })
}

/// One of three is not answered.
pub(super) fn cut_off() -> Story {
    Story::default()
        .with(of(POD, 20, 0))
        .with(of(POD_B, 0, 40))
        .with(of(POD_C, 0, 20))
}

/// One of two control groups of a namespace.
pub(super) fn group_cut_off() -> Story {
    let group = |path: &str, id: u64| {
        let identity = std::sync::Arc::new(Identity::of_cgroup(path.as_bytes()));
        move |mut it: Attempt| {
            it.owner.cgroup_id = id;
            it.workload = Some(identity.clone());
            it
        }
    };
    Story::default()
        .with(of(POD, 20, 0).map(group("/system.slice/vpn.service", 7)))
        .with(of(POD, 0, 40).map(group("/system.slice/web.service", 8)))
}

fn first(story: Story) -> Finding {
    story.explain().findings.remove(0)
}

fn has(finding: &Finding, line: &str) -> bool {
    finding.evidence.iter().any(|it| it == line)
}

#[test]
fn a_namespace_that_alone_gets_no_answer_is_told() {
    let found = first(cut_off());
    assert_eq!((found.rule, found.queries), (Rule::ClientCutOff, 20));
    let line =
        "Of queries from this network namespace, 20 of 20 went unanswered; of all others, 0 of 60.";
    assert!(has(&found, line), "{:?}", found.evidence);
    assert!(
        found.cause.contains("2 other namespaces of it got answers"),
        "{}",
        found.cause
    );
    assert_eq!(found.scope.netns, Some(POD));
}

/// Each of them is told by itself, with what is its own.
/// As pods of one namespace of a cluster ask for its services.
#[test]
fn who_asks_for_names_of_its_own_is_told_by_who_it_is() {
    let own = of(POD, 20, 0).map(|it| Attempt {
        question: question(&format!("n{}.shop.svc.example.com", it.cookie), TYPE_A),
        ..it
    });
    let others = of(POD_B, 0, 40).chain(of(POD_C, 0, 20));
    let story = Story::default().with(own).with(others);
    assert_eq!(story.said(), [("dns_client_cut_off", 20)]);
}

#[test]
fn two_namespaces_without_answers_are_two_findings() {
    let story = Story::default()
        .with(of(POD, 20, 0))
        .with(of(POD_B, 12, 0))
        .with(of(POD_C, 0, 60));
    let findings = story.explain().findings;
    let told: Vec<_> = findings
        .iter()
        .map(|it| (it.rule, it.queries, it.scope.netns))
        .collect();
    assert_eq!(
        told,
        [
            (Rule::ClientCutOff, 20, Some(POD)),
            (Rule::ClientCutOff, 12, Some(POD_B))
        ]
    );
    let line = "Of queries from 2 network namespaces, this one among them, 32 of 32 went unanswered; of all \
                others, 0 of 60.";
    assert!(has(&findings[1], line), "{:?}", findings[1].evidence);
    assert!(has(&findings[1], "Of those of this one, 12 of 12."));
}

/// What they ask for tells them apart as well, and says more.
#[test]
fn namespaces_that_ask_otherwise_are_told_by_that() {
    let story = Story::default()
        .with(of(POD, 20, 0).map(with_edns))
        .with(of(POD_B, 0, 60));
    let found = first(story);
    assert_eq!((found.rule, found.queries), (Rule::EdnsDropped, 20));
    let line =
        "Of queries with EDNS (an OPT record), 20 of 20 went unanswered; of all others, 0 of 60.";
    assert!(has(&found, line), "{:?}", found.evidence);
    // As it is where all of them have it.
    let all = Story::default()
        .with(of(POD, 20, 0).map(with_edns))
        .with(of(POD_B, 0, 60).map(with_edns));
    assert_eq!(first(all).rule, Rule::ClientCutOff);
}

#[test]
fn an_address_of_this_host_or_a_few_losses_cut_nobody_off() {
    // Each namespace may have a server of its own at that address.
    let mut story = cut_off();
    let view = at_server(
        &attempt(4_000, SERVER, Outcome::Answered),
        servers::RESOLVER,
        Outcome::Answered,
        MS,
    );
    story.attempts.push(view);
    assert_eq!(first(story).rule, Rule::Unknown);
    let mut story = cut_off();
    for it in &mut story.attempts {
        it.peer = address("127.0.0.53:53");
    }
    assert_eq!(first(story).rule, Rule::Unknown);
    // Half of it is answered.
    let half = Story::default()
        .with(of(POD, 20, 20))
        .with(of(POD_B, 0, 60));
    assert_ne!(first(half).rule, Rule::ClientCutOff);
    // The others fare no better.
    let all = Story::default()
        .with(of(POD, 20, 0))
        .with(of(POD_B, 30, 30));
    assert_ne!(first(all).rule, Rule::ClientCutOff);
    let few = Story::default().with(of(POD, 3, 0)).with(of(POD_B, 0, 5));
    assert_eq!(first(few).rule, Rule::Unknown);
}

#[test]
fn a_control_group_that_alone_gets_no_answer_is_told() {
    let found = first(group_cut_off());
    assert_eq!((found.rule, found.queries), (Rule::ClientCutOff, 20));
    let line = "Of queries of vpn.service, 20 of 20 went unanswered; of all others, 0 of 40.";
    assert!(has(&found, line), "{:?}", found.evidence);
    assert!(found.title.contains("vpn.service"), "{}", found.title);
}

/// One query in a tenth of a second; those numbered so go unanswered.
pub(super) fn silent_while(all: u64, is_silent: impl Fn(u64) -> bool + 'static) -> Story {
    let attempts = (0..all).map(move |n| {
        let mut it = attempt(n, SERVER, Outcome::Answered);
        shift(&mut it, n / 100 * 10_000 * MS);
        match is_silent(n) {
            true => silent(it),
            false => it,
        }
    });
    Story::default().with(attempts)
}

/// What is said of it, by a clock that says when the n-th was sent.
fn told(story: Story) -> Finding {
    told_at(story, &Clock::start())
}

fn sent(n: u64, clock: &Clock) -> String {
    let sent_ns = silent_while(n + 1, |_| false).attempts[n as usize].sent_ns;
    crate::units::time_of_day(clock.wall(sent_ns))
}

fn told_at(story: Story, clock: &Clock) -> Finding {
    let mut collector = Collector::default();
    for attempt in &story.attempts {
        collector.record(attempt);
    }
    let mut evidence = story.evidence();
    evidence.clock = Some(*clock);
    explained(&evidence, &collector.snapshot())
        .findings
        .remove(0)
}

#[test]
fn a_server_that_was_silent_for_a_time_is_told_in_the_past_tense() {
    let clock = Clock::start();
    let found = told_at(silent_while(300, |n| (100..200).contains(&n)), &clock);
    assert_eq!((found.rule, found.queries), (Rule::ServerAway, 100));
    assert_eq!(found.severity, Severity::Warning);
    assert_eq!(
        found.title,
        format!("{SERVER} did not answer for 9.9 s, and does again")
    );
    let line = format!(
        "Of queries sent from {} to {}, 100 of 100 went unanswered; of all others, 0 of 200.",
        sent(100, &clock),
        sent(199, &clock)
    );
    assert!(has(&found, &line), "{:?}", found.evidence);
    // It need not begin and end with a second.
    let amid = told(silent_while(300, |n| (103..126).contains(&n)));
    assert_eq!((amid.rule, amid.queries), (Rule::ServerAway, 23));
    assert!(
        amid.evidence[0].ends_with(", 23 of 23 went unanswered; of all others, 0 of 277."),
        "{:?}",
        amid.evidence
    );
    // A few seconds of many minutes are a note.
    let short = told(silent_while(1_200, |n| (100..112).contains(&n)));
    assert_eq!(
        (short.rule, short.severity),
        (Rule::ServerAway, Severity::Info)
    );
}

#[test]
fn a_server_that_is_silent_now_is_told_since_when() {
    let clock = Clock::start();
    let found = told_at(silent_while(300, |n| n >= 200), &clock);
    let since = sent(200, &clock);
    assert_eq!(
        (found.rule, found.severity),
        (Rule::ServerAway, Severity::Critical)
    );
    assert_eq!(
        found.title,
        format!("{SERVER} has not answered since {since}")
    );
    let line = format!(
        "Of queries sent since {since}, 100 of 100 went unanswered; of all others, 0 of 200."
    );
    assert!(has(&found, &line), "{:?}", found.evidence);
    let until = told_at(silent_while(300, |n| n < 100), &clock);
    let last = sent(99, &clock);
    assert_eq!(
        until.title,
        format!("{SERVER} did not answer until {last}, and has since")
    );
}

/// Nearly all that was asked meanwhile was of one zone, and had EDNS.
#[test]
fn what_was_asked_while_a_server_was_silent_is_not_to_blame() {
    let mut story = silent_while(300, |n| (100..200).contains(&n));
    for it in &mut story.attempts[100..195] {
        it.question = question(&format!("n{}.corp.internal", it.cookie), TYPE_A);
        *it = contrasts::with_edns(it.clone());
    }
    assert_eq!(story.said(), [("dns_server_away", 100)]);
}

#[test]
fn what_is_lost_now_and_then_or_is_one_question_is_no_time() {
    let now_and_then = silent_while(300, |n| n % 7 == 0);
    assert_eq!(told(now_and_then).rule, Rule::Unknown);
    let half = silent_while(300, |n| (100..200).contains(&n) && n % 2 == 0);
    assert_eq!(told(half).rule, Rule::Unknown);
    // The same name again and again, asked at one time alone.
    let mut one = silent_while(300, |n| (100..200).contains(&n));
    for it in &mut one.attempts {
        if it.outcome == Outcome::Unanswered {
            it.question = question("gone.example.com", TYPE_A);
        }
    }
    assert_eq!(told(one).rule, Rule::Unknown);
    // One source port.
    let mut port = silent_while(300, |n| (100..200).contains(&n));
    for it in &mut port.attempts {
        if it.outcome == Outcome::Unanswered {
            it.local.set_port(4_000);
        }
    }
    assert_eq!(told(port).rule, Rule::Unknown);
}

/// Why a server of this host was silent is better known.
#[test]
fn a_server_of_this_host_is_not_told_by_the_time() {
    let mut story = silent_while(300, |n| (100..200).contains(&n));
    let queries = std::mem::take(&mut story.attempts);
    for query in queries {
        let view = at_server(&query, servers::RESOLVER, query.outcome, MS / 10);
        story.attempts.extend([view, query]);
    }
    assert_ne!(told(story).rule, Rule::ServerAway);
}

/// Over IPv6, by many programs, whatever they ask for.
#[test]
fn the_time_is_told_whoever_asks_and_what() {
    const V6: &str = "[2001:db8::53]:53";
    let mut story = silent_while(300, |n| (100..200).contains(&n));
    for (n, it) in (0..).zip(&mut story.attempts) {
        it.peer = address(V6);
        it.owner.pid = Some(1_000 + n % 7);
        let rtype = [TYPE_A, TYPE_AAAA, 65][n as usize % 3];
        it.question = question(&format!("N{n}.Example.COM"), rtype);
    }
    let found = told(story);
    assert_eq!((found.rule, found.queries), (Rule::ServerAway, 100));
    assert_eq!(
        found.title,
        format!("{V6} did not answer for 9.9 s, and does again")
    );
    // Over TCP alone nothing is said of a time.
    let mut story = silent_while(300, |n| (100..200).contains(&n));
    for it in &mut story.attempts {
        it.transport = Transport::Tcp;
    }
    assert_ne!(told(story).rule, Rule::ServerAway);
}

/// The kernel gives a new network namespace the number of one that is gone.
#[test]
fn a_server_is_not_dead_because_an_earlier_namespace_of_that_number_had_answers() {
    let after = |from: Option<&str>, first: u64| {
        let answered = (first..first + 20).map(|n| {
            let mut it = attempt(n, OTHER, Outcome::Answered);
            if let Some(from) = from {
                it.local.set_ip(from.parse().expect("an address"));
            }
            it
        });
        let story = Story::default().with(many(8, SERVER, Outcome::Unanswered));
        story.with(answered).said()
    };
    assert_eq!(after(Some("10.9.9.9"), 50), [("dns_unknown", 8)]);
    // One with two addresses; its list may have changed.
    assert_eq!(after(None, 50), [("dns_dead_server", 8)]);
    assert_eq!(after(Some("10.9.9.9"), 5), [("dns_dead_server", 8)]);
}
