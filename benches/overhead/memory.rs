//! What kerno needs of memory, and of time until it watches.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::figures::Table;
use crate::figures::least;
use crate::figures::median;
use crate::figures::whole;
use crate::figures::with_digits;
use crate::kerno::Kerno;
use crate::load::dnsperf;
use crate::site::Site;

/// With no DNS, until its memory is read.
const QUIET: Duration = Duration::from_secs(5);

/// With as much DNS as there can be.
const LOADED: Duration = Duration::from_secs(10);

/// Measures and describes it.
pub(crate) fn measure(site: &Site) -> Result<String> {
    let mut starts = Vec::new();
    for _ in 0..site.rounds {
        let kerno = Kerno::doctor(site, &[])?;
        starts.push(kerno.started_in.as_secs_f64() * 1e3);
        kerno.end()?;
    }
    let unbound = site.unbound()?;
    let kerno = Kerno::doctor(site, &[])?;
    thread::sleep(QUIET);
    let quiet = kerno.resident()?;
    let maps = kerno.maps()?;
    let load = dnsperf(site, LOADED, None)?;
    let loaded = kerno.resident()?;
    kerno.end()?;
    drop(unbound);

    let mut table = Table::new(&["what", "figure"]);
    let rows = [
        (
            format!("resident, {} s without DNS", QUIET.as_secs()),
            format!("{} MiB", with_digits(quiet, 1)),
        ),
        (
            format!(
                "resident, after {} s of {} queries/s",
                LOADED.as_secs(),
                whole(load.per_second)
            ),
            format!("{} MiB", with_digits(loaded, 1)),
        ),
        (
            "kernel memory of its maps".to_owned(),
            format!("{} MiB", with_digits(maps, 1)),
        ),
        (
            "from its start until it watches, median".to_owned(),
            format!("{} ms", whole(median(&starts))),
        ),
        (
            "the same, least".to_owned(),
            format!("{} ms", whole(least(starts))),
        ),
    ];
    for (what, figure) in rows {
        table.row(&[what, figure]);
    }
    Ok(format!(
        "### Memory\n\n\
         Of `kerno doctor`: `VmRSS` of the process; `memlock` of its maps; {} starts.\n\n{}",
        site.rounds,
        table.text()
    ))
}
