//! The scenario `dns-mix`: a known number of queries for each way that one can
//! end, so that what kerno counts can be held against what really happened.
//!
//! Client and server are sockets of this process on loopback addresses that no
//! resolver uses, so it needs nothing that a bare kernel does not have, and
//! touches nothing else on this host.

mod exchange;
mod part;
mod report;

use std::io;
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::anyhow;
use anyhow::bail;

use super::scenario::Fault;
use super::scenario::Scenario;
use super::target::DNS_PORT;
use super::testbed::server;
use super::testbed::server::ListenError;
use part::PARTS;
use part::Part;
pub use part::Transport;
pub use report::Outcomes;
pub use report::PartReport;
pub use report::Report;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "dns-mix",
    rule: "dns_failure_rate",
    makes: "queries that are answered, unanswered, resent and refused, each an exact number",
    fault: Fault::DnsMix,
};

/// A round is made this often: a steady mix, not a load.
const ROUND: Duration = Duration::from_secs(1);

/// How often the stop flag is looked at between rounds.
const TICK: Duration = Duration::from_millis(50);

/// Makes a round of the mix each second for the duration, at least one, or
/// until `stop` is set. On return no socket and no thread is left.
///
/// # Errors
///
/// One sentence with its remedy: port 53 not allowed or taken.
pub fn run(duration: Duration, stop: &AtomicBool) -> anyhow::Result<Report> {
    let begin = Instant::now();
    let parts = usable_parts(DNS_PORT)?;
    let mut report = Report::new(&parts, DNS_PORT);
    loop {
        let round = Instant::now();
        if !make_round(&parts, DNS_PORT, &mut report, stop)? {
            break;
        }
        while round.elapsed() < ROUND && begin.elapsed() < duration && !stop.load(Relaxed) {
            thread::sleep(TICK);
        }
        if begin.elapsed() >= duration || stop.load(Relaxed) {
            break;
        }
    }
    report.seconds = begin.elapsed().as_secs_f64();
    Ok(report)
}

/// False if it was told to stop in the middle.
fn make_round(
    parts: &[&'static Part],
    port: u16,
    report: &mut Report,
    stop: &AtomicBool,
) -> anyhow::Result<bool> {
    for (index, part) in parts.iter().enumerate() {
        if stop.load(Relaxed) {
            return Ok(false);
        }
        let (outcomes, slowest) = exchange::make(part, port)
            .with_context(|| format!("cannot make {} of dns-mix", part.name))?;
        report.add(index, outcomes, slowest);
    }
    report.rounds += 1;
    Ok(true)
}

/// The parts that this host can make: all of them, without IPv6 those over
/// IPv4. Nobody else may listen where the mix does, or the numbers are wrong.
fn usable_parts(port: u16) -> anyhow::Result<Vec<&'static Part>> {
    let mut usable = Vec::new();
    for part in PARTS {
        match server::bind((part.address, port).into()) {
            Ok(_) => usable.push(part),
            Err(error) if has_no_ipv6(part.address, &error.source) => {}
            Err(error) => return Err(remedy(error)),
        }
    }
    if usable.is_empty() {
        bail!("this host has no loopback address: bring its interface lo up");
    }
    Ok(usable)
}

fn has_no_ipv6(address: IpAddr, error: &io::Error) -> bool {
    let absent = [Some(libc::EADDRNOTAVAIL), Some(libc::EAFNOSUPPORT)];
    address.is_ipv6() && absent.contains(&error.raw_os_error())
}

/// The sentence for a user whose host does not let the mix listen.
fn remedy(error: ListenError) -> anyhow::Error {
    let ListenError { address, source } = error;
    match source.kind() {
        io::ErrorKind::PermissionDenied => anyhow!(
            "the mix may not listen on {address}: run as root (or with CAP_NET_BIND_SERVICE)"
        ),
        io::ErrorKind::AddrInUse => anyhow!(
            "{address} is taken, by another `kerno chaos` or by a DNS server that listens on all \
             addresses: stop it, or run the mix in a network namespace of its own \
             (unshare --net, then ip link set lo up)"
        ),
        _ => anyhow!("the mix cannot listen on {address}: {source}"),
    }
}

#[cfg(test)]
mod tests;
