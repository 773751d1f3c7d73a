//! The rules at their thresholds, and what a finding blames.

mod own;

use domain::base::iana::OptRcode;

use super::*;
use crate::attempt::Outcome;
use crate::attempt::Role;
use crate::collect::Accounting;
use crate::sample::Fed;
use crate::sample::MS;
use crate::sample::attempt;

const CURL: (&str, u32) = ("curl", 4242);
const NGINX: (&str, u32) = ("nginx", 812);
const A: &str = "10.0.0.10:53";
const B: &str = "10.0.0.11:53";

/// So many attempts of one process at one server, each ended so after so long.
fn fed(groups: &[(u64, Outcome, u64)]) -> Fed {
    let mut fed = Fed::default();
    for &(times, outcome, ns) in groups {
        fed.feed(times, &attempt(CURL, A, outcome, ns));
    }
    fed
}

fn findings(fed: &Fed) -> Vec<Finding> {
    // The base rules alone: the causes have tests of their own.
    diagnose(&fed.collector.snapshot(), &Evidence::default()).findings
}

/// Rule and severity of each finding.
fn said(groups: &[(u64, Outcome, u64)]) -> Vec<(&'static str, Severity)> {
    findings(&fed(groups))
        .iter()
        .map(|finding| (finding.rule.name(), finding.severity))
        .collect()
}

const ANSWERED: Outcome = Outcome::Answered;
const UNANSWERED: Outcome = Outcome::Unanswered;

#[test]
fn p99_must_exceed_the_threshold() {
    let warning = vec![("dns_high_latency", Severity::Warning)];
    let critical = vec![("dns_high_latency", Severity::Critical)];
    for (ns, expected) in [
        (100 * MS, vec![]),
        (100 * MS + 1, warning.clone()),
        (500 * MS, warning),
        (500 * MS + 1, critical),
    ] {
        assert_eq!(said(&[(100, ANSWERED, ns)]), expected, "{ns}");
    }
}

#[test]
fn one_in_a_hundred_may_be_slow() {
    assert_eq!(said(&[(990, ANSWERED, MS), (10, ANSWERED, 900 * MS)]), []);
    assert_eq!(
        said(&[(989, ANSWERED, MS), (11, ANSWERED, 900 * MS)]),
        [("dns_high_latency", Severity::Critical)]
    );
}

#[test]
fn the_failure_rate_must_exceed_the_threshold() {
    let rate = |failed, all: u64| said(&[(all - failed, ANSWERED, MS), (failed, UNANSWERED, MS)]);
    assert_eq!(rate(10, 1_000), []);
    assert_eq!(rate(11, 1_000), [("dns_failure_rate", Severity::Warning)]);
    assert_eq!(rate(50, 1_000), [("dns_failure_rate", Severity::Warning)]);
    assert_eq!(rate(51, 1_000), [("dns_failure_rate", Severity::Critical)]);
}

#[test]
fn two_failures_are_no_finding() {
    assert_eq!(said(&[(2, UNANSWERED, MS)]), []);
    assert_eq!(
        said(&[(3, UNANSWERED, MS)]),
        [("dns_failure_rate", Severity::Warning)]
    );
}

#[test]
fn a_small_sample_is_capped_and_says_so() {
    for (all, severity) in [(19, Severity::Warning), (20, Severity::Critical)] {
        for groups in [
            [(all - 3, ANSWERED, MS), (3, UNANSWERED, MS)],
            [(all, ANSWERED, 900 * MS), (0, ANSWERED, MS)],
        ] {
            let findings = findings(&fed(&groups));
            assert_eq!(findings.len(), 1);
            assert_eq!(findings[0].severity, severity, "{groups:?}");
            let says = findings[0]
                .evidence
                .iter()
                .any(|line| line.contains("sample is small"));
            assert_eq!(says, all < 20, "{groups:?}");
        }
    }
}

#[test]
fn every_failing_outcome_counts_and_no_other() {
    use Outcome::*;
    for outcome in [Unanswered, Late, Refused, Dropped] {
        let said = said(&[(90, ANSWERED, MS), (10, outcome, MS)]);
        assert_eq!(
            said,
            [("dns_failure_rate", Severity::Critical)],
            "{outcome:?}"
        );
    }
    assert_eq!(said(&[(90, ANSWERED, MS), (10, Superseded, MS)]), []);
}

