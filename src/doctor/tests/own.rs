//! Who is judged by its own attempts beside a busy neighbour.

use super::*;
use crate::attempt::Attempt;
use crate::sample;
use crate::sampler::HostSample;

const POOR: (&str, u32) = ("poor", 77);
const BUSY: (&str, u32) = ("busy", 78);
const LATE_NS: u64 = 2_000 * MS;

/// A neighbour whose DNS is fine, and these.
fn beside(busy: u64, others: &[(u64, Attempt)]) -> Fed {
    let mut fed = Fed::default();
    fed.feed(busy, &attempt(BUSY, A, ANSWERED, MS));
    for (times, attempt) in others {
        fed.feed(*times, attempt);
    }
    fed
}

fn lost(who: (&str, u32)) -> Attempt {
    attempt(who, B, UNANSWERED, 5_000 * MS)
}

fn answered(who: (&str, u32)) -> Attempt {
    attempt(who, A, ANSWERED, MS)
}

fn of_pod(name: &str, attempt: Attempt) -> Attempt {
    Attempt {
        workload: Some(sample::pod("shop", name, "app")),
        ..attempt
    }
}

/// What the base rules say, with what is known of each attempt that went wrong.
fn summaries(fed: &Fed) -> Vec<Finding> {
    let evidence = fed.evidence(HostSample::default());
    let findings = diagnose(&fed.collector.snapshot(), &evidence).findings;
    findings
        .into_iter()
        .filter(|it| it.rule.is_summary())
        .collect()
}

fn titles(fed: &Fed) -> Vec<(Severity, String)> {
    let findings = summaries(fed).into_iter();
    findings.map(|it| (it.severity, it.title)).collect()
}

#[test]
fn a_pod_that_fails_beside_a_busy_neighbour_is_a_finding() {
    let fed = beside(7_200, &[(24, of_pod("web-1", lost(POOR)))]);
    let found = summaries(&fed);
    assert_eq!(found.len(), 1);
    let finding = &found[0];
    assert_eq!(finding.severity, Severity::Critical);
    assert_eq!(
        finding.title,
        "24 of 24 queries of pod shop/web-1 failed (100 %)"
    );
    assert_eq!(
        finding.evidence,
        [
            "24 of 24 queries failed (100 %): 24 without an answer in time.",
            "They went to 10.0.0.11:53.",
            "Of the whole host 24 of 7,224 queries failed (0.3 %); of all others 0 of 7,200.",
        ]
    );
    assert_eq!(
        (finding.value, finding.threshold, finding.queries),
        (100.0, 5.0, 24)
    );
    let whom = finding.scope.workload.as_ref().map(ToString::to_string);
    assert_eq!(whom.as_deref(), Some("pod shop/web-1"));
    let watch = "`kerno watch --failed --pod shop/web-1`";
    let last = finding.fix.last().expect("a step");
    assert!(last.ends_with(watch), "{last}");
    assert_eq!(
        Verdict::of(&fed.collector.snapshot(), &found),
        Verdict::Critical
    );
}

#[test]
fn no_neighbour_is_too_busy() {
    let fed = beside(200_000, &[(80, lost(POOR))]);
    let title = "80 of 80 queries of poor (pid 77) failed (100 %)".to_owned();
    assert_eq!(titles(&fed), [(Severity::Critical, title)]);
    assert_eq!(summaries(&fed)[0].scope.pid, Some(77));
}

#[test]
fn its_own_sample_may_be_small() {
    let found = summaries(&beside(20_000, &[(10, lost(POOR))]));
    assert_eq!(found[0].severity, Severity::Warning);
    assert_eq!(
        found[0].evidence.last().map(String::as_str),
        Some("The sample is small: 10 queries, and it takes 20 for more than a warning.")
    );
    assert_eq!(found[0].threshold, 1.0);
    for few in [1, 2] {
        assert_eq!(titles(&beside(20_000, &[(few, lost(POOR))])), []);
    }
}

