//! `kerno chaos`: makes a real fault on this host, and says what came of it.

use std::io;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use kerno::chaos::dns_flood;
use kerno::chaos::scenario::Fault;
use kerno::chaos::scenario::Scenario;

/// Makes the scenario's fault until its duration is over or `stop` is set, then
/// writes the figures: for a person, or as one JSON object.
///
/// # Errors
///
/// The fault could not be made (one sentence with its remedy), or `out` could
/// not be written to.
pub fn run(
    scenario: &Scenario,
    flood: &dns_flood::Options,
    json: bool,
    stop: &AtomicBool,
    out: &mut dyn io::Write,
) -> anyhow::Result<()> {
    let report = match scenario.fault {
        Fault::DnsFlood => dns_flood::run(flood, stop)?,
    };
    if json {
        serde_json::to_writer_pretty(&mut *out, &report).map_err(io::Error::from)?;
        writeln!(out)
    } else {
        report.write_text(out)
    }
    .context("the figures cannot be written")
}
