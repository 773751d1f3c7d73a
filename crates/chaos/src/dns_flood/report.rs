//! What is said at the end: what the flood sent and what came back.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroU16;
use std::num::NonZeroU32;

use serde::Serialize;

use super::Options;
use super::SCENARIO;
use super::SERVICE_RATE;
use crate::flood::Latency;
use crate::flood::Summary;
use crate::testbed::server::Counts;

/// The embedded server's side of the story. `received = answered + junk + unsent`
/// holds exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Embedded {
    /// Queries per second that it answers at most.
    pub(super) service_rate: NonZeroU32,
    /// Messages taken from the sockets.
    pub(super) received: u64,
    /// Answers given to the kernel.
    pub(super) answered: u64,
    /// Messages that no server answers: no whole header, or themselves answers.
    pub(super) junk: u64,
    /// Answers that the kernel would not send.
    pub(super) unsent: u64,
}

impl Embedded {
    pub(super) fn of(counts: Counts) -> Self {
        let Counts {
            received,
            answered,
            unsent,
        } = counts;
        Self {
            service_rate: SERVICE_RATE,
            received,
            answered,
            junk: received - answered - unsent,
            unsent,
        }
    }
}

/// The outcome of a run. As JSON it is one object with the schema
/// `kerno.chaos.v1`; absent means not applicable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    schema: &'static str,
    pub(super) scenario: &'static str,
    pub(super) rule: &'static str,
    /// Lookups per second that were asked for.
    pub(super) rate: NonZeroU32,
    /// Lookups at once that were asked for.
    pub(super) concurrency: NonZeroU16,
    /// The clients' side of the story.
    pub(super) flood: Summary,
    /// The server's side, if it was kerno's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) embedded: Option<Embedded>,
}

impl Report {
    pub(super) fn new(options: &Options, flood: Summary, embedded: Option<Embedded>) -> Self {
        Self {
            schema: "kerno.chaos.v1",
            scenario: SCENARIO.name,
            rule: SCENARIO.rule,
            rate: options.rate,
            concurrency: options.concurrency,
            flood,
            embedded,
        }
    }

    /// Writes it for a person: one figure per line, nothing that is zero.
    pub fn write_text(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let flood = &self.flood;
        let own = match self.embedded {
            Some(own) => format!(" (kerno's own server, {} answers/s)", own.service_rate),
            None => String::new(),
        };
        let (server, seconds) = (flood.server, flood.seconds);
        writeln!(
            out,
            "{}: flooded {server} for {seconds:.1} s{own}\n",
            self.scenario
        )?;
        let per_second = if seconds > 0.0 {
            flood.sent as f64 / seconds
        } else {
            0.0
        };
        let pace = format!(
            "{per_second:.0}/s of at most {}/s, at most {} at once",
            self.rate, self.concurrency
        );
        let line = |out: &mut dyn io::Write, what: &str, count: u64, note: &str| {
            let text = format!("  {what:<11} {count:>9}   {note}");
            writeln!(out, "{}", text.trim_end())
        };
        line(out, "sent", flood.sent, &pace)?;
        line(out, "answered", flood.answered, &breakdown(&flood.rcodes))?;
        let ends = [
            ("timed out", flood.timeouts, "no answer within 5 s"),
            ("refused", flood.refused, "nothing listens there"),
            ("errors", flood.errors, &breakdown(&flood.errnos)),
            ("abandoned", flood.abandoned, "in flight when stopped"),
            (
                "unexpected",
                flood.unexpected,
                "datagrams that answer none of the questions",
            ),
        ];
        for (what, count, note) in ends.into_iter().filter(|&(_, count, _)| count > 0) {
            line(out, what, count, note)?;
        }
        if let Some(latency) = flood.latency_ns {
            let Latency { p50, p95, p99, max } = latency;
            let [p50, p95, p99, max] =
                [p50, p95, p99, max].map(|nanos| format!("{:.1} ms", nanos as f64 / 1e6));
            let percentiles = format!("p50 {p50}, p95 {p95}, p99 {p99}, max {max}");
            writeln!(out, "\n  latency     {percentiles}")?;
        }
        // Another server may be fast enough for the flood.
        if let Some(Embedded {
            received, answered, ..
        }) = self.embedded
        {
            writeln!(
                out,
                "  server      received {received}, answered {answered}\n"
            )?;
            let rule = self.rule;
            writeln!(out, "`kerno doctor`, run at the same time, reports {rule}.")?;
        }
        Ok(())
    }
}

/// `NOERROR 120, SERVFAIL 3`.
fn breakdown(counts: &BTreeMap<String, u64>) -> String {
    let parts: Vec<String> = counts
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::tests::DEFAULT;
    use super::*;
    use crate::flood::Endpoint;

    fn report() -> Report {
        let flood = Summary {
            server: Endpoint {
                ip: [127, 53, 53, 53].into(),
                port: 53,
            },
            seconds: 30.0,
            sent: 6_128,
            answered: 6_120,
            timeouts: 0,
            refused: 0,
            errors: 3,
            abandoned: 5,
            unexpected: 0,
            rcodes: [("NOERROR".to_owned(), 6_120)].into(),
            errnos: [("EPERM".to_owned(), 3)].into(),
            latency_ns: Some(Latency {
                p50: 639_800_000,
                p95: 640_000_000,
                p99: 640_300_000,
                max: 641_000_000,
            }),
        };
        let embedded = Embedded::of(Counts {
            received: 6_125,
            answered: 6_125,
            unsent: 0,
        });
        Report::new(&DEFAULT, flood, Some(embedded))
    }

    #[test]
    fn a_person_reads_what_happened_and_nothing_else() {
        let mut out = Vec::new();
        report().write_text(&mut out).unwrap();
        let expected = "\
dns-flood: flooded 127.53.53.53:53 for 30.0 s (kerno's own server, 200 answers/s)

  sent             6128   204/s of at most 500/s, at most 128 at once
  answered         6120   NOERROR 6120
  errors              3   EPERM 3
  abandoned           5   in flight when stopped

  latency     p50 639.8 ms, p95 640.0 ms, p99 640.3 ms, max 641.0 ms
  server      received 6125, answered 6125

`kerno doctor`, run at the same time, reports dns_high_latency.
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn json_has_the_same_figures_and_no_null() {
        let mut report = report();
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["schema"], "kerno.chaos.v1");
        assert_eq!(json["rule"], "dns_high_latency");
        assert_eq!(json["flood"]["sent"], 6_128);
        assert_eq!(json["flood"]["server"]["ip"], "127.53.53.53");
        assert_eq!(json["embedded"]["answered"], 6_125);
        report.embedded = None;
        report.flood.latency_ns = None;
        let json = serde_json::to_string(&report).unwrap();
        assert!(!json.contains("null"), "{json}");
    }
}
