//! Who is judged by its own attempts, so that a busy neighbour hides nobody.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use super::finding::Subject;
use super::for_others::ForOthers;
use super::losses::Losses;
use super::metric::Metric;
use super::who;
use crate::attempt::Comm;
use crate::attempt::identity::WorkloadId;
use crate::collect::Figures;
use crate::collect::Row;
use crate::collect::Snapshot;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::shell::Command;
use crate::thresholds::DEAD_PERCENT;
use crate::thresholds::SAMPLE_MIN;

/// A workload, or processes of one name that each asked too little to be judged by:
/// a script that starts a program for each lookup is as many processes.
#[derive(Clone, Debug)]
pub(super) struct Party<'a> {
    rows: Vec<&'a Row<WorkloadId>>,
    pub(super) figures: Cow<'a, Figures>,
    /// A resolver: what goes wrong for it is judged with those that asked it.
    asks_for_others: bool,
    /// Where it stands among the parties if it is in one of several processes.
    crowd: Option<usize>,
}

/// Everybody, and the host as a whole to compare with.
#[derive(Clone, Debug)]
pub(super) struct Parties<'a> {
    all: Vec<Party<'a>>,
    pub(super) whole: &'a Figures,
    /// Attempts that went wrong, as far as they were kept, by who made them.
    incidents: HashMap<WorkloadId, Vec<&'a Incident>>,
}

impl<'a> Parties<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, evidence: &'a Evidence) -> Self {
        let mut incidents: HashMap<_, Vec<_>> = HashMap::new();
        for incident in evidence.incidents.iter().filter(|it| it.reported) {
            let whom = WorkloadId::made(&incident.attempt);
            incidents.entry(whom).or_default().push(incident);
        }
        Self {
            all: parties(snapshot, evidence),
            whole: &snapshot.client,
            incidents,
        }
    }

    /// What those that ask for others asked.
    pub(super) fn for_others(&self, losses: &Losses) -> ForOthers {
        let resolvers = self.all.iter().filter(|it| it.asks_for_others);
        let mut sum = ForOthers::default();
        for row in resolvers.flat_map(|it| &it.rows) {
            let own = &row.figures.lookups;
            sum.lookups += own.count;
            sum.failed += own.failed;
            let lost = losses.by_workload.get(&row.whom);
            sum.lost_ns += lost.map_or(0, |lost| lost.values().sum());
        }
        sum
    }

    /// Its attempts that went wrong, as far as they were kept.
    pub(super) fn incidents<'p>(
        &'p self,
        party: &'p Party<'a>,
    ) -> impl Iterator<Item = &'a Incident> + 'p {
        let whoms = party.whoms();
        whoms
            .filter_map(|whom| self.incidents.get(whom))
            .flatten()
            .copied()
    }

    /// Those of whom this says something; of processes that have it in common only
    /// all together.
    pub(super) fn judged<T>(
        &self,
        judge: impl Fn(&Party<'a>) -> Option<T>,
    ) -> Vec<(&Party<'a>, T)> {
        let said: Vec<_> = self.all.iter().map(judge).collect();
        let has_said: Vec<_> = said.iter().map(Option::is_some).collect();
        self.all
            .iter()
            .zip(said)
            .filter(|(party, _)| party.crowd.is_none_or(|crowd| !has_said[crowd]))
            .filter_map(|(party, said)| Some((party, said?)))
            .collect()
    }
}

