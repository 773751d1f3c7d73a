//! The scenario `dns-flood`: more lookups than a DNS server can answer.
//!
//! By default the server is kerno's own, slow on purpose, on a loopback address
//! that no resolver uses, so that nothing else on this host is disturbed.

mod progress;
mod report;

use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::num::NonZeroU32;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::anyhow;

use super::flood::Flood;
use super::flood::TIMEOUT;
use super::scenario::Fault;
use super::scenario::Scenario;
use super::target::Choice;
use super::target::DNS_PORT;
use super::testbed::server;
use super::testbed::server::ListenError;
use super::testbed::server::Server;
use report::Embedded;
pub use report::Report;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "dns-flood",
    rule: "dns_high_latency",
    makes: "more lookups than a DNS server can answer, so that its queue grows",
    fault: Fault::DnsFlood,
};

/// Where the embedded server listens: loopback, but neither 127.0.0.1 nor the
/// 127.0.0.53 and 127.0.0.54 of systemd-resolved.
const EMBEDDED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 53, 53, 53)), DNS_PORT);

/// Queries per second that the embedded server answers. With the default
/// concurrency its latency settles at 128 / 200 = 640 ms, above the 500 ms from
/// which `dns_high_latency` is critical, and far below the 5 s after which
/// lookups fail.
pub const SERVICE_RATE: NonZeroU32 = NonZeroU32::new(200).unwrap();

/// Default of `--rate`: enough to fill the server's queue in half a second.
pub const DEFAULT_RATE: NonZeroU32 = NonZeroU32::new(500).unwrap();

/// Default of `--concurrency`. About 190 queries fit a receive buffer of default
/// size (212,992 bytes, measured on Linux 6.18), so that none of these is lost:
/// the fault is latency alone. A higher figure makes losses as well.
pub const DEFAULT_CONCURRENCY: NonZeroU16 = NonZeroU16::new(128).unwrap();

/// What the command line can say about the flood.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whom to flood.
    pub server: Choice,
    /// Finds the resolver that this host uses; an error says what to do.
    pub system: fn() -> anyhow::Result<SocketAddr>,
    /// A server outside loopback and private ranges is meant.
    pub yes_flood_it: bool,
    /// Lookups started per second, at most.
    pub rate: NonZeroU32,
    /// Lookups in flight, at most.
    pub concurrency: NonZeroU16,
    /// How long new lookups are started. The last ones are waited for, 5 s at
    /// most.
    pub duration: Duration,
}

/// Makes the fault for the duration, or until `stop` is set, with a progress
/// line on a terminal's stderr. On return no socket and no thread is left.
///
/// # Errors
///
/// One sentence with its remedy each: a target that must not be flooded, port
/// 53 not allowed or taken, too few file descriptors.
pub fn run(options: &Options, stop: &AtomicBool) -> anyhow::Result<Report> {
    let chosen = options
        .server
        .resolve(options.yes_flood_it, options.system)?;
    let embedded = match chosen {
        Some(_) => None,
        None => Some(Server::start(&[EMBEDDED], server::well(Some(SERVICE_RATE))).map_err(remedy)?),
    };
    let flood = Flood {
        server: chosen.unwrap_or(EMBEDDED),
        rate: options.rate,
        concurrency: options.concurrency,
        duration: options.duration,
        timeout: TIMEOUT,
    };
    let mut line = progress::Line::new(options.duration);
    let summary = flood.run(stop, &mut |elapsed, figures, in_flight| {
        line.show(elapsed, figures, in_flight);
    });
    line.clear();
    let summary = summary?;
    let embedded = embedded.map(|server| Embedded::of(server.stop()));
    Ok(Report::new(options, summary, embedded))
}

/// The sentence for a user whose host does not let the embedded server listen.
fn remedy(error: ListenError) -> anyhow::Error {
    let ListenError { address, source } = error;
    match source.kind() {
        io::ErrorKind::PermissionDenied => anyhow!(
            "kerno's own DNS server may not listen on {address}: run as root (or with \
             CAP_NET_BIND_SERVICE), or flood a running server with --server ADDR"
        ),
        io::ErrorKind::AddrInUse => anyhow!(
            "{address} is taken, by another `kerno chaos` or by a DNS server that listens on \
             all addresses: stop it, or flood that one with --server 127.0.0.1"
        ),
        _ => anyhow!(
            "kerno's own DNS server cannot listen on {address} ({source}): flood a running \
             server with --server ADDR"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const DEFAULT: Options = Options {
        server: Choice::Embedded,
        system: || unreachable!("no test asks the resolver of this host"),
        yes_flood_it: false,
        rate: DEFAULT_RATE,
        concurrency: DEFAULT_CONCURRENCY,
        duration: Duration::from_millis(200),
    };

    fn sentence(kind: io::ErrorKind) -> String {
        let (address, source) = (EMBEDDED, kind.into());
        remedy(ListenError { address, source }).to_string()
    }

    #[test]
    fn each_way_of_not_listening_names_its_remedy() {
        let denied = sentence(io::ErrorKind::PermissionDenied);
        assert!(
            denied.contains("root") && denied.contains("--server"),
            "{denied}"
        );
        let taken = sentence(io::ErrorKind::AddrInUse);
        assert!(taken.contains("127.53.53.53:53 is taken"), "{taken}");
        assert!(taken.contains("--server 127.0.0.1"), "{taken}");
        let other = sentence(io::ErrorKind::AddrNotAvailable);
        assert!(other.contains("--server"), "{other}");
    }

    #[test]
    fn the_defaults_trip_the_rule_and_lose_nothing() {
        let millis = u64::from(DEFAULT_CONCURRENCY.get()) * 1_000 / u64::from(SERVICE_RATE.get());
        assert!(millis > 500, "critical is above 500 ms");
        assert!(u128::from(millis) * 4 < TIMEOUT.as_millis());
        assert!(DEFAULT_RATE > SERVICE_RATE);
    }

    #[test]
    fn a_target_of_somebody_else_is_refused_before_anything_is_sent() {
        let options = Options {
            server: "192.0.2.1".parse().unwrap(),
            ..DEFAULT
        };
        let error = run(&options, &AtomicBool::new(false)).unwrap_err();
        assert!(error.to_string().contains("--yes-flood-it"), "{error}");
    }

    #[test]
    fn a_server_that_was_named_is_flooded_until_told_to_stop() {
        let server = Server::start(&[([127, 0, 0, 1], 0).into()], server::well(None)).unwrap();
        let options = Options {
            server: Choice::Server(server.addresses()[0]),
            ..DEFAULT
        };
        let report = run(&options, &AtomicBool::new(false)).unwrap();
        assert_eq!(report.embedded, None);
        assert_eq!(report.flood.answered, server.stop().answered);

        let stopped = run(&options, &AtomicBool::new(true)).unwrap();
        assert_eq!(stopped.flood.sent, 0);
    }
}
