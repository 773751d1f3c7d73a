//! What the mix itself counted.

use std::io;
use std::net::SocketAddr;
use std::ops::AddAssign;
use std::time::Duration;

use serde::Serialize;

use super::SCENARIO;
use super::part::Part;
use super::part::Transport;
use crate::flood::Endpoint;

/// How query messages ended, as client and server together know it.
/// `queries = answered + unanswered + refused + unheard` holds exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// Query messages sent; over TCP also connections that were refused before
    /// the query could be written.
    pub(super) queries: u64,
    pub(super) answered: u64,
    /// Taken by the server, which said nothing.
    pub(super) unanswered: u64,
    /// The client's socket was told that nobody listens.
    pub(super) refused: u64,
    /// Nobody listens, and the client's socket was not told.
    pub(super) unheard: u64,
}

/// One part of the mix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartReport {
    /// What it makes, as `refused-udp6`.
    pub(super) part: &'static str,
    pub(super) transport: Transport,
    pub(super) server: Endpoint,
    #[serde(flatten)]
    pub(super) outcomes: Outcomes,
}

/// The outcome of a run. As JSON it is one object with the schema
/// `kerno.chaos.v1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    schema: &'static str,
    pub(super) scenario: &'static str,
    pub(super) rule: &'static str,
    pub(super) seconds: f64,
    /// Rounds made to their end.
    pub(super) rounds: u64,
    pub(super) total: Outcomes,
    /// Longest time from giving a query to the kernel to reading its answer, in
    /// nanoseconds; 0 without an answer.
    pub(super) slowest_answer_ns: u64,
    pub(super) parts: Vec<PartReport>,
}

impl Report {
    pub(super) fn new(parts: &[&'static Part], port: u16) -> Self {
        let part = |part: &&'static Part| PartReport {
            part: part.name,
            transport: part.transport,
            server: SocketAddr::new(part.address, port).into(),
            outcomes: Outcomes::default(),
        };
        Self {
            schema: "kerno.chaos.v1",
            scenario: SCENARIO.name,
            rule: SCENARIO.rule,
            seconds: 0.0,
            rounds: 0,
            total: Outcomes::default(),
            slowest_answer_ns: 0,
            parts: parts.iter().map(part).collect(),
        }
    }

    /// Adds what one part of a round came to.
    pub(super) fn add(&mut self, part: usize, outcomes: Outcomes, slowest: Duration) {
        self.parts[part].outcomes += outcomes;
        self.total += outcomes;
        let nanos = u64::try_from(slowest.as_nanos()).unwrap_or(u64::MAX);
        self.slowest_answer_ns = self.slowest_answer_ns.max(nanos);
    }

    /// Writes it for a person: a line for each part.
    pub fn write_text(&self, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(
            out,
            "{}: {} queries in {:.1} s ({} rounds), client and server on loopback\n",
            self.scenario, self.total.queries, self.seconds, self.rounds
        )?;
        writeln!(
            out,
            "  {:<16} {:>14} {:>8} {:>9} {:>11} {:>8} {:>8}",
            "part", "server", "queries", "answered", "unanswered", "refused", "unheard"
        )?;
        for part in &self.parts {
            let server = part.server.ip.to_string();
            write_row(out, part.part, &server, part.outcomes)?;
        }
        write_row(out, "all", "", self.total)?;
        writeln!(
            out,
            "\nUnheard: nobody listens, and a socket that is not connected is not told so.\n\
             `kerno doctor`, run at the same time, reports {}.",
            self.rule
        )
    }
}

fn write_row(
    out: &mut dyn io::Write,
    name: &str,
    server: &str,
    outcomes: Outcomes,
) -> io::Result<()> {
    let Outcomes {
        queries,
        answered,
        unanswered,
        refused,
        unheard,
    } = outcomes;
    writeln!(
        out,
        "  {name:<16} {server:>14} {queries:>8} {answered:>9} {unanswered:>11} {refused:>8} \
         {unheard:>8}"
    )
}

impl AddAssign for Outcomes {
    fn add_assign(&mut self, other: Self) {
        self.queries += other.queries;
        self.answered += other.answered;
        self.unanswered += other.unanswered;
        self.refused += other.refused;
        self.unheard += other.unheard;
    }
}
