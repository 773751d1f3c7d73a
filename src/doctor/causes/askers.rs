//! Who has the incidents of a group.

use super::group::Group;
use crate::attempt::Comm;
use crate::attempt::identity::WorkloadId;
use crate::doctor::finding::Subject;
use crate::doctor::ranking;
use crate::doctor::who;
use crate::thresholds::CONCENTRATED_PERCENT;
use crate::units;

/// Processes that are named when several asked.
pub(super) const ASKERS_SHOWN: usize = 2;

/// A process that asked.
type Asker = (Option<u32>, Comm);

impl Group<'_> {
    /// `Asked by curl (pid 4242).`
    pub(super) fn asked_by(&self) -> String {
        format!("Asked by {}.", self.askers())
    }

    /// `curl (pid 4242)`, `40 processes named curl` or `curl (pid 4242), nslookup (pid
    /// 7) and 3 more`, and of whom, if that is one.
    pub(super) fn askers(&self) -> String {
        let ranked = self.ranked_askers();
        let name = |&((pid, comm), _): &(Asker, u64)| who::process(pid, comm);
        let comm = ranked.first().map(|((_, comm), _)| *comm);
        let one_name = comm.filter(|comm| {
            !comm.as_bytes().is_empty() && ranked.iter().all(|((_, other), _)| other == comm)
        });
        let askers = match (&ranked[..], one_name) {
            ([one, two], _) => format!("{} and {}", name(one), name(two)),
            // A script that starts a program for each lookup: their numbers say nothing.
            ([_, _, _, ..], Some(comm)) => who::crowd(ranked.len(), comm),
            _ => ranking::first_of(&ranked, ASKERS_SHOWN, name)
                .unwrap_or_else(|| who::process(None, Comm::default())),
        };
        match self.main_workload() {
            Some(whom) => format!("{askers} of {}", who::workload(&whom)),
            None => askers,
        }
    }

    /// A process that asked, if it is known: it is as the client is.
    pub(super) fn asker_pid(&self) -> Option<u32> {
        self.ranked_askers().first().and_then(|((pid, _), _)| *pid)
    }

    pub(super) fn ranked_askers(&self) -> Vec<(Asker, u64)> {
        self.ranked(|incident| Some((incident.attempt.owner.pid, incident.attempt.owner.comm)))
    }

    /// Attempts that it explains, by who made them.
    pub(super) fn ranked_workloads(&self) -> Vec<(WorkloadId, u64)> {
        self.ranked(|incident| Some(WorkloadId::made(&incident.attempt)))
    }

    /// Rather a client than a resolver that asks for others.
    pub(super) fn hit_hardest(&self) -> Option<String> {
        let resolvers = &self.evidence.resolvers;
        let is_client = |pid: Option<u32>| pid.is_none_or(|pid| !resolvers.contains(&pid));
        let clients = self.ranked(|incident| {
            let is_client = is_client(incident.attempt.owner.pid);
            is_client.then(|| WorkloadId::made(&incident.attempt))
        });
        let process =
            |&((pid, comm), weight): &(Asker, u64)| (WorkloadId::Process(pid, comm), weight);
        let hit = clients.into_iter().next();
        let (whom, weight) = hit.or_else(|| self.ranked_askers().first().map(process))?;
        let (whom, queries) = (who::workload(&whom), units::queries(weight));
        Some(format!("{whom}: {queries}"))
    }

    /// One pod, container or unit, if nearly all incidents are its own.
    fn main_workload(&self) -> Option<WorkloadId> {
        self.nearly_all(
            self.ranked(|incident| WorkloadId::of(incident.attempt.workload.as_deref()?)),
        )
    }

    fn nearly_all<K>(&self, ranked: Vec<(K, u64)>) -> Option<K> {
        let (first, weight) = ranked.into_iter().next()?;
        (weight * 100 >= self.queries() * CONCENTRATED_PERCENT).then_some(first)
    }

    /// The `scope` of the finding.
    pub(super) fn subject(&self) -> Subject {
        let (pid, comm) = self.nearly_all(self.ranked_askers()).unwrap_or_default();
        Subject {
            netns: self.place.netns,
            workload: self.main_workload(),
            ..Subject::process(pid, comm).of_server(self.only_server())
        }
    }
}
