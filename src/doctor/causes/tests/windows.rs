//! Whole windows, with their lookups and late reads: what each finding says agrees with itself
//! and with the sums.

use proptest::prelude::*;

use super::figures::check_sentence;
use super::figures::runs;
use super::*;
use crate::doctor::Diagnosis;
use crate::doctor::diagnose;
use crate::lookup::Closed;
use crate::lookup::Grouper;
use crate::monitor::Message;
use crate::window::End;
use crate::window::Window;

/// Words that claim what nobody has measured: how long a program waits by its own settings.
const NOT_MEASURED: [&str; 3] = ["each lookup waits", "waits 5 s", "takes 5 s"];

pub(super) fn closed(attempts: &[Attempt], late_reads: usize) -> crate::window::ClosedWindow {
    let mut window = Window::default();
    let mut grouper = Grouper::default();
    for attempt in attempts {
        window.attempt(attempt);
        grouper.attempt(attempt);
    }
    grouper.close_all();
    for closed in grouper.take() {
        if let Closed::Told(lookup) = closed {
            window.lookup(&lookup);
        }
    }
    let clients = attempts.iter().filter(|it| it.role == Role::Client);
    let answered = clients.filter(|it| it.outcome == Outcome::Answered);
    let reads = answered.take(late_reads);
    let reads = reads.map(|it| programs::read_late(it, 80 * MS)).collect();
    window.take(&Message::SlowReads(reads));
    window.close(End {
        duration: Duration::from_secs(30),
        ..End::default()
    })
}

fn check(attempts: &[Attempt], late_reads: usize) -> Result<(), TestCaseError> {
    let closed = closed(attempts, late_reads);
    let (snapshot, evidence) = (closed.snapshot(), closed.evidence());
    let Diagnosis {
        findings,
        failures_by_cause,
        failures,
        slow_by_cause,
        losses,
        for_others,
        explained,
    } = diagnose(&snapshot, &evidence);
    let (all, lost) = (&snapshot.client.lookups, losses.by_cause.values().sum());
    prop_assert!(for_others.lookups <= all.count && for_others.failed <= all.failed);
    prop_assert!(for_others.lost_ns <= lost);
    let client = &snapshot.client;
    let failed = client.outcomes.failed();
    let slow = client.slower_than(100 * MS);
    prop_assert_eq!(failures_by_cause.values().sum::<u64>(), failed);
    let explained = explained.iter().filter(|it| it.has_failed);
    let explained: u64 = explained.map(|it| it.queries).sum();
    prop_assert_eq!(explained + evidence.not_kept, failed);
    let moments = snapshot.course.moments.iter().map(|it| it.outcomes);
    let (all, lost) = moments.fold((0, 0), |(all, lost), it| {
        (all + it.queries(), lost + it.failed())
    });
    prop_assert_eq!((all, lost), (snapshot.client.queries(), failed));
    for row in &snapshot.by_server.rows {
        let there = failures
            .iter()
            .filter(|(it, _)| it.server == Some(row.whom));
        let number: u64 = there.map(|(_, number)| number).sum();
        prop_assert_eq!(number, row.figures.outcomes.failed(), "{}", row.whom);
    }
    for row in &snapshot.by_workload.rows {
        let whom = Some(&row.whom);
        let own = failures
            .iter()
            .filter(|(it, _)| it.workload.as_ref() == whom);
        let number: u64 = own.map(|(_, number)| number).sum();
        prop_assert_eq!(number, row.figures.outcomes.failed(), "{}", row.whom);
    }
    prop_assert_eq!(slow_by_cause.values().sum::<u64>(), slow);
    let by_workload = losses.by_workload.values().flatten();
    let lost: u64 = losses.by_cause.values().sum();
    prop_assert!(by_workload.map(|(_, ns)| ns).sum::<u64>() <= lost);
    for finding in &findings {
        let (rule, queries) = (finding.rule, finding.queries);
        prop_assert!(queries <= client.queries(), "{finding:#?}");
        prop_assert!(
            rule.is_summary()
                || finding.lost_ns <= losses.by_cause.get(&rule).copied().unwrap_or_default(),
            "{finding:#?}"
        );
        prop_assert!(
            !finding.impact.trim().is_empty() && !finding.impact.contains("  "),
            "{finding:#?}"
        );
        let texts = [&finding.title, &finding.cause, &finding.impact].into_iter();
        for text in texts.chain(&finding.evidence).chain(&finding.hit_hardest) {
            check_sentence(text)?;
            let lower = text.to_ascii_lowercase();
            prop_assert!(!NOT_MEASURED.iter().any(|it| lower.contains(it)), "{text}");
        }
    }
    // Each cause by itself claims no more than it took.
    for (rule, all) in &failures_by_cause {
        let told = findings.iter().filter(|it| it.rule == *rule);
        let slow = slow_by_cause.get(rule).copied().unwrap_or_default();
        let told: u64 = told.map(|it| it.queries).sum();
        let errors = evidence.incidents.len() as u64;
        prop_assert!(told <= all + slow + errors, "{rule:?}: {told} of {all}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_finding_agrees_with_itself_and_with_the_sums(
        runs in runs(),
        late_reads in 0_usize..60,
    ) {
        let mut attempts = Vec::new();
        for (place, run) in runs.iter().enumerate() {
            attempts.extend(run.attempts(place as u64 * 40));
        }
        check(&attempts, late_reads)?;
    }
}