#[test]
fn its_own_share_must_exceed_the_threshold() {
    let severity = |lost_ones| {
        let good = (1_000 - lost_ones, answered(POOR));
        let fed = beside(20_000, &[good, (lost_ones, lost(POOR))]);
        summaries(&fed).first().map(|finding| finding.severity)
    };
    assert_eq!(severity(10), None);
    assert_eq!(severity(11), Some(Severity::Warning));
    assert_eq!(severity(50), Some(Severity::Warning));
    assert_eq!(severity(51), Some(Severity::Critical));
}

#[test]
fn slow_answers_are_judged_alike() {
    let slow = attempt(POOR, B, ANSWERED, LATE_NS);
    let found = summaries(&beside(7_200, &[(24, slow.clone())]));
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].rule.name(), found[0].severity, found[0].queries),
        ("dns_high_latency", Severity::Critical, 24)
    );
    assert_eq!(
        found[0].title,
        "24 of 24 answers to poor (pid 77) were slow (100 %), the slowest took 2.0 s"
    );
    assert_eq!(
        found[0].evidence[1..4],
        [
            "24 of 24 answers were slow (100 %), which means longer than 100 ms.",
            "They came from 10.0.0.11:53.",
            "Of the whole host 24 of 7,224 answers were slow (0.3 %); of all others 0 of 7,200.",
        ]
    );
    let found = summaries(&beside(7_200, &[(10, slow)]));
    assert_eq!(found[0].severity, Severity::Warning);
    let line = "The sample is small: 10 answers, and it takes 20 for more than a warning.";
    assert!(found[0].evidence.iter().any(|it| it == line));
}

#[test]
fn one_slow_answer_of_nine_says_nothing_about_a_workload() {
    let found = |times| {
        let slow = (times, attempt(POOR, B, ANSWERED, LATE_NS));
        titles(&beside(7_200, &[(9 - times, answered(POOR)), slow])).len()
    };
    assert_eq!([found(1), found(2), found(3)], [0, 0, 1]);
}

#[test]
fn short_lived_processes_of_one_name_are_judged_together() {
    let dig = |pid| (1, lost(("dig", pid)));
    let fed = beside(7_200, &(1_000..1_080).map(dig).collect::<Vec<_>>());
    let title = "80 of 80 queries of 80 processes named dig failed (100 %)".to_owned();
    assert_eq!(titles(&fed), [(Severity::Critical, title)]);
    let finding = &summaries(&fed)[0];
    assert_eq!(
        (finding.scope.pid, finding.scope.comm.as_deref()),
        (None, Some("dig"))
    );
    let last = finding.fix.last().expect("a step");
    assert!(
        last.ends_with("`kerno watch --failed --comm dig`"),
        "{last}"
    );
}

#[test]
fn slow_ones_of_one_name_are_told_by_what_is_sure() {
    let dig = |pid| (1, attempt(("dig", pid), B, ANSWERED, 300 * MS));
    let found = summaries(&beside(7_200, &(1_000..1_030).map(dig).collect::<Vec<_>>()));
    assert_eq!(
        found[0].evidence[0],
        "99 % of answers came within 300 ms (P99), 95 % within 300 ms, half within 300 ms; the \
         slowest took 300 ms."
    );
    assert_eq!(found[0].severity, Severity::Warning);
}

#[test]
fn a_healthy_namesake_hides_nobody() {
    let python = |pid| ("python", pid);
    let fed = beside(0, &[(5_000, answered(python(1))), (24, lost(python(2)))]);
    let title = "24 of 24 queries of python (pid 2) failed (100 %)".to_owned();
    assert_eq!(titles(&fed), [(Severity::Critical, title)]);
    // Small ones that are fine, all together, do not hide a small one either.
    let mut small: Vec<_> = (100..400).map(|pid| (10, answered(python(pid)))).collect();
    small.push((15, lost(python(2))));
    let title = "15 of 15 queries of python (pid 2) failed (100 %)".to_owned();
    assert_eq!(titles(&beside(0, &small)), [(Severity::Warning, title)]);
}

#[test]
fn one_trouble_is_one_finding_with_the_worse_severity() {
    // 2 % of the host: a warning that names the process, which itself is lost.
    let fed = beside(1_176, &[(24, lost(POOR))]);
    let title = "24 of 24 queries of poor (pid 77) failed (100 %)".to_owned();
    assert_eq!(titles(&fed), [(Severity::Critical, title)]);
    // Critical for the host, and a small sample by itself.
    let fed = beside(150, &[(15, lost(POOR))]);
    let title = "9.1 % of DNS queries fail, nearly all at 10.0.0.11:53, nearly all for poor (pid \
                 77)"
    .to_owned();
    assert_eq!(titles(&fed), [(Severity::Critical, title)]);
}

