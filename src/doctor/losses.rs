//! Time that lookups lost, each moment by one cause: of the host and of each workload.

use std::collections::BTreeMap;

use super::rule::Rule;
use crate::attempt::identity::IdentityTable;
use crate::attempt::identity::WorkloadId;
use crate::collect::Figures;
use crate::collect::ProcessKey;
use crate::collect::Snapshot;
use crate::collect::Table;
use crate::incidents::Evidence;
use crate::incidents::FailureKind;
use crate::incidents::Incident;
use crate::incidents::late_reads;

/// Nanoseconds by rule; the sum is what all of these lookups lost.
pub type LostByCause = BTreeMap<Rule, u64>;

/// What was lost, and by whom.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Losses {
    /// By all together.
    pub by_cause: LostByCause,
    /// By each workload, as far as it is known whose it was.
    pub by_workload: BTreeMap<WorkloadId, LostByCause>,
}

impl Losses {
    /// One incident with its rule; a slow answer that nothing explains has none.
    pub(super) fn add(&mut self, incident: &Incident, rule: Option<Rule>) {
        let rule = rule.unwrap_or(match incident.kind {
            FailureKind::Slow => Rule::HighLatency,
            _ => Rule::Unknown,
        });
        self.lose(
            Some(WorkloadId::made(&incident.attempt)),
            rule,
            incident.lost_ns(),
        );
    }

    /// What is lost by no incident.
    pub(super) fn add_rest(&mut self, evidence: &Evidence) {
        let known = &IdentityTable::default();
        for ((client, _), lost_ns) in &evidence.search_costs.by_client {
            self.lose(Some(client.id(known)), Rule::SearchAmplification, *lost_ns);
        }
        let others_ns = evidence.search_costs.others_ns;
        self.lose(None, Rule::SearchAmplification, others_ns);
        self.lose(None, Rule::Unknown, evidence.lost_elsewhere_ns);
        for (pid, reads) in late_reads::by_process(evidence) {
            let process = evidence.tallies.processes.get(pid);
            let workload = process.and_then(|it| WorkloadId::of(it.workload.as_deref()?));
            let comm = reads
                .first()
                .map(|read| read.owner.comm)
                .unwrap_or_default();
            let whom = workload.unwrap_or(WorkloadId::Process(Some(pid), comm));
            self.lose(Some(whom), Rule::LateReader, late_reads::lost_ns(&reads));
        }
    }

    fn lose(&mut self, whom: Option<WorkloadId>, rule: Rule, lost_ns: u64) {
        if lost_ns == 0 {
            return;
        }
        *self.by_cause.entry(rule).or_default() += lost_ns;
        if let Some(whom) = whom {
            let own = self.by_workload.entry(whom).or_default();
            *own.entry(rule).or_default() += lost_ns;
        }
    }
}

/// The figures without what hurt nobody: a try that was got round in time counts like one
/// where another server was faster.
pub(super) fn without_side_tries(snapshot: &Snapshot, evidence: &Evidence) -> Snapshot {
    let mut judged = snapshot.clone();
    let incidents = evidence.incidents.iter();
    let harmless = incidents.filter(|it| it.reported && it.has_failed() && it.is_side_try);
    for incident in harmless {
        let attempt = &incident.attempt;
        let whom = WorkloadId::made(attempt);
        let key = ProcessKey {
            pid: attempt.owner.pid,
            comm: attempt.owner.comm,
        };
        let scopes = [
            Some(&mut judged.client),
            figures(&mut judged.by_workload, &whom),
            figures(&mut judged.by_process, &key),
            figures(&mut judged.by_server, &attempt.peer),
        ];
        for figures in scopes.into_iter().flatten() {
            figures.outcomes.forgive(attempt.outcome, incident.weight);
        }
    }
    judged
}

fn figures<'a, K: PartialEq>(table: &'a mut Table<K>, whom: &K) -> Option<&'a mut Figures> {
    let row = table.rows.iter_mut().find(|row| row.whom == *whom)?;
    Some(&mut row.figures)
}
