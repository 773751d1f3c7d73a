//! Figures of processes and control groups, summed for each workload.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;

use kerno_counters::Figure;
use kerno_counters::Figures;
use kerno_counters::Owner;
use kerno_counters::figure::add_all;
use kerno_counters::read::Readings;

use super::names::named;
use crate::attempt;
use crate::attempt::Comm;
use crate::attempt::identity::WorkloadId;
use crate::host::DropNames;

/// Ended processes of one name in one control group are a crowd if there are more of them: a
/// script that starts a program again and again. One by one they say nothing.
const CROWD: usize = 5;

/// Figures of one workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Whose they are. A crowd has a process without a number.
    pub whom: WorkloadId,
    /// For a crowd: the control group that its processes were in.
    pub cgroup_id: Option<u64>,
    /// How many processes are in it.
    pub processes: u64,
    /// Whether it is processes that have ended.
    pub has_ended: bool,
    /// By program.
    pub figures: BTreeMap<&'static str, Figures>,
}

impl Workload {
    /// How much was counted of a program: octets and nanoseconds are no events.
    pub fn events(&self, program: &str) -> u64 {
        let figures = self.figures.get(program).into_iter().flatten();
        figures
            .filter(|(counter, _)| !counter.ends_with("_bytes") && !counter.ends_with("_ns"))
            .map(|(_, figure)| events(figure))
            .fold(0, u64::saturating_add)
    }

    fn all_events(&self) -> u64 {
        let programs = self.figures.keys();
        let events = programs.map(|program| self.events(program));
        events.fold(0, u64::saturating_add)
    }
}

/// By which its owner is asked for: a control group, and a process if one is known.
pub fn key_of(owner: &Owner) -> (u64, Option<u32>) {
    (owner.cgroup_id, (owner.tgid != 0).then_some(owner.tgid))
}

