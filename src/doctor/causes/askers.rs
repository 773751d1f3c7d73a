//! Who has the incidents of a group.

use super::group::Group;
use super::group::NAME_MAX;
use crate::attempt::Comm;
use crate::attempt::identity::WorkloadId;
use crate::doctor::finding::Subject;
use crate::doctor::ranking;
use crate::doctor::who;
use crate::incidents::Incident;
use crate::thresholds::CONCENTRATED_PERCENT;
use crate::units;

const ASKERS_SHOWN: usize = 2;

type Asker = (Option<u32>, Comm);

impl Group<'_> {
    /// `Asked by curl (pid 4242).`
    pub(super) fn asked_by(&self) -> String {
        format!("Asked by {}.", self.askers())
    }

    /// `curl (pid 4242)`, `40 processes named curl` or `curl (pid 4242), nslookup (pid
    /// 7) and 3 more`, and of whom, if nearly all are of one: the others are told apart.
    pub(super) fn askers(&self) -> String {
        let Some(main) = self.main_workload() else {
            return told(&self.ranked_askers());
        };
        let is_own = |incident: &Incident| WorkloadId::made(&incident.attempt) == main;
        let own = self.ranked(|incident| is_own(incident).then(|| asker(incident)));
        let others = self
            .ranked(|incident| (!is_own(incident)).then(|| WorkloadId::made(&incident.attempt)));
        let own = format!("{} of {}", told(&own), who::workload(&main));
        match ranking::first_of(&others, ASKERS_SHOWN, |(whom, _)| who::workload(whom)) {
            Some(others) => format!("{own}, and of {others}"),
            None => own,
        }
    }

    /// `They were sent from the control group /build.`
    pub(super) fn control_group_told(&self) -> Option<String> {
        let groups = self.ranked(|incident| {
            let path = incident.attempt.workload.as_deref()?.cgroup();
            (path != "/").then(|| units::shorten(path, NAME_MAX))
        });
        let shown = ranking::first_of(&groups, ASKERS_SHOWN, |(path, _)| path.clone())?;
        let noun = if groups.len() == 1 { "group" } else { "groups" };
        Some(format!("They were sent from the control {noun} {shown}."))
    }

    /// A process that asked, if one is known that has not ended: it is as the client is.
    pub(super) fn asker_pid(&self) -> Option<u32> {
        let clients = &self.evidence.host.clients;
        let is_gone = |pid: &u32| clients.get(pid).is_some_and(|client| client.ended);
        let askers = self.ranked_askers().into_iter();
        askers
            .filter_map(|((pid, _), _)| pid)
            .find(|pid| !is_gone(pid))
    }

    pub(super) fn ranked_askers(&self) -> Vec<(Asker, u64)> {
        self.ranked(|incident| Some(asker(incident)))
    }

    /// Rather a client than a resolver that asks for others.
    pub(super) fn hit_hardest(&self) -> Option<String> {
        let resolvers = &self.evidence.resolvers;
        let clients = self.ranked(|incident| {
            let pid = incident.attempt.owner.pid;
            let asks_for_others = pid.is_some_and(|pid| resolvers.contains(&pid));
            (!asks_for_others).then(|| WorkloadId::made(&incident.attempt))
        });
        let processes = self.ranked_askers().into_iter();
        let processes = processes.map(|((pid, comm), n)| (WorkloadId::Process(pid, comm), n));
        let (whom, weight) = clients.into_iter().chain(processes).next()?;
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

    pub(super) fn subject(&self) -> Subject {
        let (pid, comm) = self.nearly_all(self.ranked_askers()).unwrap_or_default();
        Subject {
            netns: self.place.netns,
            workload: self.main_workload(),
            ..Subject::process(pid, comm).of_server(self.only_server())
        }
    }
}

fn asker(incident: &Incident) -> Asker {
    let owner = &incident.attempt.owner;
    (owner.pid, owner.comm)
}

fn told(ranked: &[(Asker, u64)]) -> String {
    let name = |&((pid, comm), _): &(Asker, u64)| who::process(pid, comm);
    let comm = ranked.first().map(|((_, comm), _)| *comm);
    let one_name = comm.filter(|comm| {
        !comm.as_bytes().is_empty() && ranked.iter().all(|((_, other), _)| other == comm)
    });
    match (ranked, one_name) {
        ([one, two], _) => format!("{} and {}", name(one), name(two)),
        // A script that starts a program for each lookup: their numbers say nothing.
        ([_, _, _, ..], Some(comm)) => who::crowd(ranked.len(), comm),
        _ => ranking::first_of(ranked, ASKERS_SHOWN, name)
            .unwrap_or_else(|| who::process(None, Comm::default())),
    }
}
