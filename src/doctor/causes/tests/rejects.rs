//! A rule that rejects is one cause, whatever it answers and whoever is told.

use super::*;
use crate::attempt::FailedCall;
use crate::sampler::Unreachable;

const V6: &str = "[2001:db8::53]:53";
const FILTERED: &str = "NETFILTER_DROP";

/// Every kind of error that a REJECT rule can send, as a socket is told of it.
const ERRORS: [(&str, i32); 7] = [
    (SERVER, libc::ECONNREFUSED),
    (SERVER, libc::EHOSTUNREACH),
    (SERVER, libc::ENETUNREACH),
    (SERVER, libc::ENOPROTOOPT),
    (V6, libc::EACCES),
    (V6, libc::ENETUNREACH),
    (V6, libc::EHOSTUNREACH),
];

fn filtered(attempt: Attempt, when_sent: bool) -> Attempt {
    let mut attempt = dropped(attempt, Packet::Query, FILTERED, "nft_do_chain");
    let drop = attempt.drop.as_mut().expect("a drop");
    drop.when_sent = when_sent;
    attempt
}

/// So many, told with an error.
fn told(n: u64, server: &'static str, errno: i32, when_sent: bool) -> Vec<Attempt> {
    let told = |n| {
        let drop = filtered(attempt(n, server, Outcome::Dropped), when_sent).drop;
        Attempt {
            drop,
            ..refused(attempt(n, server, Outcome::Refused), errno)
        }
    };
    (0..n).map(told).collect()
}

fn silent(n: u64, server: &'static str, when_sent: bool) -> impl Iterator<Item = Attempt> {
    more(n, server, Outcome::Dropped).map(move |attempt| filtered(attempt, when_sent))
}

#[test]
fn one_rule_is_one_cause_whatever_it_answers() {
    for (server, errno) in ERRORS {
        for when_sent in [false, true] {
            let story = Story::default()
                .with(told(4, server, errno, when_sent))
                .with(silent(30, server, when_sent));
            let explanation = story.explain();
            let found: Vec<_> = explanation
                .findings
                .iter()
                .map(|it| (it.rule, it.queries))
                .collect();
            assert_eq!(found, [(Rule::NobodyListening, 34)], "{server} {errno}");
            let finding = &explanation.findings[0];
            assert!(finding.title.contains("rejects"), "{}", finding.title);
            let chain = match when_sent {
                true => "chain OUTPUT",
                false => "chain INPUT or FORWARD",
            };
            assert!(finding.cause.contains(chain), "{}", finding.cause);
            let evidence = finding.evidence.join("\n");
            for sentence in [
                "34 packets were discarded",
                "4 queries were refused with",
                "30 queries were discarded in the same way and not told",
            ] {
                assert!(evidence.contains(sentence), "{evidence}");
            }
            assert!(!evidence.contains("route to"), "{evidence}");
        }
    }
}

/// glibc sends A and AAAA from one socket: the error of the first comes back from the
/// second send, which makes no packet.
#[test]
fn the_error_of_the_query_before_is_no_cause_of_its_own() {
    let pending = |errno, cookie| Attempt {
        id: None,
        failed_call: Some(FailedCall::Send),
        cookie,
        ..refused(attempt(50, SERVER, Outcome::Refused), errno)
    };
    let first = told(3, SERVER, libc::EHOSTUNREACH, false);
    let cookie = first[0].cookie;
    let counted = |attempt| {
        let explanation = Story::default()
            .with(first.clone())
            .with([attempt])
            .explain();
        Vec::from_iter(explanation.failures_by_cause)
    };
    let same = counted(pending(libc::EHOSTUNREACH, cookie));
    assert_eq!(same, [(Rule::NobodyListening, 4)]);
    // Another error, another socket, and one that is not known.
    for other in [
        pending(libc::EPERM, cookie),
        pending(libc::EHOSTUNREACH, cookie + 9),
        pending(libc::EHOSTUNREACH, 0),
    ] {
        let expected = [(Rule::SendDenied, 1), (Rule::NobodyListening, 3)];
        assert_eq!(counted(other), expected);
    }
}

/// Sockets that are not connected are told of nothing; the kernel counts what it sends.
#[test]
fn errors_that_nobody_was_told_of_are_counted() {
    let said = |came, sent, when_sent| {
        let mut story = Story::default().with(silent(12, SERVER, when_sent));
        let counts = |sent, received| Unreachable { sent, received };
        story.host.unreachable.insert(POD, counts(0, came));
        story.host.unreachable.insert(NODE, counts(sent, 0));
        story.said()
    };
    let (rejected, discarded) = ([("dns_nobody_listening", 12)], [("dns_policy_drop", 12)]);
    assert_eq!(said(3, 3, false), rejected);
    // None was sent, or none of them came.
    assert_eq!(said(3, 0, false), discarded);
    assert_eq!(said(0, 3, false), discarded);
    // Those to one's own address are not held back: each has one.
    assert_eq!(said(3, 3, true), discarded);
    assert_eq!(said(12, 12, true), rejected);
}

/// What came was all told to sockets: the silent ones met another rule.
#[test]
fn errors_that_others_were_told_of_prove_nothing() {
    let mut story = Story::default()
        .with(told(3, SERVER, libc::ECONNREFUSED, false))
        .with(silent(12, OTHER, false));
    let counts = |sent, received| Unreachable { sent, received };
    story.host.unreachable.insert(POD, counts(0, 3));
    story.host.unreachable.insert(NODE, counts(3, 0));
    let expected = [("dns_policy_drop", 12), ("dns_nobody_listening", 3)];
    assert_eq!(story.said(), expected);
}

/// The firewall is on another machine: this host discards nothing.
#[test]
fn an_error_from_elsewhere_is_told_as_what_it_can_be() {
    let finding = |errno| {
        let story = Story::default()
            .with((0..5).map(|n| refused(attempt(n, SERVER, Outcome::Refused), errno)));
        let mut findings = story.explain().findings;
        assert_eq!(findings.len(), 1);
        findings.remove(0)
    };
    let rejected = finding(libc::EACCES);
    assert_eq!(rejected.rule, Rule::NobodyListening);
    assert!(rejected.title.contains("on the way rejects"));
    for errno in [libc::EHOSTUNREACH, libc::ENETUNREACH] {
        let unreachable = finding(errno);
        assert_eq!(unreachable.rule, Rule::NoRoute);
        assert!(
            unreachable
                .title
                .starts_with("A machine on the way says that the DNS server")
        );
        assert!(unreachable.impact.contains("told at once"));
        assert!(unreachable.evidence[0].starts_with("5 queries were refused with E"));
    }
}

/// glibc asks for such errors (IP_RECVERR): the way ends as it does for others.
#[test]
fn a_dead_neighbour_is_one_though_the_socket_is_told() {
    let story = Story::default().with((0..5).map(|n| {
        let lost = attempt(n, SERVER, Outcome::Dropped);
        let drop = dropped(lost, Packet::Query, "NEIGH_FAILED", "neigh_invalidate").drop;
        Attempt {
            drop,
            ..refused(attempt(n, SERVER, Outcome::Refused), libc::EHOSTUNREACH)
        }
    }));
    let finding = story.explain().findings.remove(0);
    assert_eq!((finding.rule, finding.queries), (Rule::NoRoute, 5));
    assert!(finding.title.contains("No ARP or ND reply"));
    let evidence = finding.evidence.join("\n");
    assert!(evidence.contains("5 packets were discarded: NEIGH_FAILED"));
    assert!(!evidence.contains("is not told"), "{evidence}");
}