#[test]
fn what_all_have_alike_is_told_once() {
    let mut fed = Fed::default();
    for pid in 1..=10 {
        fed.feed(94, &attempt(("app", pid), A, ANSWERED, MS));
        fed.feed(6, &attempt(("app", pid), A, UNANSWERED, MS));
    }
    let title = "6.0 % of DNS queries to 10.0.0.10:53 fail".to_owned();
    assert_eq!(titles(&fed), [(Severity::Critical, title)]);
}

#[test]
fn who_has_another_trouble_than_the_host_has_a_finding_of_its_own() {
    // The host's finding is about another process.
    let fed = beside(
        1_000,
        &[
            (900, attempt(CURL, A, UNANSWERED, MS)),
            (9, answered(POOR)),
            (21, lost(POOR)),
        ],
    );
    let found = titles(&fed);
    assert_eq!(found.len(), 2);
    assert!(found[0].1.ends_with("nearly all for curl (pid 4242)"));
    assert_eq!(
        found[1].1,
        "21 of 30 queries of poor (pid 77) failed (70 %)"
    );
}

#[test]
fn the_worst_few_are_told_one_by_one() {
    let pod = |n: u32| {
        (
            20 + u64::from(n),
            of_pod(&format!("web-{n}"), lost(("app", n))),
        )
    };
    let of = |pods| summaries(&beside(50_000, &(1..=pods).map(pod).collect::<Vec<_>>()));
    let four = of(4);
    let last = four[2].evidence.last().expect("a line");
    assert!(
        last.starts_with(
            "Judged by their own attempts, 1 more workload has the same trouble; the worst"
        ),
        "{last}"
    );
    let found = of(8);
    let failed: Vec<_> = found.iter().map(|finding| finding.queries).collect();
    assert_eq!(failed, [28, 27, 26]);
    assert_eq!(
        found[2].evidence.last().map(String::as_str),
        Some(
            "Judged by their own attempts, 5 more workloads have the same trouble; the worst of \
             them: 25 of 25 queries of pod shop/web-5 failed (100 %)."
        )
    );
}

#[test]
fn a_resolver_fails_for_others() {
    // It is one because it answers, and half of what it asks goes wrong.
    let severity = |good, bad| {
        let unbound = ("unbound", 53);
        let mut fed = beside(20_000, &[(good, answered(unbound)), (bad, lost(unbound))]);
        let mut served = answered(unbound);
        served.role = Role::Server;
        fed.feed(1, &served);
        summaries(&fed).first().map(|finding| finding.severity)
    };
    assert_eq!(severity(50, 50), None);
    assert_eq!(severity(11, 89), None);
    assert_eq!(severity(10, 90), Some(Severity::Critical));
    assert_eq!(severity(0, 19), None);
}

#[test]
fn the_losses_of_daily_life_are_nobodys_finding() {
    let mut fed = Fed::default();
    for pid in 1..=50 {
        let pod = |attempt| of_pod(&format!("web-{pid}"), attempt);
        fed.feed(200, &pod(answered(("app", pid))));
        fed.feed(2, &pod(lost(("app", pid))));
        fed.feed(2, &pod(attempt(("app", pid), A, ANSWERED, LATE_NS)));
    }
    // Of all of them 1 % and no more, so the host has none either.
    assert_eq!(titles(&fed), []);
}

#[test]
fn whoever_it_is_the_command_names_it_or_nobody() {
    let of = |comm: &'static str| {
        let lost = |pid| (1, lost((comm, pid)));
        let found = summaries(&beside(
            20_000,
            &(1_000..1_030).map(lost).collect::<Vec<_>>(),
        ));
        found[0].fix.last().expect("a step").clone()
    };
    assert!(of("a b").ends_with("`kerno watch --failed --comm 'a b'`"));
    assert!(of("a\u{1b}").ends_with("`kerno watch --failed`"));
}
