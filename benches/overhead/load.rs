//! As many queries as the machine can make: dnsperf, which asks unbound.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::site::DNS_PORT;
use crate::site::Site;

/// What dnsperf said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Queries that were answered.
    pub(crate) completed: f64,
    /// The same in a second.
    pub(crate) per_second: f64,
}

/// Runs dnsperf for so many whole seconds, as fast as it can or with so many queries a
/// second at most. unbound must be running.
pub(crate) fn dnsperf(site: &Site, time: Duration, limit: Option<u32>) -> Result<Load> {
    let names = site.folder().join("names");
    fs::write(&names, "www.kerno.test A\nnothing.kerno.test A\n")?;
    let mut command =
        site.command(program("dnsperf").context("dnsperf is missing: make setup")?)?;
    command
        .args(["-s", "127.0.0.1", "-c", "10", "-p", &DNS_PORT.to_string()])
        .args(["-l", &time.as_secs().to_string(), "-d"])
        .arg(names)
        .args(limit.map(|limit| format!("-Q{limit}")))
        .stdin(Stdio::null());
    let said = command.output().context("dnsperf does not start")?;
    let said = String::from_utf8_lossy(&said.stdout);
    let number = |words: &str| -> Option<f64> {
        let line = said
            .lines()
            .find_map(|line| line.trim().strip_prefix(words))?;
        line.split_whitespace().next()?.parse().ok()
    };
    match (number("Queries completed:"), number("Queries per second:")) {
        (Some(completed), Some(per_second)) if completed > 0.0 => Ok(Load {
            completed,
            per_second,
        }),
        _ => bail!("dnsperf got no answers: {said}"),
    }
}

/// Where a program is, if it is installed.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let mut programs = folders.map(|folder| folder.join(name));
    programs.find(|program| program.is_file())
}
