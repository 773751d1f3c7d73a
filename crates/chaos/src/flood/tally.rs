//! What a flood sent and what came back, counted so that it adds up.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use domain::base::iana::OptRcode;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::testbed::client::errno_name;

/// Significant decimal digits of a percentile: an error of 0.1 % at most.
const DIGITS: u8 = 3;

/// What percentiles tell apart at best, and where they end: 1 µs and 10 minutes
/// in nanoseconds. Lookups time out long before.
const FINEST: u64 = 1_000;
const LONGEST: u64 = 600_000_000_000;

/// An address in the form of kerno's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Endpoint {
    /// IPv4 or IPv6.
    pub ip: IpAddr,
    /// UDP port.
    pub port: u16,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self {
            ip: address.ip(),
            port: address.port(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.ip, self.port).fmt(f)
    }
}

/// Latency of the answered lookups in nanoseconds, query given to the kernel to
/// answer taken from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Latency {
    /// Median.
    pub p50: u64,
    /// 95th percentile.
    pub p95: u64,
    /// 99th percentile.
    pub p99: u64,
    /// The slowest, exactly.
    pub max: u64,
}

/// The figures of a flood.
///
/// `sent = answered + timeouts + refused + errors + abandoned` holds exactly.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// Whom it asked.
    pub server: Endpoint,
    /// How long it sent, in seconds; waiting for the last answers not included.
    pub seconds: f64,
    /// Lookups started. One query message each; where `errors` says so, the
    /// kernel did not take it.
    pub sent: u64,
    /// Lookups answered, whatever the response code.
    pub answered: u64,
    /// Lookups without an answer in time.
    pub timeouts: u64,
    /// Lookups that ended with ECONNREFUSED: nobody listens there.
    pub refused: u64,
    /// Lookups that ended with another error.
    pub errors: u64,
    /// Lookups in flight when the flood was told to stop.
    pub abandoned: u64,
    /// Datagrams that answered no question of ours. Such a lookup waits on.
    pub unexpected: u64,
    /// `answered` by response code (IANA names).
    pub rcodes: BTreeMap<String, u64>,
    /// `errors` by errno name.
    pub errnos: BTreeMap<String, u64>,
    /// Absent without an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ns: Option<Latency>,
}

/// The counting itself, while the flood runs.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) figures: Summary,
    latency: Histogram<u64>,
    slowest: u64,
}

impl Tally {
    pub(super) fn of(server: SocketAddr) -> Self {
        Self {
            figures: Summary {
                server: server.into(),
                seconds: 0.0,
                sent: 0,
                answered: 0,
                timeouts: 0,
                refused: 0,
                errors: 0,
                abandoned: 0,
                unexpected: 0,
                rcodes: BTreeMap::new(),
                errnos: BTreeMap::new(),
                latency_ns: None,
            },
            latency: Histogram::new_with_bounds(FINEST, LONGEST, DIGITS)
                .expect("the bounds are far enough apart and the digits within 0 to 5"),
            slowest: 0,
        }
    }

    pub(super) fn answer(&mut self, rcode: u16, latency: Duration) {
        self.figures.answered += 1;
        let rcode = OptRcode::masked_from_int(rcode).to_string();
        *self.figures.rcodes.entry(rcode).or_default() += 1;
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.slowest = self.slowest.max(nanos);
        self.latency.saturating_record(nanos);
    }

    pub(super) fn error(&mut self, error: &io::Error) {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            self.figures.refused += 1;
        } else {
            self.figures.errors += 1;
            let errno = errno_name(error);
            *self.figures.errnos.entry(errno).or_default() += 1;
        }
    }

    pub(super) fn summary(&self, sending: Duration) -> Summary {
        // The histogram names a bucket's upper end, which may lie above the
        // slowest answer there was.
        let quantile = |q| self.latency.value_at_quantile(q).min(self.slowest);
        Summary {
            seconds: sending.as_secs_f64(),
            latency_ns: (self.figures.answered > 0).then(|| Latency {
                p50: quantile(0.50),
                p95: quantile(0.95),
                p99: quantile(0.99),
                max: self.slowest,
            }),
            ..self.figures.clone()
        }
    }
}

impl Summary {
    /// Lookups that ended otherwise than by an answer or by being stopped.
    pub(crate) fn failed(&self) -> u64 {
        self.timeouts + self.refused + self.errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_come_from_the_latencies_and_never_exceed_the_slowest() {
        let mut tally = Tally::of(([127, 0, 0, 1], 53).into());
        let none = tally.summary(Duration::ZERO);
        assert_eq!(none.latency_ns, None);
        assert!(!serde_json::to_string(&none).unwrap().contains("null"));

        for millis in 1..=1_000 {
            tally.answer(0, Duration::from_millis(millis));
        }
        let latency = tally.summary(Duration::ZERO).latency_ns.unwrap();
        let near = |nanos: u64, millis: u64| {
            let expected = millis * 1_000_000;
            nanos.abs_diff(expected) * 1_000 <= expected
        };
        assert!(near(latency.p50, 500), "{latency:?}");
        assert!(near(latency.p95, 950), "{latency:?}");
        assert!(near(latency.p99, 990), "{latency:?}");
        assert_eq!(latency.max, 1_000_000_000);
        assert!(latency.p99 <= latency.max);
    }

    #[test]
    fn errors_are_counted_by_name_and_refusals_apart() {
        let mut tally = Tally::of(([127, 0, 0, 1], 53).into());
        tally.error(&io::Error::from_raw_os_error(libc::ECONNREFUSED));
        tally.error(&io::Error::from_raw_os_error(libc::ENETUNREACH));
        tally.error(&io::Error::from_raw_os_error(libc::ENETUNREACH));
        tally.error(&io::Error::other("no errno"));
        let summary = tally.summary(Duration::ZERO);
        assert_eq!((summary.refused, summary.errors), (1, 3));
        assert_eq!(summary.errnos["ENETUNREACH"], 2);
        assert_eq!(summary.failed(), 4);
    }
}
