//! The base rules over the host as a whole, and over each workload by itself.

use std::cmp::Reverse;

use super::breakdown::Breakdown;
use super::failure_rate;
use super::finding::Finding;
use super::finding::Severity;
use super::high_latency;
use super::metric::Metric;
use super::own::Own;
use super::party::Parties;
use super::party::Party;
use crate::collect::Snapshot;
use crate::incidents::Evidence;
use crate::thresholds::WORKLOADS_TOLD;
use crate::units;

pub(super) fn check(
    snapshot: &Snapshot,
    evidence: &Evidence,
    parties: &Parties<'_>,
) -> Vec<Finding> {
    [Metric::Failed, Metric::Slow]
        .into_iter()
        .flat_map(|metric| findings(metric, snapshot, evidence, parties))
        .collect()
}

/// One party with a finding of its own, and how bad it is.
type Judged<'a> = (Own<'a>, Severity);

/// The finding about the host, and those about whom it does not speak for.
fn findings(
    metric: Metric,
    snapshot: &Snapshot,
    evidence: &Evidence,
    parties: &Parties<'_>,
) -> Vec<Finding> {
    let judged = parties.judged(|party| severity(metric, party));
    let mut own: Vec<Judged<'_>> = judged
        .into_iter()
        .map(|(party, severity)| (Own::examine(metric, party, parties, evidence), severity))
        .collect();
    let has_choice = snapshot.by_server.rows.len() > 1;
    let whole = of_host(metric, snapshot).filter(|it| is_needed(it, has_choice, &mut own));
    own.sort_by_key(|(own, severity)| Reverse((*severity, own.party.share(metric).0)));
    let rest = own.split_off(own.len().min(WORKLOADS_TOLD));
    let told = own.iter().filter_map(|own| of_one(metric, own));
    let mut findings: Vec<_> = whole.into_iter().chain(told).collect();
    if let Some(last) = findings.last_mut() {
        last.evidence.extend(rest_told(&rest));
    }
    findings
}

fn of_host(metric: Metric, snapshot: &Snapshot) -> Option<Finding> {
    let figures = &snapshot.client;
    let severity = metric.severity(figures)?;
    let breakdown = Breakdown::of(metric, snapshot);
    let explanation = match metric {
        Metric::Failed => failure_rate::of_host(&breakdown),
        Metric::Slow => high_latency::of_host(&breakdown)?,
    };
    Some(Finding {
        hit_hardest: breakdown.hit_hardest(),
        scope: breakdown.subject(),
        ..metric.finding(explanation, figures, severity)
    })
}

fn of_one(metric: Metric, (own, severity): &Judged<'_>) -> Option<Finding> {
    let explanation = match metric {
        Metric::Failed => failure_rate::of_one(own),
        Metric::Slow => high_latency::of_one(own)?,
    };
    Some(Finding {
        hit_hardest: Some(own.share_told()),
        scope: own.subject(),
        ..metric.finding(explanation, &own.party.figures, *severity)
    })
}

fn severity(metric: Metric, party: &Party<'_>) -> Option<Severity> {
    let (affected, of) = party.share(metric);
    let counts = party.is_telling(affected, of);
    metric.severity(&party.figures).filter(|_| counts)
}

/// One trouble is one finding: those for whom that about the host speaks go, or it
/// goes itself, if it is about one who says it better.
fn is_needed(whole: &Finding, has_choice: bool, own: &mut Vec<Judged<'_>>) -> bool {
    // Where all ask one server, it is not to blame for what one of them has.
    let blamed = whole.scope.server.filter(|_| has_choice);
    // Nobody else can have nearly all of it.
    let names_one = own
        .iter()
        .any(|(own, _)| own.has_nearly_all() && own.stands_out());
    own.retain(|(own, severity)| {
        if own.has_nearly_all() {
            // The rows of the host name no crowd.
            let is_named_better = own.party.is_crowd() && own.stands_out();
            (*severity, is_named_better) > (whole.severity, false)
        } else {
            let is_told = blamed.is_some() && own.subject().server == blamed;
            *severity > whole.severity || names_one || (own.stands_out() && !is_told)
        }
    });
    !own.iter().any(|(own, _)| own.has_nearly_all())
}

/// Those who have no finding of their own, in one sentence.
fn rest_told(rest: &[Judged<'_>]) -> Option<String> {
    let (worst, _) = rest.first()?;
    Some(format!(
        "Judged by their own attempts, {}; the worst of them: {}.",
        units::counted(
            rest.len() as u64,
            "more workload has the same trouble",
            "more workloads have the same trouble"
        ),
        worst.told()
    ))
}
