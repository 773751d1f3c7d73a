//! What kerno's programs take, by the kernel's own count, while one core does nothing
//! but exchanges of one packet each way.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::os::fd::FromRawFd as _;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use libbpf_rs::query::ProgInfoIter;

use crate::exchange::Pair;
use crate::exchange::on_one_core;
use crate::figures::Table;
use crate::figures::whole;
use crate::kerno::Kerno;
use crate::rivals;
use crate::rivals::EMPTY_EGRESS;
use crate::rivals::EMPTY_INGRESS;
use crate::site::DNS_PORT;
use crate::site::OTHER_PORT;
use crate::site::Site;

/// A window so short that many have nothing in them but the programs.
const WINDOW: Duration = Duration::from_millis(5);

/// Runs in a window that give a mean.
const RUNS_MIN: u64 = 200;

/// Of each kind of packet in a round.
const ROUND: Duration = Duration::from_millis(1_500);

/// How the names begin; before Linux 5.12 `_old` follows.
const EGRESS: &str = "dns_egress";
const INGRESS: &str = "dns_ingress";

/// Runs of a program, and nanoseconds that they took.
#[derive(Clone, Copy, Debug, Default)]
struct Runs {
    count: u64,
    ns: u64,
}

impl Runs {
    fn since(self, before: Self) -> Self {
        Self {
            count: self.count - before.count,
            ns: self.ns - before.ns,
        }
    }

    /// Of one run; NaN without any.
    fn mean(self) -> f64 {
        match self.count {
            0 => f64::NAN,
            count => self.ns as f64 / count as f64,
        }
    }
}

/// What a program takes, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Cost {
    quietest: f64,
    all: Runs,
}

impl Default for Cost {
    fn default() -> Self {
        Self {
            quietest: f64::INFINITY,
            all: Runs::default(),
        }
    }
}

type Costs = BTreeMap<String, Cost>;

/// Measures and describes it.
pub(crate) fn measure(site: &Site) -> Result<String> {
    let _empty = rivals::empty(site)?;
    let kerno = Kerno::doctor(site, &[])?;
    let mut ids = kerno.programs()?;
    ids.extend(ids_of(&[EMPTY_EGRESS, EMPTY_INGRESS]));
    let _statistics = statistics()?;
    let mut dns = Costs::new();
    let mut other = Costs::new();
    for _ in 0..site.rounds {
        round(site, DNS_PORT, &ids, &mut dns)?;
        round(site, OTHER_PORT, &ids, &mut other)?;
    }
    kerno.end()?;
    Ok(page(&dns, &other))
}

fn page(dns: &Costs, other: &Costs) -> String {
    let mut table = Table::new(&[
        "program",
        "DNS, quietest",
        "over empty",
        "mean",
        "not DNS, quietest",
        "over empty",
        "mean",
    ]);
    let quietest = |costs: &Costs, name: &str| {
        let found = costs.iter().find(|(own, _)| own.starts_with(name));
        found.map_or(f64::NAN, |(_, cost)| cost.quietest)
    };
    let over = |costs: &Costs, name: &str| {
        let empty = match name.contains("egress") {
            true => EMPTY_EGRESS,
            false => EMPTY_INGRESS,
        };
        quietest(costs, name) - quietest(costs, empty)
    };
    let mean = |costs: &Costs, name: &str| costs.get(name).map_or(f64::NAN, |it| it.all.mean());
    let names: BTreeSet<&String> = dns.keys().chain(other.keys()).collect();
    for name in names {
        let mut cells = vec![format!("`{name}`")];
        for costs in [dns, other] {
            let figures = [quietest(costs, name), over(costs, name), mean(costs, name)];
            cells.extend(figures.map(whole));
        }
        table.row(&cells);
    }
    let both = |costs: &Costs| quietest(costs, EGRESS) + quietest(costs, INGRESS);
    format!(
        "### Programs\n\n\
         Nanoseconds of a run by the kernel's run-time statistics, which are part of each figure, \
         also of an empty program's. The quietest of all windows of 5 ms, and the mean. One core \
         does nothing but exchanges over loopback, to the watched port and to another.\n\n\
         {}\
         An exchange takes each role a run of `{EGRESS}` and one of `{INGRESS}`: **{} ns**, {} over \
         empty programs. A packet that is not DNS pays **{} ns** going out and **{} ns** coming in \
         over an empty program.\n\n",
        table.text(),
        whole(both(dns)),
        whole(over(dns, EGRESS) + over(dns, INGRESS)),
        whole(over(other, EGRESS)),
        whole(over(other, INGRESS)),
    )
}

/// One kind of packet for a while; what is learnt goes into `costs`.
fn round(site: &Site, port: u16, ids: &BTreeSet<u32>, costs: &mut Costs) -> Result<()> {
    let mut pair = Pair::new(site, port)?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let clock = scope.spawn(|| watch(ids, &is_over, costs));
        let done = on_one_core(|| Ok(pair.run(ROUND)?));
        is_over.store(true, Ordering::Relaxed);
        if clock.join().is_err() {
            bail!("the thread that reads the statistics died");
        }
        done.map(|_| ())
    })
}

/// Reads the statistics window by window.
fn watch(ids: &BTreeSet<u32>, is_over: &AtomicBool, costs: &mut Costs) {
    let first = runs(ids);
    let mut before = first.clone();
    while !is_over.load(Ordering::Relaxed) {
        thread::sleep(WINDOW);
        let now = runs(ids);
        for (id, (name, runs)) in &now {
            let window = runs.since(before.get(id).map_or(*runs, |it| it.1));
            if window.count >= RUNS_MIN {
                let cost = costs.entry(name.clone()).or_default();
                cost.quietest = cost.quietest.min(window.mean());
            }
        }
        before = now;
    }
    for (id, (name, runs)) in before {
        let all = runs.since(first.get(&id).map_or(runs, |it| it.1));
        if let Some(cost) = costs.get_mut(&name) {
            cost.all.count += all.count;
            cost.all.ns += all.ns;
        }
    }
}

/// Of these programs, by id, with their names.
fn runs(ids: &BTreeSet<u32>) -> BTreeMap<u32, (String, Runs)> {
    let ours = ProgInfoIter::default().filter(|program| ids.contains(&program.id));
    let told = ours.map(|program| {
        let name = program.name.to_string_lossy().into_owned();
        let runs = Runs {
            count: program.run_cnt,
            ns: program.run_time_ns,
        };
        (program.id, (name, runs))
    });
    told.collect()
}

/// Whether another kerno, or another bench, is at work on this host: then each packet
/// and each call pays for both.
pub(crate) fn is_anybody_at_work() -> bool {
    !ids_of(&[EGRESS, EMPTY_EGRESS]).is_empty()
}

/// Ids of all programs whose names begin so.
fn ids_of(names: &[&str]) -> BTreeSet<u32> {
    let named = ProgInfoIter::default().filter(|program| {
        let own = program.name.to_string_lossy();
        names.iter().any(|name| own.starts_with(name))
    });
    named.map(|program| program.id).collect()
}

/// The kernel counts what programs take for as long as this is open.
fn statistics() -> Result<OwnedFd> {
    // SAFETY: a system call that takes one number and gives a descriptor or an error.
    let fd = unsafe { libbpf_sys::bpf_enable_stats(libbpf_sys::BPF_STATS_RUN_TIME) };
    if fd < 0 {
        return Err(std::io::Error::from_raw_os_error(-fd)).context("no run-time statistics");
    }
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