#[test]
fn nxdomain_is_an_answer() {
    let mut fed = Fed::default();
    let mut answered = attempt(CURL, A, ANSWERED, MS);
    answered.answer.as_mut().expect("an answer").rcode = OptRcode::NXDOMAIN;
    fed.feed(100, &answered);
    assert_eq!(findings(&fed), []);
}

#[test]
fn the_server_role_trips_no_rule() {
    let mut fed = Fed::default();
    for outcome in [ANSWERED, UNANSWERED] {
        let mut served = attempt(CURL, A, outcome, 900 * MS);
        served.role = Role::Server;
        fed.feed(100, &served);
    }
    assert_eq!(findings(&fed), []);
    assert_eq!(
        Verdict::of(&fed.collector.snapshot(), &[]),
        Verdict::Healthy
    );
}

#[test]
fn the_figures_are_exact() {
    let found = findings(&fed(&[
        (900, ANSWERED, 250 * MS),
        (100, Outcome::Refused, MS),
    ]));
    assert_eq!(found[0].rule.name(), "dns_failure_rate");
    assert_eq!(
        (found[0].value, found[0].threshold, found[0].unit),
        (10.0, 5.0, Unit::Percent)
    );
    assert_eq!(found[0].queries, 100);
    assert_eq!(
        (found[1].value, found[1].threshold, found[1].unit),
        (250.0, 100.0, Unit::Ms)
    );
    assert_eq!(found[1].queries, 900);
}

#[test]
fn the_worst_comes_first() {
    let rules = |groups: &[_]| {
        said(groups)
            .iter()
            .map(|(rule, _)| *rule)
            .collect::<Vec<_>>()
    };
    // Both critical: by the queries that they explain.
    let slow = rules(&[(80, ANSWERED, 900 * MS), (20, UNANSWERED, MS)]);
    assert_eq!(slow, ["dns_high_latency", "dns_failure_rate"]);
    // A critical one before a warning that explains more.
    let failing = rules(&[(80, ANSWERED, 200 * MS), (20, UNANSWERED, MS)]);
    assert_eq!(failing, ["dns_failure_rate", "dns_high_latency"]);
}

#[test]
fn one_bad_server_is_named() {
    let mut fed = Fed::default();
    fed.feed(500, &attempt(CURL, A, ANSWERED, MS));
    fed.feed(500, &attempt(NGINX, A, ANSWERED, MS));
    fed.feed(60, &attempt(CURL, B, UNANSWERED, MS));
    fed.feed(60, &attempt(NGINX, B, UNANSWERED, MS));
    let finding = &findings(&fed)[0];
    assert_eq!(
        finding.title,
        "11 % of DNS queries fail, nearly all at 10.0.0.11:53"
    );
    assert_eq!(
        finding.scope.server.map(|server| server.ip.to_string()),
        Some("10.0.0.11".into())
    );
    assert_eq!(finding.scope.pid, None, "both processes are hit alike");
    assert!(
        finding
            .cause
            .contains("The other servers have few failures"),
        "{}",
        finding.cause
    );
    assert!(
        finding
            .fix
            .iter()
            .any(|step| step.contains("dig @10.0.0.11 ")),
        "{:?}",
        finding.fix
    );
}

#[test]
fn slow_servers_are_compared_with_the_others() {
    let cause = |of_b| {
        let mut fed = Fed::default();
        for process in [CURL, NGINX] {
            fed.feed(500, &attempt(process, A, ANSWERED, 700 * MS));
            fed.feed(500, &attempt(process, B, ANSWERED, of_b));
        }
        findings(&fed)[0].cause.clone()
    };
    let (one, both) = (cause(MS), cause(700 * MS));
    let (that_one, several) = (
        "Other servers answer faster, so it is that one.",
        "Several servers are slow, so look also at what they share",
    );
    assert!(one.contains(that_one) && !one.contains(several), "{one}");
    assert!(both.contains(several) && !both.contains(that_one), "{both}");
}

