//! A server that was not there for a while, and is there again.

use std::sync::Arc;

use super::*;
use crate::attempt::Identity;
use crate::host::Clock;

fn identity() -> Option<Arc<Identity>> {
    let path = b"/system.slice/unbound.service";
    Some(Arc::new(Identity::of_cgroup(path)))
}

/// One after the other.
fn at(n: u64, outcome: Outcome) -> Attempt {
    let mut attempt = attempt(n, SERVER, outcome);
    shift(&mut attempt, n / 100 * 10_000 * MS);
    attempt
}

/// What this process answered.
fn answered(numbers: std::ops::Range<u64>, pid: u32) -> impl Iterator<Item = Attempt> {
    numbers.flat_map(move |n| {
        let client = at(n, Outcome::Answered);
        let mut view = at_server(&client, pid, Outcome::Answered, MS / 2);
        view.workload = identity();
        view.owner.comm = crate::attempt::Comm::new(b"unbound");
        [view, client]
    })
}

fn closed(numbers: std::ops::Range<u64>) -> impl Iterator<Item = Attempt> {
    numbers.map(|n| {
        let attempt = refused(at(n, Outcome::Refused), libc::ECONNREFUSED);
        let drop = packet_drop(&attempt, Packet::Query, "NO_SOCKET", "__udp4_lib_rcv");
        Attempt {
            drop: Some(Box::new(drop)),
            ..attempt
        }
    })
}

fn only(story: Story) -> Finding {
    let mut findings = story.explain().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].rule, Rule::NobodyListening);
    findings.remove(0)
}

fn restart(lost: u64) -> Story {
    Story::default()
        .with(answered(0..100, 53))
        .with(closed(100..100 + lost))
        .with(answered(100 + lost..200, 54))
}

#[test]
fn a_restart_is_told_in_the_past_tense_and_one_lost_query_is_a_note() {
    for (lost, severity) in [
        (1, Severity::Info),
        (2, Severity::Info),
        (4, Severity::Warning),
        (40, Severity::Warning),
    ] {
        let finding = only(restart(lost));
        assert_eq!((finding.severity, finding.queries), (severity, lost));
        assert_eq!(
            finding.title,
            "Nobody listened at 10.0.0.10:53 while unbound.service restarted"
        );
        let told = finding.evidence.join("\n") + &finding.cause + &finding.fix.join("\n");
        for sentence in [
            "unbound (pid 53) gave the last answer before",
            "unbound (pid 54) gave the next one",
            "It answers again.",
            "`journalctl -u unbound.service`",
        ] {
            assert!(told.contains(sentence), "{told}");
        }
        assert!(!told.contains("Start the server"), "{told}");
    }
}

#[test]
fn a_server_that_is_gone_is_told_in_the_present_tense() {
    let story = Story::default()
        .with(answered(0..100, 53))
        .with(closed(100..140));
    let finding = only(story);
    assert_eq!(finding.severity, Severity::Critical);
    assert_eq!(finding.title, "Nobody listens at 10.0.0.10:53");
    let told = finding.evidence.join("\n") + &finding.fix.join("\n");
    assert!(told.contains("gave the last answer there"), "{told}");
    assert!(told.contains("Start the server"), "{told}");
}

/// What helps on a node of Kubernetes is said there only.
#[test]
fn kubernetes_is_spoken_of_on_its_nodes_only() {
    let fix = |kubelet| {
        let mut story = Story::default().with(closed(100..140));
        story.host.tools.kubelet = kubelet;
        let finding = only(story);
        finding.cause + &finding.fix.join("\n")
    };
    assert!(fix(true).contains("kubectl"));
    assert!(!fix(false).contains("kube"));
}

#[test]
fn a_server_that_starts_late_and_one_that_ends_again_and_again() {
    let late = Story::default()
        .with(closed(0..5))
        .with(answered(5..100, 54));
    let title = only(late).title;
    assert!(
        title.ends_with("before unbound.service answered there"),
        "{title}"
    );
    let mut crashing = Story::default();
    for round in 0..4 {
        let from = 20 * round;
        crashing = crashing.with(answered(from..from + 10, 53 + round as u32));
        crashing = crashing.with(closed(from + 10..from + 20));
    }
    let finding = only(crashing.with(answered(80..90, 57)));
    assert!(
        finding
            .title
            .contains("each time that unbound.service had ended")
    );
    assert_eq!(finding.severity, Severity::Critical);
    let told = finding.evidence.join("\n");
    assert!(told.contains("5 processes answered there"), "{told}");
}

/// As dnsmasq has them.
#[test]
fn children_that_answer_a_connection_each_are_no_restarts() {
    let children = (0..40).filter(|n| n % 4 == 0).flat_map(|n| {
        answered(n..n + 1, 1_000 + n as u32).map(|mut it| {
            it.transport = Transport::Tcp;
            it
        })
    });
    let story = Story::default()
        .with(answered(0..40, 53))
        .with(children)
        .with(closed(40..45))
        .with(answered(45..100, 54));
    let finding = only(story);
    let title = finding.title;
    assert!(
        title.ends_with("while unbound.service restarted"),
        "{title}"
    );
    let told = finding.evidence.join("\n");
    assert!(!told.contains("processes answered there"), "{told}");
    assert!(
        told.contains("(pid 53) gave the last answer before"),
        "{told}"
    );
}

