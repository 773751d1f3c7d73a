//! Times in which everything that was sent to a server came to a dead end.
//!
//! The kernel does not tell of each packet that it discards (docs/architecture.md). But
//! where the next hop has no link address, or no route leads on, none gets through: a query
//! without an answer, between others that are known to have ended so, has ended so too.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use crate::attempt::Attempt;
use crate::attempt::MOMENT_NS;
use crate::attempt::Outcome;
use crate::attempt::Packet;
use crate::attempt::PacketDrop;
use crate::attempt::Plain;

/// Servers, by network namespace of their clients.
const SERVERS_MAX: usize = 1_024;
/// The same, of those that answer.
const ANSWERING_MAX: usize = 4_096;
/// Times of one server; a route that comes and goes more often is not told apart.
const SPANS_MAX: usize = 64;
/// What is older than this is known in the windows from then only. Far longer than a query
/// and its drop are apart.
const KNOWN_NS: u64 = 60_000_000_000;
/// How long a packet waits for a link address before it is discarded: the kernel
/// asks three times, a second apart (`mcast_solicit` and `retrans_time_ms`, arp(7)).
/// All that wait are discarded together, so of the first and the last ones
/// only some may be known.
const WAITS: Duration = Duration::from_secs(3);

/// Who asks, by network namespace, and which server.
type Way = (u32, IpAddr);

#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default)]
pub(super) struct DeadEnds {
    ways: HashMap<Way, Vec<Span>>,
    /// A drop is told when its packet has waited; by then queries that were sent after it
    /// may have been answered.
    answered: HashMap<Way, Answered>,
}

/// In which of the latest slots of time a query was sent that was answered.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default)]
struct Answered {
    newest: u64,
    /// Bit n: the slot n before the newest.
    slots: u64,
}

/// With 64 of these, 6.4 s: longer than a packet waits.
const SLOT_NS: u64 = MOMENT_NS;

/// A time in which nothing got through.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug)]
struct Span {
    /// When the first and the last packet were sent that ended so.
    first_ns: u64,
    last_ns: u64,
    /// Queries were answered that were sent before then, and from then on.
    after_ns: u64,
    before_ns: Option<u64>,
    drop: PacketDrop,
}

impl DeadEnds {
    /// Takes a client's attempt, in the order of their end.
    pub(super) fn record(&mut self, attempt: &Attempt) {
        match attempt.outcome {
            Outcome::Dropped | Outcome::Refused => self.add(attempt),
            Outcome::Answered | Outcome::Late => self.answer(way(attempt), attempt.sent_ns),
            _ => {}
        }
    }

    /// Takes a client's attempts that were counted together.
    pub(super) fn count(&mut self, plain: &Plain) {
        let way = way(&plain.example);
        for &sent_ns in &plain.moments {
            self.answer(way, sent_ns);
        }
    }

    /// What the window that begins at this moment has to know of it.
    pub(super) fn next(&self, begin_ns: u64) -> Self {
        let since_ns = begin_ns.saturating_sub(KNOWN_NS);
        let young = |(way, spans): (&Way, &Vec<Span>)| {
            let spans = spans.iter().filter(|span| span.last_ns >= since_ns);
            let spans: Vec<_> = spans.cloned().collect();
            (!spans.is_empty()).then_some((*way, spans))
        };
        let answered = self.answered.iter();
        let answered = answered.filter(|(_, it)| (it.newest + 1) * SLOT_NS >= since_ns);
        Self {
            ways: self.ways.iter().filter_map(young).collect(),
            answered: answered.map(|(way, it)| (*way, *it)).collect(),
        }
    }

    /// Adds what was seen in the window that was begun by [`Self::next`] at this moment; 0 if
    /// it was begun otherwise.
    pub(super) fn follow(&mut self, next: Self, begin_ns: u64) {
        let since_ns = match begin_ns {
            0 => u64::MAX,
            begin_ns => begin_ns.saturating_sub(KNOWN_NS),
        };
        for (way, more) in next.ways {
            let spans = self.ways.entry(way).or_default();
            // The later ones have gone on there.
            spans.retain(|span| span.last_ns < since_ns);
            spans.extend(more);
            let old = spans.len().saturating_sub(SPANS_MAX);
            spans.drain(..old);
        }
        self.answered.extend(next.answered);
        bound(&mut self.ways, SERVERS_MAX);
        bound(&mut self.answered, ANSWERING_MAX);
    }

