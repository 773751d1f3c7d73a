//! What grows with what: queries in flight, names, control groups.

use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use serde_json::Value;

use crate::cgroups::Groups;
use crate::exchange::Pair;
use crate::exchange::least_ns;
use crate::exchange::on_one_core;
use crate::figures::Table;
use crate::figures::whole;
use crate::figures::with_digits;
use crate::kerno::Kerno;
use crate::site::DNS_PORT;
use crate::site::Site;

/// All of one socket, whose ids have 16 bits.
const IN_FLIGHT: [usize; 5] = [10, 100, 1_000, 10_000, 60_000];
const NAMES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
const GROUPS: [usize; 4] = [10, 100, 1_000, 5_000];

/// While queries wait; longer than any measurement here, so that none is given up on.
const TIMEOUT: [&str; 2] = ["--timeout", "60s"];

/// How long kerno is watched while queries wait.
const WAITING: Duration = Duration::from_secs(2);

/// For kerno to have seen what there was.
const SETTLED: Duration = Duration::from_secs(1);

/// Measures and describes it.
pub(crate) fn measure(site: &Site) -> Result<String> {
    let in_flight = in_flight(site)?;
    let names = names(site)?;
    let groups = groups(site)?;
    Ok(format!(
        "### Growth\n\n\
         Queries that nobody answers wait (each counts as two, its client's and its server's), \
         while others are answered:\n\n{in_flight}\
         Each name is asked for once, as fast as one core can:\n\n{names}\
         Each control group has a process of its own that asks once and ends:\n\n{groups}"
    ))
}

fn in_flight(site: &Site) -> Result<String> {
    let mut table = Table::new(&[
        "queries that wait",
        "an exchange, ns, least",
        "kerno's CPU, % of a core",
        "resident, MiB",
        "of the waiting, seen twice, have room",
        "lost, with what was asked meanwhile",
    ]);
    for wanted in IN_FLIGHT {
        let kerno = Kerno::doctor(site, &TIMEOUT)?;
        let mut pair = Pair::new(site, DNS_PORT)?;
        for _ in 0..wanted {
            pair.ask_in_vain()?;
        }
        thread::sleep(SETTLED);
        let (cpu, resident) = waiting(&kerno)?;
        drop(pair);
        let mut pair = Pair::new(site, DNS_PORT)?;
        let exchange = on_one_core(move || Ok(least_ns(150, 200, || pair.exchange())?))?;
        let report = kerno.end()?;
        table.row(&[
            whole(wanted as f64),
            whole(exchange),
            with_digits(cpu, 2),
            with_digits(resident, 1),
            whole(count(&report, "in_flight")),
            whole(count(&report, "lost")),
        ]);
    }
    Ok(table.text())
}

/// Percent of a core that kerno takes while nothing comes, and MiB.
fn waiting(kerno: &Kerno) -> Result<(f64, f64)> {
    let before = kerno.work()?.cpu_ns;
    let begin = Instant::now();
    thread::sleep(WAITING);
    let ran = kerno.work()?.cpu_ns - before;
    let percent = ran / begin.elapsed().as_nanos() as f64 * 100.0;
    Ok((percent, kerno.resident()?))
}

fn names(site: &Site) -> Result<String> {
    let mut table = Table::new(&[
        "names",
        "kerno's CPU, ns a query, since the row above",
        "resident, MiB",
    ]);
    let kerno = Kerno::doctor(site, &[])?;
    let mut pair = Pair::new(site, DNS_PORT)?;
    let mut asked = 0;
    for wanted in NAMES {
        let new = wanted - asked;
        let before = kerno.work()?.cpu_ns;
        on_one_core(|| {
            for number in asked..wanted {
                pair.name(number);
                pair.exchange()?;
            }
            Ok(())
        })?;
        asked = wanted;
        thread::sleep(SETTLED);
        table.row(&[
            whole(wanted as f64),
            whole((kerno.work()?.cpu_ns - before) / new as f64),
            with_digits(kerno.resident()?, 1),
        ]);
    }
    let report = kerno.end()?;
    Ok(table.text() + &losses(&report))
}

fn groups(site: &Site) -> Result<String> {
    let mut table = Table::new(&[
        "control groups",
        "kerno's CPU, µs a group, since the row above",
        "resident, MiB",
    ]);
    let kerno = Kerno::doctor(site, &[])?;
    let mut pair = Pair::new(site, DNS_PORT)?;
    let mut groups = Groups::new(site)?;
    let mut made = 0;
    for wanted in GROUPS {
        let before = kerno.work()?.cpu_ns;
        let new = wanted - made;
        site.namespace.enter(|| -> Result<()> {
            for _ in 0..new {
                groups.ask_from_another(&mut pair)?;
            }
            Ok(())
        })??;
        made = wanted;
        thread::sleep(SETTLED);
        table.row(&[
            whole(wanted as f64),
            whole((kerno.work()?.cpu_ns - before) / new as f64 / 1e3),
            with_digits(kerno.resident()?, 1),
        ]);
    }
    let report = kerno.end()?;
    Ok(table.text() + &losses(&report))
}

/// What the report says was lost, as a sentence.
fn losses(report: &Value) -> String {
    format!(
        "Of {} queries that kerno saw, {} were lost.\n\n",
        whole(count(report, "queries_seen")),
        whole(count(report, "lost"))
    )
}

/// A figure of the report's accounting; NaN if it has none.
fn count(report: &Value, field: &str) -> f64 {
    report["accounting"][field].as_f64().unwrap_or(f64::NAN)
}