impl<'a> Party<'a> {
    /// Its workloads: one, or processes of one name.
    pub(super) fn whoms(&self) -> impl Iterator<Item = &'a WorkloadId> {
        self.rows.iter().map(|row| &row.whom)
    }

    /// Whether it is several processes of one name.
    pub(super) fn is_crowd(&self) -> bool {
        self.rows.len() > 1
    }

    /// `pod shop/web-1`, `80 processes named dig`
    pub(super) fn name(&self) -> String {
        match self.rows[0].whom {
            WorkloadId::Process(_, comm) if self.is_crowd() => who::crowd(self.rows.len(), comm),
            ref whom => who::workload(whom),
        }
    }

    /// How many of its attempts count, and of how many.
    pub(super) fn share(&self, metric: Metric) -> (u64, u64) {
        metric.share(&self.figures)
    }

    /// Whether so much is worth a judgement of its own. A resolver asks far and wide,
    /// and some of that goes wrong on the best of days.
    pub(super) fn is_telling(&self, affected: u64, of: u64) -> bool {
        !self.asks_for_others || (of >= SAMPLE_MIN && affected * 100 >= of * DEAD_PERCENT)
    }

    pub(super) fn subject(&self) -> Subject {
        match self.rows[0].whom {
            WorkloadId::Process(_, comm) if self.is_crowd() => Subject::process(None, comm),
            ref whom => Subject::workload(whom),
        }
    }

    /// `kerno watch …`, narrowed to it if a filter can name it.
    pub(super) fn watch(&self, filter: &'static str) -> Command {
        let whom = &self.rows[0].whom;
        let watch = Command::new("kerno watch").and(filter);
        let option = |option, value: &OsStr| watch.clone().and(option).word(value);
        let name = whom.name();
        let narrowed = match whom {
            WorkloadId::Process(Some(pid), _) if !self.is_crowd() => {
                option("--pid", pid.to_string().as_ref())
            }
            // As the kernel has it, not as it is shown.
            WorkloadId::Process(_, comm) => option("--comm", OsStr::from_bytes(comm.as_bytes())),
            // Without a name there is a uid, which no filter takes.
            WorkloadId::Pod(pod) if pod.name.is_none() => Command::default(),
            WorkloadId::Pod(_) => option("--pod", name.as_ref()),
            WorkloadId::Container(_) => option("--container", name.as_ref()),
            WorkloadId::Unit(..) => option("--unit", name.as_ref()),
        };
        narrowed.or(watch)
    }
}

/// Every workload, and behind them the crowds.
fn parties<'a>(snapshot: &'a Snapshot, evidence: &Evidence) -> Vec<Party<'a>> {
    let resolvers = resolvers(evidence);
    let mut all: Vec<Party<'a>> = snapshot
        .by_workload
        .rows
        .iter()
        .map(|row| Party {
            rows: vec![row],
            figures: Cow::Borrowed(&row.figures),
            asks_for_others: resolvers.contains(&row.whom),
            crowd: None,
        })
        .collect();
    let mut crowds: BTreeMap<Comm, Vec<usize>> = BTreeMap::new();
    for (at, party) in all.iter().enumerate() {
        if let WorkloadId::Process(Some(_), comm) = party.rows[0].whom
            && !comm.as_bytes().is_empty()
            && party.figures.queries() < SAMPLE_MIN
            && !party.asks_for_others
        {
            crowds.entry(comm).or_default().push(at);
        }
    }
    for members in crowds.into_values().filter(|members| members.len() > 1) {
        let crowd = all.len();
        for &at in &members {
            all[at].crowd = Some(crowd);
        }
        let rows: Vec<_> = members.iter().map(|&at| all[at].rows[0]).collect();
        all.push(Party {
            figures: Cow::Owned(Figures::together(rows.iter().map(|row| &row.figures))),
            rows,
            asks_for_others: false,
            crowd: None,
        });
    }
    all
}

/// Those that answered others here: the processes, and whose they are.
fn resolvers(evidence: &Evidence) -> HashSet<WorkloadId> {
    let processes = &evidence.tallies.processes;
    let pids = evidence.resolvers.iter();
    pids.filter_map(|&pid| Some((pid, processes.get(pid)?)))
        .map(|(pid, process)| {
            let workload = process.workload.as_deref();
            workload
                .and_then(WorkloadId::of)
                .unwrap_or(WorkloadId::Process(Some(pid), process.comm))
        })
        .collect()
}