/// All owners, with the names that the programs know: those that have one first.
pub fn owners_in(readings: &[(&'static str, Readings)]) -> Vec<attempt::Owner> {
    let named = |(_, readings): &(_, Readings)| {
        let named = readings.iter().map(|(owner, reading)| {
            let (cgroup_id, pid) = key_of(owner);
            attempt::Owner {
                pid,
                tid: None,
                comm: Comm::new(reading.comm.as_bytes()),
                cgroup_id,
                netns: 0,
            }
        });
        named.collect::<Vec<_>>()
    };
    let mut all: Vec<attempt::Owner> = readings.iter().flat_map(named).collect();
    all.sort_by_key(|owner| owner.comm.as_bytes().is_empty());
    all
}

/// How many events a figure stands for.
pub fn events(figure: &Figure) -> u64 {
    match figure {
        Figure::Count(count) => *count,
        Figure::Log2Ns(slots) => slots.iter().copied().fold(0, u64::saturating_add),
    }
}

/// How many processes and control groups had figures, each once; the three add up to
/// `owners`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Placed {
    /// All of them.
    pub owners: u64,
    /// Those that are in a pod, a container or a unit.
    pub in_workloads: u64,
    /// Those of which only the process is known.
    pub processes: u64,
    /// Those of nobody who is known: sockets whose process is not known either.
    pub unknown: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Workload(WorkloadId),
    Crowd(Comm, u64),
}

/// Sums what each program read. `whose` says of an owner which workload it belongs to, and
/// whether it is a process that has ended. Busiest first.
pub fn by_workload(
    readings: &[(&'static str, Readings)],
    mut whose: impl FnMut(&Owner) -> (WorkloadId, bool),
    drops: &mut DropNames,
) -> (Vec<Workload>, Placed) {
    let owners: HashSet<Owner> = readings
        .iter()
        .flat_map(|(_, readings)| readings.keys().copied())
        .collect();
    let whose: HashMap<Owner, (WorkloadId, bool)> =
        owners.iter().map(|owner| (*owner, whose(owner))).collect();
    let mut placed = Placed::default();
    whose.values().for_each(|(id, _)| placed.count(id));
    let crowds = crowds(&whose);
    let mut rows: HashMap<Key, Workload> = HashMap::new();
    let mut processes: HashMap<Key, HashSet<u32>> = HashMap::new();
    for (owner, (id, has_ended)) in &whose {
        let crowd = crowd(owner, id, *has_ended).filter(|crowd| crowds.contains(crowd));
        let key = crowd.clone().unwrap_or(Key::Workload(id.clone()));
        let row = rows.entry(key.clone()).or_insert_with(|| Workload {
            whom: match crowd {
                Some(Key::Crowd(comm, _)) => WorkloadId::Process(None, comm),
                _ => id.clone(),
            },
            cgroup_id: crowd.is_some().then_some(owner.cgroup_id),
            processes: 0,
            has_ended: *has_ended,
            figures: BTreeMap::new(),
        });
        for (program, readings) in readings {
            if let Some(reading) = readings.get(owner) {
                let more = named(&reading.figures, drops);
                add_all(row.figures.entry(program).or_default(), &more);
            }
        }
        if owner.tgid != 0 {
            processes.entry(key).or_default().insert(owner.tgid);
        }
    }
    for (key, processes) in processes {
        if let Some(row) = rows.get_mut(&key) {
            row.processes = processes.len() as u64;
        }
    }
    let mut rows: Vec<Workload> = rows.into_values().collect();
    for row in &mut rows {
        row.figures.retain(|_, figures| !figures.is_empty());
    }
    rows.retain(|row| !row.figures.is_empty());
    rows.sort_by(|a, b| {
        let order = b.all_events().cmp(&a.all_events());
        order.then_with(|| (&a.whom, a.cgroup_id).cmp(&(&b.whom, b.cgroup_id)))
    });
    (rows, placed)
}

impl Placed {
    fn count(&mut self, id: &WorkloadId) {
        self.owners += 1;
        match id {
            WorkloadId::Process(Some(_), _) => self.processes += 1,
            WorkloadId::Process(None, _) => self.unknown += 1,
            _ => self.in_workloads += 1,
        }
    }
}

fn crowd(owner: &Owner, id: &WorkloadId, has_ended: bool) -> Option<Key> {
    match id {
        WorkloadId::Process(Some(_), comm) if has_ended => Some(Key::Crowd(*comm, owner.cgroup_id)),
        _ => None,
    }
}

fn crowds(whose: &HashMap<Owner, (WorkloadId, bool)>) -> HashSet<Key> {
    let mut sizes: HashMap<Key, usize> = HashMap::new();
    for (owner, (id, has_ended)) in whose {
        if let Some(key) = crowd(owner, id, *has_ended) {
            *sizes.entry(key).or_default() += 1;
        }
    }
    sizes.retain(|_, size| *size > CROWD);
    sizes.into_keys().collect()
}

#[cfg(test)]
mod tests {
    use kerno_counters::read::Reading;

    use super::*;

    fn owner(cgroup_id: u64, tgid: u32) -> Owner {
        Owner {
            cgroup_id,
            tgid,
            pad: 0,
        }
    }

    fn reading(figures: &[(&str, Figure)]) -> Reading {
        let figures = figures
            .iter()
            .map(|(name, it)| ((*name).to_owned(), it.clone()));
        Reading {
            figures: figures.collect(),
            ..Reading::default()
        }
    }

    fn counts(owners: &[(Owner, u64)]) -> Readings {
        let counted = |(owner, n): &(Owner, u64)| (*owner, reading(&[("n", Figure::Count(*n))]));
        owners.iter().map(counted).collect()
    }

    fn process(owner: &Owner, comm: &[u8]) -> WorkloadId {
        WorkloadId::Process((owner.tgid != 0).then_some(owner.tgid), Comm::new(comm))
    }

    fn total(rows: &[Workload]) -> u64 {
        rows.iter().map(Workload::all_events).sum()
    }

    #[test]
    fn processes_of_one_workload_are_summed_and_histograms_stay_histograms() {
        let slow = |slots: &[u64]| Figure::Log2Ns(slots.to_vec());
        let readings = [
            (
                "net",
                Readings::from([
                    (
                        owner(1, 10),
                        reading(&[("a", Figure::Count(2)), ("t", slow(&[1, 0, 3]))]),
                    ),
                    (
                        owner(1, 11),
                        reading(&[("a", Figure::Count(5)), ("t", slow(&[0, 7]))]),
                    ),
                    (owner(2, 12), reading(&[("a", Figure::Count(1))])),
                ]),
            ),
            ("mem", counts(&[(owner(1, 11), 9)])),
        ];
        let whose = |owner: &Owner| {
            (
                WorkloadId::Unit(format!("{}.service", owner.cgroup_id), None),
                false,
            )
        };
        let (rows, placed) = by_workload(&readings, whose, &mut DropNames::default());
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].whom, WorkloadId::Unit("1.service".to_owned(), None));
        assert_eq!((rows[0].processes, rows[1].processes), (2, 1));
        assert_eq!(rows[0].figures["net"]["a"], Figure::Count(7));
        assert_eq!(rows[0].figures["net"]["t"], slow(&[1, 7, 3]));
        assert_eq!(rows[0].figures["mem"]["n"], Figure::Count(9));
        assert_eq!(total(&rows), 7 + 11 + 9 + 1);
        assert_eq!((placed.owners, placed.in_workloads), (3, 3));
    }

    #[test]
    fn ended_processes_of_one_name_and_group_are_a_crowd_and_few_are_none() {
        let crowd = (1..=6).map(|pid| (owner(1, pid), 1));
        let few = (11..=15).map(|pid| (owner(2, pid), 1));
        let alive = (21..=26).map(|pid| (owner(1, pid), 1));
        let all: Vec<_> = crowd.chain(few).chain(alive).collect();
        let readings = [("proc", counts(&all))];
        let whose = |it: &Owner| (process(it, b"curl"), it.tgid < 20);
        let (rows, placed) = by_workload(&readings, whose, &mut DropNames::default());
        assert_eq!(rows.len(), 1 + 5 + 6);
        assert_eq!(rows[0].whom, WorkloadId::Process(None, Comm::new(b"curl")));
        assert_eq!((rows[0].processes, rows[0].cgroup_id), (6, Some(1)));
        assert!(rows[0].has_ended);
        assert_eq!(rows.iter().filter(|row| row.has_ended).count(), 1 + 5);
        assert_eq!(total(&rows), 17);
        assert_eq!((placed.owners, placed.processes), (17, 17));
    }

    #[test]
    fn whatever_belongs_to_whom_owners_and_figures_add_up() {
        let owners: Vec<_> = (0..500u32)
            .map(|n| (owner(u64::from(n % 7), n % 90), u64::from(n) * 3 + 1))
            .collect();
        let readings = [("mem", counts(&owners)), ("disk", counts(&owners[..77]))];
        let read: u64 = readings
            .iter()
            .flat_map(|(_, all)| all.values())
            .map(|it| events(&it.figures["n"]))
            .sum();
        let whose = |it: &Owner| match it.cgroup_id {
            0 | 1 => (WorkloadId::Unit("a.service".to_owned(), None), false),
            group => (
                process(it, &[b'a' + (group % 2) as u8]),
                it.tgid.is_multiple_of(2),
            ),
        };
        let (rows, placed) = by_workload(&readings, whose, &mut DropNames::default());
        assert_eq!(total(&rows), read);
        let distinct = readings[0].1.len() as u64;
        assert_eq!(placed.owners, distinct);
        assert_eq!(
            placed.in_workloads + placed.processes + placed.unknown,
            distinct
        );
        assert!(placed.unknown > 0 && rows.iter().any(|row| row.cgroup_id.is_some()));
    }

    #[test]
    fn octets_and_nanoseconds_are_no_events() {
        let figures = [
            ("tcp_sent_bytes", 1_000_000),
            ("run_queue_sum_ns", 5),
            ("n", 2),
        ];
        let figures = figures.map(|(name, n)| (name, Figure::Count(n)));
        let readings = [("net", Readings::from([(owner(1, 1), reading(&figures))]))];
        let whose = |it: &Owner| (process(it, b"a"), false);
        let (rows, _) = by_workload(&readings, whose, &mut DropNames::default());
        assert_eq!(rows[0].events("net"), 2);
        assert_eq!(rows[0].events("mem"), 0);
    }
}
