//! Times in which everything that was sent to a server came to a dead end.
//!
//! The kernel does not tell of each packet that it discards: a tracing program
//! does not interrupt itself, and there are contexts in which none is run. But where
//! the next hop has no link address, or no route leads on, no packet gets
//! through. So a query that stays without an answer, between others that are known
//! to have ended so, has ended so too.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Packet;
use crate::attempt::PacketDrop;

/// Servers, by network namespace of their clients.
const SERVERS_MAX: usize = 1_024;
/// Times of one server; a route that comes and goes more often is not told apart.
const SPANS_MAX: usize = 64;
/// How long a packet waits for a link address before it is discarded: the kernel
/// asks three times, a second apart (`mcast_solicit` and `retrans_time_ms`, arp(7)).
/// All that wait are discarded together, so of the first and the last ones
/// only some may be known.
const WAITS: Duration = Duration::from_secs(3);

/// Who asks, by network namespace, and which server.
type Way = (u32, IpAddr);

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct DeadEnds {
    ways: HashMap<Way, Vec<Span>>,
}

/// A time in which nothing got through.
#[derive(Clone, Debug)]
struct Span {
    /// When the first and the last packet were sent that ended so.
    first_ns: u64,
    last_ns: u64,
    /// When the first query after those was sent that was answered.
    answered_ns: Option<u64>,
    /// One of them.
    drop: PacketDrop,
}

impl DeadEnds {
    /// Takes a client's attempt, in the order of their end.
    pub(super) fn record(&mut self, attempt: &Attempt) {
        match attempt.outcome {
            Outcome::Dropped => self.add(attempt),
            Outcome::Answered | Outcome::Late if !self.ways.is_empty() => {
                let spans = self.ways.get_mut(&way(attempt));
                if let Some(span) = spans.and_then(|spans| spans.last_mut())
                    && attempt.sent_ns > span.last_ns
                {
                    span.answered_ns.get_or_insert(attempt.sent_ns);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, attempt: &Attempt) {
        let drop = attempt.drop.as_deref();
        let Some(drop) = drop.filter(|drop| is_of_query(drop) && drop.dead_end().is_some()) else {
            return;
        };
        let way = way(attempt);
        if self.ways.len() >= SERVERS_MAX && !self.ways.contains_key(&way) {
            return;
        }
        let spans = self.ways.entry(way).or_default();
        if let Some(span) = spans.last_mut().filter(|span| span.answered_ns.is_none()) {
            span.first_ns = span.first_ns.min(attempt.sent_ns);
            span.last_ns = span.last_ns.max(attempt.sent_ns);
        } else if spans.len() < SPANS_MAX {
            spans.push(Span {
                first_ns: attempt.sent_ns,
                last_ns: attempt.sent_ns,
                answered_ns: None,
                drop: drop.clone(),
            });
        }
    }

    /// What an attempt without an end of its own came to, by what is known of
    /// others at that time.
    pub(super) fn of(&self, attempt: &Attempt) -> Option<&PacketDrop> {
        let waits_ns = WAITS.as_nanos() as u64;
        let spans = self.ways.get(&way(attempt))?;
        let span = spans.iter().find(|span| {
            let from = span.first_ns.saturating_sub(waits_ns);
            let until = span.last_ns.saturating_add(waits_ns);
            let until = span
                .answered_ns
                .map_or(until, |answered| until.min(answered));
            (from..=until).contains(&attempt.sent_ns)
        })?;
        Some(&span.drop)
    }
}

fn way(attempt: &Attempt) -> Way {
    (attempt.owner.netns, attempt.peer.ip())
}

fn is_of_query(drop: &PacketDrop) -> bool {
    drop.packet != Packet::Answer
}