#[test]
fn late_answers_and_those_to_a_second_message_are_told() {
    let told = |late, number| {
        let mut fed = fed(&[(20, UNANSWERED, MS), (late, Outcome::Late, 6_000 * MS)]);
        let mut answered = attempt(CURL, A, ANSWERED, 2 * MS);
        answered.number = number;
        answered.first_ns -= 5_000 * MS;
        fed.feed(10, &answered);
        let found = findings(&fed).remove(0);
        found.cause + &found.evidence.join("\n")
    };
    let (both, neither) = (told(5, 2), told(0, 1));
    for sentence in [
        "Some answers came late, which points to an overloaded server.",
        "10 queries were answered only when the program asked again; it had waited up to 5.0 s by then.",
    ] {
        assert!(both.contains(sentence), "{both}");
        assert!(!neither.contains(sentence), "{neither}");
    }
}

#[test]
fn one_hurt_process_is_named() {
    let mut fed = Fed::default();
    fed.feed(500, &attempt(NGINX, A, ANSWERED, MS));
    fed.feed(500, &attempt(NGINX, B, ANSWERED, MS));
    fed.feed(30, &attempt(CURL, A, UNANSWERED, MS));
    fed.feed(30, &attempt(CURL, B, UNANSWERED, MS));
    let finding = &findings(&fed)[0];
    assert_eq!(
        finding.title,
        "5.7 % of DNS queries fail, at 2 of 2 servers, nearly all for curl (pid 4242)"
    );
    assert_eq!(
        (finding.scope.pid, finding.scope.server),
        (Some(4242), None)
    );
    assert!(
        finding
            .fix
            .iter()
            .any(|step| step.contains("--failed --pid 4242"))
    );
}

#[test]
fn having_most_of_the_traffic_is_not_standing_out() {
    let mut fed = Fed::default();
    for (server, times) in [(A, 9), (B, 1)] {
        fed.feed(90 * times, &attempt(CURL, server, ANSWERED, MS));
        fed.feed(10 * times, &attempt(CURL, server, UNANSWERED, MS));
    }
    let finding = &findings(&fed)[0];
    assert_eq!(finding.scope.server, None);
    assert!(
        finding.cause.contains("Several servers"),
        "{}",
        finding.cause
    );
}

#[test]
fn the_shape_of_the_latencies_is_told() {
    let cause = |groups: &[_]| findings(&fed(groups))[0].cause.clone();
    let resends = cause(&[(900, ANSWERED, MS), (100, ANSWERED, 5_003 * MS)]);
    assert!(resends.contains("took about 5.0 s"), "{resends}");
    let all = cause(&[(300, ANSWERED, 300 * MS), (300, ANSWERED, 700 * MS)]);
    assert!(all.contains("Half of all answers"), "{all}");
    let musl = findings(&fed(&[(900, ANSWERED, MS), (100, ANSWERED, 2_503 * MS)]));
    let told = "100 answers took about 2.5 s or a little longer, the time after which musl sends a query again.";
    assert!(musl[0].evidence.iter().any(|it| it == told), "{musl:?}");
    let tail = cause(&[(900, ANSWERED, MS), (100, ANSWERED, 700 * MS)]);
    assert!(tail.contains("Most answers are fast"), "{tail}");
}

/// What is said about the server on this host, seen from both sides.
fn own_server_cause(client_ns: u64, server_ns: u64, served: u64) -> String {
    let mut fed = Fed::default();
    fed.feed(100, &attempt(CURL, "127.0.0.53:53", ANSWERED, client_ns));
    let mut seen = attempt(CURL, "127.0.0.53:53", ANSWERED, server_ns);
    seen.role = Role::Server;
    fed.feed(served, &seen);
    findings(&fed)[0].cause.clone()
}

#[test]
fn the_servers_own_view_tells_where_the_time_is_lost() {
    let itself = own_server_cause(900 * MS, 880 * MS, 100);
    assert!(itself.contains("takes that long itself"), "{itself}");
    let on_the_way = own_server_cause(900 * MS, MS, 100);
    assert!(on_the_way.contains("lost on the way"), "{on_the_way}");
    let another_one = own_server_cause(900 * MS, MS, 30);
    assert!(!another_one.contains("lost on the way"), "{another_one}");
    // Not a clock to be trusted, but no reason to panic.
    let absurd_ns = u64::MAX - 2_000_000_000_000;
    own_server_cause(absurd_ns, absurd_ns, 100);
}

