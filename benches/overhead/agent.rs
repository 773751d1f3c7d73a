//! What kerno itself takes of a CPU beside its programs: idle, and at a steady rate.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;

use crate::exchange::Pair;
use crate::exchange::on_one_core;
use crate::figures::Table;
use crate::figures::whole;
use crate::figures::with_digits;
use crate::kerno::Kerno;
use crate::kerno::Work;
use crate::site::DNS_PORT;
use crate::site::Site;

/// Queries a second.
const RATE: u32 = 10_000;

/// Of each of the two measurements.
const TIME: Duration = Duration::from_secs(10);

/// After the start, which is no part of either.
const SETTLED: Duration = Duration::from_secs(2);

/// Measures and describes it.
pub(crate) fn measure(site: &Site) -> Result<String> {
    let kerno = Kerno::doctor(site, &[])?;
    thread::sleep(SETTLED);
    let idle = during(&kerno, || {
        thread::sleep(TIME);
        Ok(0)
    })?;
    let mut pair = Pair::new(site, DNS_PORT)?;
    let paced = during(&kerno, || on_one_core(|| Ok(pair.run_paced(TIME, RATE)?)))?;
    kerno.end()?;
    // Its port is the next one's.
    drop(pair);
    let mut table = Table::new(&[
        "thread",
        "ns a query",
        "of a core at 10,000/s, %",
        "wake-ups/s, paced",
        "of a core idle, %",
        "wake-ups/s, idle",
    ]);
    for (name, work) in &paced.threads {
        let idle_work = idle.threads.get(name).copied().unwrap_or_default();
        table.row(&row(
            &format!("`{name}`"),
            (&paced, *work),
            (&idle, idle_work),
        ));
    }
    table.row(&row("all", (&paced, paced.sum()), (&idle, idle.sum())));
    Ok(format!(
        "### Agent\n\n\
         CPU time of the threads of `kerno doctor` (`schedstat`), for {} s each: with no DNS, and \
         at {} queries/s, evenly, each seen at both ends. A wake-up is a voluntary context \
         switch.{}\n\n{}",
        TIME.as_secs(),
        whole(f64::from(RATE)),
        newcomers(),
        table.text(),
    ))
}

/// What kerno does otherwise where there are control groups of version 1.
fn newcomers() -> &'static str {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let has_version_1 = groups.lines().any(|line| !line.starts_with("0::"));
    match has_version_1 {
        true => {
            " This host has control groups of version 1, so kerno is woken for the first record of \
             each process; otherwise, and on a host without them, for many at a time."
        }
        false => "",
    }
}

fn row(name: &str, paced: (&Spell, Work), idle: (&Spell, Work)) -> [String; 6] {
    let ((paced, paced_work), (idle, idle_work)) = (paced, idle);
    let per_query = paced_work.cpu_ns / paced.queries;
    [
        name.to_owned(),
        whole(per_query),
        with_digits(per_query * f64::from(RATE) / 1e9 * 100.0, 2),
        whole(paced_work.sleeps / paced.seconds),
        with_digits(idle_work.cpu_ns / idle.seconds / 1e9 * 100.0, 3),
        with_digits(idle_work.sleeps / idle.seconds, 1),
    ]
}

/// What threads did meanwhile.
#[derive(Debug)]
pub(crate) struct Spell {
    threads: BTreeMap<String, Work>,
    queries: f64,
    seconds: f64,
}

impl Spell {
    /// All of them.
    pub(crate) fn sum(&self) -> Work {
        Work {
            cpu_ns: self.threads.values().map(|work| work.cpu_ns).sum(),
            sleeps: self.threads.values().map(|work| work.sleeps).sum(),
        }
    }

    /// Each by its name.
    pub(crate) fn threads(&self) -> impl Iterator<Item = (&String, &Work)> {
        self.threads.iter()
    }

    /// How long it was.
    pub(crate) fn seconds(&self) -> f64 {
        self.seconds
    }
}

/// What kerno's threads do while `f` makes so many queries.
pub(crate) fn during(kerno: &Kerno, f: impl FnOnce() -> Result<u64>) -> Result<Spell> {
    let before = kerno.threads()?;
    let begin = Instant::now();
    let queries = f()? as f64;
    let seconds = begin.elapsed().as_secs_f64();
    let mut threads = kerno.threads()?;
    for (name, work) in &mut threads {
        let before = before.get(name).copied().unwrap_or_default();
        work.cpu_ns -= before.cpu_ns;
        work.sleeps -= before.sleeps;
    }
    Ok(Spell {
        threads,
        queries,
        seconds,
    })
}
