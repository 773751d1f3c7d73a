//! How many queries dnsperf and unbound still make when all CPUs are busy with them,
//! and somebody watches.

use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;

use crate::figures::Table;
use crate::figures::greatest;
use crate::figures::median;
use crate::figures::ratios;
use crate::figures::whole;
use crate::figures::with_digits;
use crate::kerno::Kerno;
use crate::load::dnsperf;
use crate::load::program;
use crate::rivals;
use crate::site::DNS_PORT;
use crate::site::Site;

/// Of each run.
const TIME: Duration = Duration::from_secs(3);

/// For tcpdump to have its packet socket.
const SETTLED: Duration = Duration::from_millis(700);

/// Who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watcher {
    Nobody,
    Empty,
    Doctor,
    Watch,
    Tcpdump,
    Obvious,
}

/// In the order of the table.
const WATCHERS: [Watcher; 6] = [
    Watcher::Nobody,
    Watcher::Empty,
    Watcher::Doctor,
    Watcher::Watch,
    Watcher::Tcpdump,
    Watcher::Obvious,
];

/// A run.
#[derive(Clone, Copy, Debug)]
struct Sample {
    per_second: f64,
    /// CPU time of the watching process for each query, in nanoseconds; NaN where
    /// none was measured.
    agent_ns: f64,
}

/// Measures and describes it.
pub(crate) fn measure(site: &Site) -> Result<String> {
    let unbound = site.unbound()?;
    let mut left_out = String::new();
    let mut samples: Vec<(Watcher, Vec<Sample>)> = Vec::new();
    // The first runs are slower than all others, and show who can be measured here.
    for watcher in WATCHERS {
        match watcher.sample(site) {
            Err(why) if matches!(watcher, Watcher::Tcpdump | Watcher::Obvious) => {
                left_out += &format!("Left out: {}: {why:#}.\n\n", watcher.name());
            }
            sample => {
                sample?;
                samples.push((watcher, Vec::new()));
            }
        }
    }
    for round in 0..site.rounds {
        eprintln!("bench: throughput, round {} of {}", round + 1, site.rounds);
        // There and back, so that nobody is always the one after another.
        let mut turns: Vec<_> = samples.iter_mut().collect();
        if round % 2 == 1 {
            turns.reverse();
        }
        for (watcher, samples) in turns {
            samples.push(watcher.sample(site)?);
        }
    }
    drop(unbound);
    Ok(page(&samples, site.rounds) + &left_out)
}

fn page(samples: &[(Watcher, Vec<Sample>)], rounds: usize) -> String {
    let mut table = Table::new(&[
        "who watches",
        "queries/s, median",
        "best",
        "ratio to nobody, median",
        "best",
        "best ÷ best",
        "ratio to empty programs, median",
        "its CPU, ns a query",
    ]);
    let per_second = |watcher: Watcher| -> Vec<f64> {
        let found = samples.iter().find(|it| it.0 == watcher);
        let found = found.into_iter().flat_map(|it| &it.1);
        found.map(|sample| sample.per_second).collect()
    };
    let nobody = per_second(Watcher::Nobody);
    let empty = per_second(Watcher::Empty);
    for (watcher, samples) in samples {
        let own = per_second(*watcher);
        let to_nobody = ratios(&own, &nobody);
        let best = greatest(own.iter().copied());
        let agent: Vec<f64> = samples.iter().map(|sample| sample.agent_ns).collect();
        table.row(&[
            watcher.name().to_owned(),
            whole(median(&own)),
            whole(best),
            with_digits(median(&to_nobody), 2),
            with_digits(greatest(to_nobody), 2),
            with_digits(best / greatest(nobody.iter().copied()), 2),
            with_digits(median(&ratios(&own, &empty)), 2),
            whole(median(&agent)),
        ]);
    }
    format!(
        "### Throughput\n\n\
         dnsperf (10 sockets) asks unbound (one thread) over loopback for {} s at a time, all CPUs \
         busy with it, each query seen at both ends. {rounds} rounds, everybody's turn in each; a \
         ratio is to the run of the same round. The obvious design reads the buffers of `sendto`, \
         `sendmsg`, `recvfrom` and `recvmsg` at tracepoints of these system calls; its reader \
         counts records and does no more.\n\n{}",
        TIME.as_secs(),
        table.text(),
    )
}

impl Watcher {
    fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Empty => "two empty `cgroup_skb` programs",
            Self::Doctor => "**`kerno doctor`**",
            Self::Watch => "`kerno watch > /dev/null`",
            Self::Tcpdump => "`tcpdump -w /dev/null`",
            Self::Obvious => "the obvious design",
        }
    }

    /// A run of dnsperf while it watches.
    fn sample(self, site: &Site) -> Result<Sample> {
        let alone = || -> Result<Sample> {
            Ok(Sample {
                per_second: dnsperf(site, TIME, None)?.per_second,
                agent_ns: f64::NAN,
            })
        };
        match self {
            Self::Nobody => alone(),
            Self::Empty => {
                let _attached = rivals::empty(site)?;
                alone()
            }
            Self::Doctor => beside(site, Kerno::doctor(site, &[])?),
            Self::Watch => beside(site, Kerno::watch(site)?),
            Self::Tcpdump => {
                let _running = Running::start(&mut tcpdump(site)?)?;
                alone()
            }
            Self::Obvious => rivals::obvious(site, alone),
        }
    }
}

fn beside(site: &Site, kerno: Kerno) -> Result<Sample> {
    let before = kerno.work()?;
    let load = dnsperf(site, TIME, None)?;
    let after = kerno.work()?;
    kerno.end()?;
    Ok(Sample {
        per_second: load.per_second,
        agent_ns: (after.cpu_ns - before.cpu_ns) / load.completed,
    })
}

fn tcpdump(site: &Site) -> Result<Command> {
    let mut command = site.command(program("tcpdump").context("it is not installed")?)?;
    command
        .args(["-i", "lo", "-w", "/dev/null", "port"])
        .arg(DNS_PORT.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(command)
}

/// A process in the background. Dropped, it is killed.
#[derive(Debug)]
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Result<Self> {
        let running = Self(command.spawn().context("it does not start")?);
        thread::sleep(SETTLED);
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _status = self.0.wait();
    }
}