#[test]
fn the_source_of_the_load_is_named_if_there_is_a_choice() {
    let told = |others| {
        let mut fed = fed(&[(100, ANSWERED, 900 * MS)]);
        fed.feed(others, &attempt(NGINX, A, ANSWERED, 900 * MS));
        let load = "curl (pid 4242) sends most of the load";
        findings(&fed)[0]
            .evidence
            .iter()
            .any(|line| line.starts_with(load))
    };
    assert!(!told(0), "nobody to compare with");
    assert!(told(99));
    assert!(!told(100), "half is not most");
}

#[test]
fn the_main_way_of_failing_is_the_cause() {
    for (outcome, words) in [
        (UNANSWERED, "no answer comes back"),
        (Outcome::Late, "after its clients have given up"),
        (Outcome::Refused, "The other end refuses"),
        (Outcome::Dropped, "own kernel discards"),
    ] {
        let cause = findings(&fed(&[(10, ANSWERED, MS), (20, outcome, MS)]))[0]
            .cause
            .clone();
        assert!(cause.contains(words), "{outcome:?}: {cause}");
    }
    let mixed = findings(&fed(&[
        (9, UNANSWERED, MS),
        (8, Outcome::Refused, MS),
        (8, Outcome::Dropped, MS),
    ]));
    assert!(
        mixed[0].cause.contains("fail in more than one way"),
        "{}",
        mixed[0].cause
    );
}

#[test]
fn error_answers_are_evidence_when_notable() {
    let told = |servfails: u64| {
        let mut fed = fed(&[(300 - servfails, ANSWERED, MS), (30, UNANSWERED, MS)]);
        let mut answered = attempt(CURL, A, ANSWERED, MS);
        answered.answer.as_mut().expect("an answer").rcode = OptRcode::SERVFAIL;
        fed.feed(servfails, &answered);
        findings(&fed)[0]
            .evidence
            .iter()
            .any(|line| line.contains("SERVFAIL"))
    };
    assert!(!told(3), "1 % is not more than 1 %");
    assert!(told(4));
}

#[test]
fn the_verdict_is_the_worst_severity() {
    let verdict = |groups: &[_]| {
        let snapshot = fed(groups).collector.snapshot();
        Verdict::of(
            &snapshot,
            &diagnose(&snapshot, &Evidence::default()).findings,
        )
    };
    for (groups, expected, code) in [
        (vec![], Verdict::NoTraffic, 0),
        (vec![(100, ANSWERED, MS)], Verdict::Healthy, 0),
        // Too few to be a finding, and nothing that anybody would call healthy.
        (vec![(1, UNANSWERED, MS)], Verdict::Unknown, 1),
        (
            vec![(2, ANSWERED, MS), (2, UNANSWERED, MS)],
            Verdict::Unknown,
            1,
        ),
        (
            vec![(2, ANSWERED, MS), (1, UNANSWERED, MS)],
            Verdict::Healthy,
            0,
        ),
        (vec![(100, ANSWERED, 200 * MS)], Verdict::Warning, 1),
        (
            vec![(80, ANSWERED, 200 * MS), (20, UNANSWERED, MS)],
            Verdict::Critical,
            2,
        ),
    ] {
        let verdict = verdict(&groups);
        assert_eq!(verdict, expected);
        assert_eq!(verdict.exit_code(), code);
    }
}

#[test]
fn what_went_on_unseen_takes_back_a_good_word_only() {
    let blind = Accounting {
        lost: 50,
        queries_seen: 100,
        ..Accounting::default()
    };
    for (verdict, given) in [
        (Verdict::Healthy, Verdict::Unknown),
        (Verdict::NoTraffic, Verdict::Unknown),
        (Verdict::Warning, Verdict::Warning),
        (Verdict::Critical, Verdict::Critical),
    ] {
        assert_eq!(verdict.given(&blind), given);
        assert_eq!(verdict.given(&Accounting::default()), verdict);
    }
    assert_eq!(Verdict::Unknown.exit_code(), 1);
}

mod lookups;