    fn answer(&mut self, way: Way, sent_ns: u64) {
        if self.answered.len() < ANSWERING_MAX || self.answered.contains_key(&way) {
            self.answered.entry(way).or_default().add(sent_ns);
        }
        if let Some(span) = self.ways.get_mut(&way).and_then(|spans| spans.last_mut())
            && sent_ns > span.last_ns
        {
            span.before_ns.get_or_insert(sent_ns);
        }
    }

    fn add(&mut self, attempt: &Attempt) {
        let drop = attempt.drop.as_deref();
        let Some(drop) = drop.filter(|it| it.packet != Packet::Answer && it.dead_end().is_some())
        else {
            return;
        };
        let way = way(attempt);
        if self.ways.len() >= SERVERS_MAX && !self.ways.contains_key(&way) {
            return;
        }
        let answered = self.answered.get(&way).copied().unwrap_or_default();
        let after_ns = answered.before(attempt.sent_ns);
        let before_ns = answered.after(attempt.sent_ns);
        let spans = self.ways.entry(way).or_default();
        let last = spans.last_mut().filter(|span| {
            // Nothing was answered between.
            span.before_ns.is_none_or(|before| before > attempt.sent_ns) && after_ns <= span.last_ns
        });
        if let Some(span) = last {
            span.first_ns = span.first_ns.min(attempt.sent_ns);
            span.last_ns = span.last_ns.max(attempt.sent_ns);
        } else if spans.len() < SPANS_MAX {
            spans.push(Span {
                first_ns: attempt.sent_ns,
                last_ns: attempt.sent_ns,
                after_ns,
                before_ns,
                drop: drop.clone(),
            });
        }
    }

    /// When the last query was sent there that was answered, to a slot of time.
    pub(super) fn last_answers(&self) -> impl Iterator<Item = (Way, u64)> {
        let newest = |(way, answered): (&Way, &Answered)| (*way, answered.newest * SLOT_NS);
        self.answered.iter().map(newest)
    }

    /// What an attempt without an end of its own came to, by what is known of
    /// others at that time.
    pub(super) fn of(&self, attempt: &Attempt) -> Option<&PacketDrop> {
        let waits_ns = WAITS.as_nanos() as u64;
        let spans = self.ways.get(&way(attempt))?;
        let span = spans.iter().find(|span| {
            let from = span.first_ns.saturating_sub(waits_ns).max(span.after_ns);
            let until = span.last_ns.saturating_add(waits_ns);
            let until = span.before_ns.map_or(until, |before| until.min(before));
            (from..=until).contains(&attempt.sent_ns)
        })?;
        Some(&span.drop)
    }
}

impl Answered {
    fn add(&mut self, sent_ns: u64) {
        let slot = sent_ns / SLOT_NS;
        if slot > self.newest {
            let ahead = u32::try_from(slot - self.newest).unwrap_or(u32::MAX);
            self.slots = self.slots.checked_shl(ahead).unwrap_or(0);
            self.newest = slot;
        }
        let behind = u32::try_from(self.newest - slot).unwrap_or(u32::MAX);
        self.slots |= 1_u64.checked_shl(behind).unwrap_or(0);
    }

    fn filled(&self) -> impl DoubleEndedIterator<Item = u64> {
        let Self { newest, slots } = *self;
        let filled = (0..u64::from(u64::BITS)).filter(move |behind| slots >> behind & 1 == 1);
        filled.map(move |behind| newest.saturating_sub(behind))
    }

    /// Until when queries before this one were answered, as far as it is known.
    fn before(&self, sent_ns: u64) -> u64 {
        let slot = self.filled().find(|&slot| slot < sent_ns / SLOT_NS);
        slot.map_or(0, |slot| (slot + 1) * SLOT_NS)
    }

    /// From when on queries after this one were.
    fn after(&self, sent_ns: u64) -> Option<u64> {
        let slot = self.filled().rev().find(|&slot| slot > sent_ns / SLOT_NS)?;
        Some(slot * SLOT_NS)
    }
}

/// Takes out what is too much: in a fixed order, for two reports are to compare.
fn bound<T>(of: &mut HashMap<Way, T>, max: usize) {
    let Some(over) = of.len().checked_sub(max).filter(|over| *over > 0) else {
        return;
    };
    let mut ways: Vec<Way> = of.keys().copied().collect();
    ways.sort_unstable();
    for way in &ways[ways.len() - over..] {
        of.remove(way);
    }
}

fn way(attempt: &Attempt) -> Way {
    (attempt.owner.netns, attempt.peer.ip())
}
