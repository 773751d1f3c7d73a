//! Counters beside DNS, of each workload, where `--counters` asks for them.

use std::collections::BTreeMap;
use std::fmt::Error;
use std::time::Duration;

use kerno_counters::Figure;

use super::bounded::Bounded;
use super::bounded::Bounds;
use super::families::Families;
use super::labels::Labels;
use super::labels::OTHER;
use super::labels::Whom;
use crate::counters::Workload;
use crate::counters::events;

/// Workloads with series of their own.
const WORKLOADS_MAX: usize = 256;
/// Counters of one workload with series of their own: the kernel has some hundred reasons to
/// discard a packet.
const COUNTERS_MAX: usize = 48;

/// Ends of what histograms are told in, in powers of two of nanoseconds: slot n has what took
/// less than 2 to the power of n + 1.
const TOOK: [(usize, &str); 5] = [
    (20, "below_1.05ms"),
    (24, "below_16.8ms"),
    (27, "below_134ms"),
    (30, "below_1.07s"),
    (usize::MAX, "longer"),
];

/// Program and counter.
type Counter = (&'static str, String);

/// What was counted since the agent began.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    /// Each program, and whether it runs.
    programs: Vec<(&'static str, bool)>,
    workloads: Bounded<Whom, Sums>,
    /// By program and map: how often there was no room.
    lost: BTreeMap<(&'static str, &'static str), u64>,
    /// Events whose counter had no room.
    overflown: u64,
}

/// Of one workload.
#[derive(Clone, Debug, Default)]
struct Sums {
    events: BTreeMap<Counter, u64>,
    octets: BTreeMap<Counter, u64>,
    ns: BTreeMap<Counter, u64>,
    durations: BTreeMap<Counter, [u64; TOOK.len()]>,
}

impl Counted {
    pub(super) fn new(programs: Vec<(&'static str, bool)>) -> Self {
        Self {
            programs,
            workloads: Bounded::new(WORKLOADS_MAX),
            lost: BTreeMap::new(),
            overflown: 0,
        }
    }

    /// Adds what was counted in ten seconds; `lost` is since the start.
    pub(super) fn add(
        &mut self,
        rows: &[Workload],
        lost: BTreeMap<(&'static str, &'static str), u64>,
    ) {
        self.workloads.step();
        for row in rows {
            let number = row.figures.keys().map(|program| row.events(program)).sum();
            let sums = self.workloads.of(Whom::of(&row.whom), number);
            for (program, figures) in &row.figures {
                for (counter, figure) in figures {
                    self.overflown += sums.add(program, counter, figure);
                }
            }
        }
        // Of a program that could not be asked what was known stays.
        self.lost.extend(lost);
    }

    /// How its room is used.
    pub(super) fn bounds(&self) -> Bounds {
        let mut bounds = self.workloads.bounds();
        bounds.overflown = bounds.overflown.saturating_add(self.overflown);
        bounds
    }

    pub(super) fn write(&self, families: &mut Families<'_>) -> Result<(), Error> {
        families.counter(
            "kerno_kernel_events",
            "What the kernel counted of a workload beside DNS",
            self.series(|sums| &sums.events),
        )?;
        families.counter(
            "kerno_kernel_bytes",
            "The same in octets",
            self.series(|sums| &sums.octets),
        )?;
        let seconds = self.series(|sums| &sums.ns);
        families.seconds(
            "kerno_kernel_seconds",
            "The same in seconds",
            seconds.map(|(labels, ns)| (labels, Duration::from_nanos(ns))),
        )?;
        let durations = self.workloads.iter().flat_map(|(whom, sums)| {
            let all = sums.durations.iter().flat_map(|(counter, numbers)| {
                let told = TOOK.iter().zip(numbers).filter(|(_, number)| **number > 0);
                told.map(move |((_, took), number)| (counter, *took, *number))
            });
            all.map(|(counter, took, number)| {
                let mut labels = labels(whom, counter);
                labels.push(("took", took.to_owned()));
                (labels, number)
            })
        });
        families.counter(
            "kerno_kernel_durations",
            "How often something took how long",
            durations,
        )?;
        let lost = self.lost.iter().map(|((program, map), number)| {
            let labels = vec![
                ("program", (*program).to_owned()),
                ("map", (*map).to_owned()),
            ];
            (labels, *number)
        });
        families.counter(
            "kerno_kernel_lost",
            "What the counters had no room for in the kernel",
            lost,
        )?;
        let programs = self.programs.iter().map(|(program, runs)| {
            let labels = vec![("program", (*program).to_owned())];
            (labels, f64::from(u8::from(*runs)))
        });
        families.gauge(
            "kerno_kernel_program_active",
            "1 if this program of the counters runs here, else 0",
            programs,
        )
    }

    fn series(
        &self,
        of: impl Fn(&Sums) -> &BTreeMap<Counter, u64>,
    ) -> impl Iterator<Item = (Labels, u64)> {
        let all = self.workloads.iter().flat_map(move |(whom, sums)| {
            let series = of(sums).iter();
            series.map(|(counter, number)| (labels(whom, counter), *number))
        });
        all.collect::<Vec<_>>().into_iter()
    }
}

impl Sums {
    /// Returns how many events found no room for a series of their own.
    fn add(&mut self, program: &'static str, counter: &str, figure: &Figure) -> u64 {
        let key = |name: &str| (program, name.to_owned());
        let number = match figure {
            Figure::Count(number) => *number,
            Figure::Log2Ns(slots) => {
                let numbers = self.durations.entry(key(counter)).or_default();
                for (slot, number) in slots.iter().enumerate() {
                    let class = TOOK.iter().position(|(end, _)| slot < *end);
                    let sum = &mut numbers[class.unwrap_or(TOOK.len() - 1)];
                    *sum = sum.saturating_add(*number);
                }
                return 0;
            }
        };
        // There are as many of these as their definitions have.
        let (sums, name) = if let Some(name) = counter.strip_suffix("_bytes") {
            (&mut self.octets, name)
        } else if let Some(name) = counter.strip_suffix("_sum_ns") {
            (&mut self.ns, name)
        } else {
            (&mut self.events, counter)
        };
        let has_room = sums.contains_key(&key(name)) || sums.len() < COUNTERS_MAX;
        let (key, overflown) = match has_room {
            true => (key(name), 0),
            false => (key(OTHER), events(figure)),
        };
        let sum = sums.entry(key).or_default();
        *sum = sum.saturating_add(number);
        overflown
    }
}

fn labels(whom: &Whom, (program, counter): &Counter) -> Labels {
    let mut labels = whom.labels();
    labels.push(("program", (*program).to_owned()));
    labels.push(("counter", counter.clone()));
    labels
}
