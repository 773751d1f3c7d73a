//! How bad a cause is for one workload, beside a busy neighbour.

use super::*;

const SERVFAIL: u16 = 2;
const REFUSED: u16 = 5;

/// Good queries of another process in another namespace.
fn busy(n: u64) -> impl Iterator<Item = Attempt> {
    (0..n).map(|n| {
        let mut good = attempt(n % 30_000, OTHER, Outcome::Answered);
        good.owner.pid = Some(99);
        good.owner.comm = crate::attempt::Comm::new(b"busy");
        good.owner.netns = NODE;
        good
    })
}

fn errors(n: u64, rcode: u16) -> impl Iterator<Item = Attempt> {
    many(n, SERVER, Outcome::Answered).map(move |attempt| answered_with(attempt, rcode))
}

/// Rule, severity and number.
fn judged(incident: Story) -> Vec<(&'static str, Severity, u64)> {
    let findings = incident.explain().findings.into_iter();
    findings
        .map(|it| (it.rule.name(), it.severity, it.queries))
        .collect()
}

#[test]
fn errors_of_one_are_judged_as_if_it_were_alone() {
    let with = |n, rcode| {
        let incident = Story::default().with(busy(9_000)).with(errors(n, rcode));
        judged(incident)
    };
    assert_eq!(
        with(48, SERVFAIL),
        [("dns_servfail", Severity::Critical, 48)]
    );
    assert_eq!(
        with(10, SERVFAIL),
        [("dns_servfail", Severity::Warning, 10)]
    );
    assert_eq!(with(4, SERVFAIL), []);
    assert_eq!(
        with(20, REFUSED),
        [("dns_refused_rcode", Severity::Critical, 20)]
    );
    assert_eq!(with(2, REFUSED), []);
}

#[test]
fn its_finding_says_whose_and_how_much() {
    let explanation = Story::default()
        .with(busy(9_000))
        // The neighbour has some, too, and more than the one who has nothing else.
        .with((0..60).map(|n| {
            let mut error = answered_with(attempt(n, SERVER, Outcome::Answered), SERVFAIL);
            error.owner.pid = Some(99);
            error.owner.comm = crate::attempt::Comm::new(b"busy");
            error
        }))
        .with(errors(48, SERVFAIL))
        .explain();
    let finding = &explanation.findings[0];
    assert_eq!(
        (finding.severity, finding.queries),
        (Severity::Critical, 108)
    );
    let line = "Judged by its own attempts: curl (pid 4242): 48 of 48 queries (100 %). Of the \
                whole host: 108 of 9,108 queries (1.2 %).";
    assert!(
        finding.evidence.iter().any(|it| it == line),
        "{:?}",
        finding.evidence
    );
    assert_eq!(
        finding.hit_hardest.as_deref(),
        Some("curl (pid 4242): 48 of 48 queries (100 %)")
    );
    assert_eq!(finding.scope.pid, Some(4242));
    assert!(finding.scope.server.is_some());
}

#[test]
fn a_refused_zone_among_many_good_answers_stays_quiet() {
    let incident = Story::default()
        .with(busy(9_000))
        .with(many(3_000, SERVER, Outcome::Answered))
        .with(errors(6, REFUSED));
    assert_eq!(judged(incident), []);
}

#[test]
fn what_nothing_explains_is_judged_by_who_has_it() {
    let with = |good, bad| {
        let incident = Story::default()
            .with(busy(9_000))
            .with(many(good, SERVER, Outcome::Answered))
            .with(more(bad, SERVER, Outcome::Unanswered));
        judged(incident)
    };
    assert_eq!(with(400, 24), [("dns_unknown", Severity::Critical, 24)]);
    assert_eq!(with(400, 5), [("dns_unknown", Severity::Warning, 5)]);
    // 1 % and no more, as the base rule has it; and two are no pattern.
    assert_eq!(with(396, 4), []);
    assert_eq!(with(10, 2), []);
    assert_eq!(with(0, 1), []);
}

#[test]
fn a_dead_server_hurts_who_asks_it() {
    let incident = Story::default()
        .with(busy(9_000))
        .with(many(20, OTHER, Outcome::Answered))
        .with(more(20, SERVER, Outcome::Unanswered));
    assert_eq!(
        judged(incident),
        [("dns_dead_server", Severity::Critical, 20)]
    );
}

#[test]
fn short_lived_ones_are_judged_together_and_a_resolver_is_not() {
    let of = |mut attempt: Attempt, comm: &[u8], pid| {
        attempt.owner.comm = crate::attempt::Comm::new(comm);
        attempt.owner.pid = Some(pid);
        attempt
    };
    let incident = Story::default().with(busy(9_000)).with(
        errors(30, SERVFAIL)
            .zip(1_000..)
            .map(|(attempt, pid)| of(attempt, b"dig", pid)),
    );
    let findings = incident.explain().findings;
    assert_eq!(findings[0].severity, Severity::Critical);
    assert_eq!(
        findings[0].hit_hardest.as_deref(),
        Some("30 processes named dig: 30 of 30 queries (100 %)")
    );
    let resolver = |attempt| of(attempt, b"unbound", 53);
    let served = at_server(
        &attempt(900, OTHER, Outcome::Answered),
        53,
        Outcome::Answered,
        MS,
    );
    let incident = Story::default()
        .with(busy(9_000))
        .with([served])
        .with(many(100, SERVER, Outcome::Answered).map(resolver))
        .with(errors(30, SERVFAIL).map(resolver));
    assert_eq!(judged(incident), []);
}

#[test]
fn somebody_who_is_refused_everything_is_no_matter_of_a_blocklist() {
    let unit = |name: &'static str| {
        move |mut attempt: Attempt| {
            let path = format!("/system.slice/{name}.service");
            let identity = crate::attempt::Identity::of_cgroup(path.as_bytes());
            attempt.workload = Some(std::sync::Arc::new(identity));
            attempt
        }
    };
    let told = |good: u64| {
        let served = many(900, SERVER, Outcome::Answered).map(unit("web"));
        let refused = errors(40, REFUSED).map(unit("shop"));
        let also = more(good, SERVER, Outcome::Answered).map(unit("shop"));
        judged(Story::default().with(served).with(refused).with(also))
    };
    assert_eq!(told(0), [("dns_refused_rcode", Severity::Critical, 40)]);
    assert_eq!(told(300), [("dns_refused_rcode", Severity::Info, 40)]);
    // Of all that are served alike: a note, a warning, and what wakes somebody.
    let among = |good: u64| {
        let refused = errors(40, REFUSED).map(unit("shop"));
        let served = more(good, SERVER, Outcome::Answered).map(unit("shop"));
        judged(Story::default().with(served).with(refused))
    };
    assert_eq!(among(360), [("dns_refused_rcode", Severity::Info, 40)]);
    assert_eq!(among(200), [("dns_refused_rcode", Severity::Warning, 40)]);
    assert_eq!(among(100), [("dns_refused_rcode", Severity::Critical, 40)]);
}