/// What lay in the socket when the server ended is part of the same.
#[test]
fn a_restart_is_one_finding_with_what_was_left_unread() {
    let unread = attempt(99, SERVER, Outcome::Dropped);
    let unread = dropped(unread, Packet::Query, "QUEUE_PURGE", "udp_destruct_common");
    let view = at_server(&unread, 53, Outcome::Dropped, MS);
    let story = Story::default()
        .with(answered(0..99, 53))
        .with([view, unread])
        .with(closed(100..110))
        .with(answered(110..200, 54));
    let finding = only(story);
    assert_eq!(finding.queries, 11);
    let told = finding.evidence.join("\n");
    assert!(told.contains("10 queries were refused"), "{told}");
    assert!(
        told.contains("1 query lay unread in the server's socket"),
        "{told}"
    );
}

/// On another machine: only the answers say that it is over.
#[test]
fn a_restart_elsewhere_is_over_when_later_queries_are_answered() {
    let refusals =
        || (10..15).map(|n| refused(attempt(n, SERVER, Outcome::Refused), libc::ECONNREFUSED));
    let story = |after: u64| {
        let answers = (20..20 + after).map(|n| attempt(n, SERVER, Outcome::Answered));
        Story::default()
            .with(many(9, SERVER, Outcome::Answered))
            .with(refusals())
            .with(answers)
    };
    let over = only(story(20));
    assert_eq!(over.severity, Severity::Warning);
    assert!(over.title.ends_with("for a while"), "{}", over.title);
    let gone = only(story(0));
    assert_eq!(gone.title, "Nobody listens at 10.0.0.10:53");
}

#[test]
fn when_it_was_is_told_by_the_wall_clock() {
    let clock = Clock::start();
    let told = |lost| {
        let story = restart(lost);
        let mut collector = Collector::default();
        story.attempts.iter().for_each(|it| collector.record(it));
        let mut evidence = story.evidence();
        evidence.clock = Some(clock);
        let findings = explained(&evidence, &collector.snapshot()).findings;
        findings[0].evidence.join("\n")
    };
    let four = told(4);
    assert!(four.contains(" UTC"), "{four}");
    assert!(four.contains("the last 300 ms later"), "{four}");
    let sent = crate::units::time_of_day(clock.wall(at(100, Outcome::Refused).sent_ns));
    let sent = format!("It was sent at {sent}.");
    let one = told(1);
    assert!(one.contains(&sent) && !four.contains(&sent), "{one}");
}

/// The stub of systemd-resolved is the host's own.
#[test]
fn a_loopback_address_of_the_host_is_told_as_such_in_a_container() {
    const STUB: &str = "127.0.0.53:53";
    let refusals = |server: &'static str, netns| {
        (0..20).map(move |n| {
            let attempt = refused(attempt(n, server, Outcome::Refused), libc::ECONNREFUSED);
            let mut drop = packet_drop(&attempt, Packet::Query, "NO_SOCKET", "__udp4_lib_rcv");
            drop.netns = POD;
            let mut attempt = Attempt {
                drop: Some(Box::new(drop)),
                ..attempt
            };
            attempt.owner.netns = netns;
            attempt
        })
    };
    let on_the_host = |server| {
        many(20, server, Outcome::Answered).map(|mut attempt| {
            attempt.owner.netns = NODE;
            attempt
        })
    };
    let said = |mut story: Story, own| {
        story.host.own_netns = Some(own);
        let finding = only(story);
        let told = [&finding.title, &finding.cause]
            .map(String::as_str)
            .join("\n");
        told + "\n" + &finding.evidence.join("\n") + "\n" + &finding.fix.join("\n")
    };
    let stub = said(
        Story::default()
            .with(refusals(STUB, POD))
            .with(on_the_host(STUB)),
        NODE,
    );
    for sentence in [
        "127.0.0.53 is the stub of systemd-resolved",
        "20 queries to 127.0.0.53:53 were answered",
        "/run/systemd/resolve/resolv.conf",
    ] {
        assert!(stub.contains(sentence), "{stub}");
    }
    assert!(
        !stub.contains("kube-dns") && !stub.contains("Start the server"),
        "{stub}"
    );
    let own = said(
        Story::default()
            .with(refusals("127.0.0.1:53", POD))
            .with(on_the_host("127.0.0.1:53")),
        NODE,
    );
    assert!(own.contains("each network namespace has its own"), "{own}");
    // On the host itself, and where it is answered nowhere.
    let host = said(Story::default().with(refusals(STUB, POD)), POD);
    assert!(host.contains("Start the server"), "{host}");
    let nowhere = said(Story::default().with(refusals("127.0.0.1:53", POD)), NODE);
    assert!(nowhere.contains("Start the server"), "{nowhere}");
}
