//! Findings as metrics: from when they open until they are over.

use super::*;
use crate::agent::open::AWAY;

/// The thread that tells of findings may be before the one that counts.
#[test]
fn a_finding_has_its_server_as_soon_as_that_is_counted() {
    let metrics = Arc::new(Metrics::default());
    let silent: Vec<_> = (0..40)
        .map(|n| attempt(n, SERVERS[0], Outcome::Unanswered, 5_000))
        .collect();
    let report = take(&Metrics::default(), window_of(&silent));
    look(&metrics, &mut OpenFindings::default(), &report);
    let of = |server: &str| {
        let label = format!("server=\"{server}\"");
        sum(&lines(&metrics, Format::Text), "kerno_finding", &[&label])
    };
    assert!(of("other") >= 1 && of("10.0.0.10:53") == 0);
    take(&metrics, window_of(&silent));
    assert!(of("other") == 0 && of("10.0.0.10:53") >= 1);
}

#[test]
fn what_is_wrong_is_open_and_is_over_some_time_later() {
    let metrics = Arc::new(Metrics::default());
    let silent: Vec<_> = (0..40)
        .map(|n| attempt(n, SERVERS[0], Outcome::Unanswered, 5_000))
        .collect();
    let well: Vec<_> = (0..40)
        .map(|n| attempt(n, SERVERS[0], Outcome::Answered, 1))
        .collect();
    let open = || sum(&lines(&metrics, Format::Text), "kerno_finding", &[]);
    let mut findings = OpenFindings::default();
    let mut look = |report: &Report| look(&metrics, &mut findings, report);
    look(&take(&metrics, window_of(&well)));
    assert_eq!(open(), 0);
    let report = take(&metrics, window_of(&silent));
    look(&report);
    let dead = lines(&metrics, Format::Text);
    let hurting = report.findings.iter();
    let hurting: Vec<_> = hurting.filter(|it| it.severity > Severity::Info).collect();
    assert!(!hurting.is_empty());
    for finding in hurting {
        let rule = format!("rule=\"{}\"", finding.rule.name());
        assert_eq!(sum(&dead, "kerno_finding", &[&rule]), 1, "{rule}");
        assert_eq!(
            sum(&dead, "kerno_finding_queries", &[&rule]),
            finding.queries
        );
    }
    let labels = ["server=\"10.0.0.10:53\"", "critical"];
    assert!(sum(&dead, "kerno_finding", &labels) >= 1);
    assert_eq!(sum(&dead, "kerno_verdict", &["critical"]), 1);
    // For as long as it is open it is what is told.
    for _ in 1..AWAY {
        look(&take(&metrics, window_of(&well)));
        assert!(open() > 0);
        let now = lines(&metrics, Format::Text);
        assert_eq!(sum(&now, "kerno_verdict", &["critical"]), 1);
    }
    look(&take(&metrics, window_of(&well)));
    assert_eq!(open(), 0);
    let after = lines(&metrics, Format::Text);
    assert_eq!(sum(&after, "kerno_finding_queries", &[]), 0);
    assert_eq!(sum(&after, "kerno_verdict", &["healthy"]), 1);
}
