//! From figures to findings: plain data in, plain data out.

mod aaaa_denied;
mod answer_emptied;
mod breakdown;
mod c_libraries;
mod causes;
mod commands;
mod contradiction;
mod cpu_waits;
mod descriptors_full;
mod explanation;
mod failure_rate;
mod finding;
mod for_others;
mod gone;
mod high_latency;
mod late_reader;
mod losses;
mod metric;
mod negative_cache;
mod never_first;
mod outlier;
#[cfg(test)]
mod overheard;
mod own;
mod party;
mod ranking;
mod rule;
mod said;
mod search_amplification;
mod search_wildcard;
mod summary;
mod unseen_clients;
mod who;

pub use finding::Diagnosis;
pub use finding::Explained;
pub use finding::Failures;
pub use finding::Finding;
pub use finding::Severity;
pub use finding::Subject;
pub use finding::SubjectServer;
pub use finding::Unit;
pub use finding::Verdict;
pub use for_others::ForOthers;
pub use losses::Losses;
pub use losses::LostByCause;
pub use rule::Rule;

#[cfg(test)]
pub(crate) use causes::tests::commands::findings_of_every_rule;

use self::party::Parties;
use crate::attempt::identity::WorkloadId;
use crate::collect::Snapshot;
use crate::incidents::Evidence;

/// Applies every rule.
pub fn diagnose(snapshot: &Snapshot, evidence: &Evidence) -> Diagnosis {
    let (seen, snapshot) = (snapshot, &losses::without_side_tries(snapshot, evidence));
    let parties = Parties::of(snapshot, evidence);
    let mut diagnosis = causes::explain(evidence, snapshot, &parties);
    diagnosis.for_others = parties.for_others(&diagnosis.losses);
    let findings = &mut diagnosis.findings;
    findings.extend(aaaa_denied::check(evidence));
    findings.extend(answer_emptied::check(evidence));
    findings.extend(contradiction::check(evidence));
    findings.extend(causes::turned_away(evidence, &parties));
    findings.extend(causes::served(evidence, findings));
    findings.extend(late_reader::check(evidence, snapshot));
    findings.extend(search_amplification::check(evidence, snapshot));
    findings.extend(search_wildcard::check(evidence));
    findings.extend(descriptors_full::check(evidence, snapshot));
    findings.extend(never_first::check(seen, evidence, findings));
    findings.extend(summary::check(snapshot, evidence, &parties));
    name_workloads(findings, evidence);
    gone::leave_out(findings, evidence);
    finding::rank(findings);
    #[cfg(test)]
    overheard::tell(findings.iter().flat_map(overheard::texts));
    diagnosis
}

/// Programs whose lookups are no DNS packets, a sentence for each resolver that they ask.
pub fn unseen_clients(evidence: &Evidence) -> Vec<String> {
    let told = unseen_clients::told(evidence);
    #[cfg(test)]
    overheard::tell(&told);
    told
}

/// The rule that explains one incident by what is known of it; `None` for a slow answer that
/// nothing explains.
pub fn cause_of(evidence: &Evidence, incident: usize) -> Option<Rule> {
    causes::rule_of(evidence, incident)
}

/// A finding about one process is about its workload too.
fn name_workloads(findings: &mut [Finding], evidence: &Evidence) {
    for scope in findings.iter_mut().map(|finding| &mut finding.scope) {
        if scope.workload.is_none() {
            let process = scope
                .pid
                .and_then(|pid| evidence.tallies.processes.get(pid));
            let workload = process.and_then(|process| process.workload.as_deref());
            scope.workload = workload.and_then(WorkloadId::of);
        }
    }
}

#[cfg(test)]
mod tests;
