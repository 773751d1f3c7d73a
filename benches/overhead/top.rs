//! What `kerno top` takes: it watches as the doctor does, closes a window and makes a report each
//! second, and draws it.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::agent::during;
use crate::exchange::Pair;
use crate::exchange::on_one_core;
use crate::figures::Table;
use crate::figures::whole;
use crate::figures::with_digits;
use crate::kerno::Kerno;
use crate::site::DNS_PORT;
use crate::site::Site;

/// Queries a second.
const RATE: u32 = 10_000;
/// Of each of both measurements.
const TIME: Duration = Duration::from_secs(20);
/// Columns and lines of the terminal.
const SIZE: (u16, u16) = (120, 40);
/// After the start, which is no part of either.
const STARTED: Duration = Duration::from_secs(2);
/// What is shown is of two minutes: the longer it watches, the more there is to put together.
const SETTLED: Duration = Duration::from_secs(30);

/// What each thread is there for; any other one only waits.
const THREADS: [(&str, &str); 5] = [
    ("kerno", "draws"),
    ("kerno-keys", "reads keys"),
    ("kerno-top", "puts the picture together, once a second"),
    ("kerno-poller", "watches"),
    ("kerno-sampler", "watches"),
];

/// Measures and describes it.
pub(crate) fn measure(site: &Site) -> Result<String> {
    let kerno = Kerno::top(site, SIZE)?;
    thread::sleep(STARTED);
    let idle = during(&kerno, || {
        thread::sleep(TIME);
        Ok(0)
    })?;
    let mut pair = Pair::new(site, DNS_PORT)?;
    on_one_core(|| Ok(pair.run_paced(SETTLED, RATE)?))?;
    let paced = during(&kerno, || on_one_core(|| Ok(pair.run_paced(TIME, RATE)?)))?;
    kerno.end()?;
    drop(pair);
    let percent = |cpu_ns: f64, seconds: f64| with_digits(cpu_ns / seconds / 1e9 * 100.0, 2);
    let mut table = Table::new(&[
        "thread",
        "what for",
        "of a core at 10,000/s, %",
        "of a core idle, %",
    ]);
    for (name, work) in paced.threads() {
        let known = THREADS.iter().find(|it| it.0 == name);
        let before = idle
            .threads()
            .find(|it| it.0 == name)
            .map_or(0.0, |it| it.1.cpu_ns);
        table.row(&[
            format!("`{name}`"),
            known.map_or("", |it| it.1).to_owned(),
            percent(work.cpu_ns, paced.seconds()),
            percent(before, idle.seconds()),
        ]);
    }
    table.row(&[
        "all".to_owned(),
        String::new(),
        percent(paced.sum().cpu_ns, paced.seconds()),
        percent(idle.sum().cpu_ns, idle.seconds()),
    ]);
    Ok(format!(
        "### The live screen\n\n\
         CPU time of the threads of `kerno top` (`schedstat`) on a terminal of {} × {}, for {} s each: with no \
         DNS, and at {} queries/s, evenly, each seen at both ends, after {} s of the same. Aimed at: \
         2 % of a core in all.\n\n{}",
        SIZE.0,
        SIZE.1,
        TIME.as_secs(),
        whole(f64::from(RATE)),
        SETTLED.as_secs(),
        table.text(),
    ))
}
