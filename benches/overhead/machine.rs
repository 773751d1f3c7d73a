//! What a run was made on, and when.

use std::fs;
use std::thread;
use std::time::Duration;
use std::time::SystemTime;

use anyhow::Context as _;
use anyhow::Result;

use crate::figures::with_digits;
use crate::site::Site;

/// For how long it is looked at what else the machine does.
const LOOK: Duration = Duration::from_secs(2);

/// The head of the page.
pub(crate) fn describe(site: &Site) -> Result<String> {
    let version = site.kerno()?.arg("--version").output()?;
    let version = String::from_utf8(version.stdout).context("kerno's version is no text")?;
    let date = humantime::format_rfc3339_seconds(SystemTime::now());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let cpus = thread::available_parallelism()?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let memory = value(&memory, "MemTotal").and_then(|it| it.split(' ').next()?.parse().ok());
    let memory: f64 = memory.context("no MemTotal in /proc/meminfo")?;
    let model = fs::read_to_string("/proc/cpuinfo")?;
    let model = value(&model, "model name").unwrap_or("processor of unknown name");
    Ok(format!(
        "{date}, {version}, {rounds} rounds. {cpus} CPUs ({model}), {memory} GiB, Linux {kernel}, \
         {arch}. Right before, others had {others} % of the CPUs.\n\n",
        version = version.trim(),
        rounds = site.rounds,
        memory = with_digits(memory / f64::from(1 << 20), 1),
        kernel = kernel.trim(),
        arch = std::env::consts::ARCH,
        others = with_digits(busy()? * 100.0, 0),
    ))
}

/// The value behind the first such name, in files of lines `name: value`.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

/// What part of the CPUs' time is taken while the bench does nothing, also by other
/// guests of a virtual machine's host.
fn busy() -> Result<f64> {
    let before = times()?;
    thread::sleep(LOOK);
    let after = times()?;
    let all = after.0 - before.0;
    let idle = after.1 - before.1;
    Ok(1.0 - idle / all.max(1.0))
}

/// Of all CPUs since the start, in ticks: everything, and idle (proc_stat(5): user,
/// nice, system, idle, iowait, irq, softirq, steal).
fn times() -> Result<(f64, f64)> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("an empty /proc/stat")?;
    let ticks = line.split_whitespace().skip(1).take(8);
    let ticks: Vec<f64> = ticks.filter_map(|number| number.parse().ok()).collect();
    let idle = ticks.get(3..5).context("a short /proc/stat")?;
    Ok((ticks.iter().sum(), idle.iter().sum()))
}
