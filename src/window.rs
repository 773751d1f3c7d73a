//! What was seen between two moments, from its messages to what a report is made of.
//! Two that follow each other can be put together: the result is what one long window
//! would have been, but for what bounded tables had no room for.

mod names;
mod stored;

use std::net::SocketAddr;
use std::time::Duration;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

pub use names::Names;
pub use stored::Unreadable;
#[cfg(any(test, fuzzing))]
pub(crate) use stored::fuzzed;

use crate::attempt::Attempt;
use crate::attempt::Plain;
use crate::attempt::identity::IdentityTable;
use crate::attribution;
use crate::collect::Accounting;
use crate::collect::Collector;
use crate::collect::OutcomeTotals;
use crate::collect::Snapshot;
use crate::filter::Filter;
use crate::host::Clock;
use crate::host::Signal;
use crate::host::SignalName;
use crate::incidents::Evidence;
use crate::incidents::Incidents;
use crate::lookup::Lookup;
use crate::lookup::LookupResult;
use crate::monitor::Ending;
use crate::monitor::Message;
use crate::sampler::HostSample;

/// A window that is open.
#[derive(Clone, Debug, Default)]
pub struct Window {
    filter: Filter,
    seen: Seen,
}

#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default)]
struct Seen {
    /// All attempts, whatever the filter says.
    totals: OutcomeTotals,
    collector: Collector,
    incidents: Incidents,
}

/// What is known only when a window ends.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default)]
pub struct End {
    /// How long was watched.
    #[borsh(
        serialize_with = "crate::codec::duration::write",
        deserialize_with = "crate::codec::duration::read"
    )]
    pub duration: Duration,
    /// What the kernel side counted in the window, and what still waits.
    pub kernel: Ending,
    /// What the host said around it.
    pub host: HostSample,
    /// Which hooks were active.
    pub signals: Vec<Signal>,
    /// The names of workloads that became known later than their attempts.
    pub known: IdentityTable,
    /// What time it was then.
    pub clock: Option<Clock>,
}

/// A window that is over: plain data.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default)]
pub struct ClosedWindow {
    seen: Seen,
    end: End,
    /// Which names of queries it has: one that was stored may have less.
    names: Names,
    /// How it went to say whose attempts are, if that was counted. At the end: older stored
    /// windows are without.
    attribution: Option<attribution::Books>,
}

impl Window {
    /// One that shows what passes the filter; all else is evidence only.
    pub fn new(filter: Filter) -> Self {
        Self {
            filter,
            ..Self::default()
        }
    }

    /// What it shows.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Takes a message of the monitor.
    pub fn take(&mut self, message: &Message) {
        match message {
            Message::Ended(attempts) => attempts.iter().for_each(|attempt| self.attempt(attempt)),
            Message::Plain(plain) => plain.iter().for_each(|plain| self.plain(plain)),
            Message::Questions(asked) => {
                asked.iter().for_each(|it| self.seen.incidents.ask(it));
            }
            Message::TurnedAway(queries) => {
                let wanted = queries.iter().filter(|query| self.filter.matches(query));
                wanted.for_each(|query| self.seen.incidents.record_turned_away(query));
            }
            Message::CameSecond(servers) => {
                let incidents = &mut self.seen.incidents;
                let count = |(way, number): (&(u32, SocketAddr), &u64)| {
                    incidents.record_came_second(*way, *number);
                };
                servers.iter().for_each(count);
            }
            Message::SlowReads(reads) => {
                let incidents = &mut self.seen.incidents;
                let are_all_wanted = self.filter.is_all();
                let keep = |it| incidents.record_slow_read(it, are_all_wanted);
                reads.iter().for_each(keep);
            }
            Message::Lookups(lookups) => lookups.iter().for_each(|it| self.lookup(it)),
            // What they say is there when the window is closed.
            Message::Rolled(_) | Message::Finished(_) | Message::Suspects(_) => {}
        }
    }

    /// Takes an attempt that has ended.
    pub fn attempt(&mut self, attempt: &Attempt) {
        let seen = &mut self.seen;
        seen.totals.record(attempt);
        let is_wanted = self.filter.matches(attempt);
        if is_wanted {
            seen.collector.record(attempt);
        }
        let _is_incident = seen.incidents.record(attempt, is_wanted);
    }

    /// Takes attempts that were counted together; only where all are wanted.
    pub fn plain(&mut self, plain: &Plain) {
        let seen = &mut self.seen;
        seen.totals.answered += plain.number();
        seen.collector.count(plain);
        seen.incidents.count(plain);
    }

    /// Takes a lookup that is over; its attempts have come before.
    pub fn lookup(&mut self, lookup: &Lookup) {
        let failed = lookup.outline.result == LookupResult::Failed;
        let took = Duration::from_nanos(lookup.outline.duration_ns);
        let name = lookup.name.as_deref();
        if self.filter.wants(&lookup.example, name, failed, took) {
            self.seen.collector.record_lookup(lookup);
            self.seen.incidents.record_lookup(lookup);
        }
    }

    /// Attempts up to now, whatever the filter says.
    pub fn queries(&self) -> u64 {
        self.seen.totals.queries()
    }

    /// The window is over.
    pub fn close(mut self, end: End) -> ClosedWindow {
        self.roll(end)
    }

    /// The window is over, and the next begins. What spans both goes on in it, so
    /// that they can be put together.
    pub fn roll(&mut self, end: End) -> ClosedWindow {
        let next = Seen {
            incidents: self.seen.incidents.next(end.duration),
            ..Seen::default()
        };
        let mut seen = std::mem::replace(&mut self.seen, next);
        seen.learn(&end.known);
        ClosedWindow {
            seen,
            end,
            names: Names::All,
            attribution: None,
        }
    }
}

impl Seen {
    fn learn(&mut self, known: &IdentityTable) {
        self.collector.learn(known);
        self.incidents.learn(known);
    }
}

impl ClosedWindow {
    /// Puts the window behind it that was begun when this one ended
    /// ([`Window::roll`]).
    pub fn merge(&mut self, next: &Self) {
        self.end.kernel.follow(&next.end.kernel);
        self.join(next);
    }

    /// Puts a later window behind it that did not begin when this one ended: of another run,
    /// or with others missing between them.
    pub fn merge_apart(&mut self, next: &Self) {
        self.end.kernel.add(&next.end.kernel);
        self.join(next);
    }

    fn join(&mut self, next: &Self) {
        self.seen.totals.follow(&next.seen.totals);
        self.seen.collector.follow(&next.seen.collector);
        self.seen.incidents.follow(&next.seen.incidents);
        self.end.known.follow(next.end.known.clone());
        self.seen.learn(&self.end.known);
        self.end.duration += next.end.duration;
        self.end.host.follow(next.end.host.clone());
        self.end.clock = next.end.clock.or(self.end.clock);
        // Hooks only get lost: the later list is the shorter one.
        self.end.signals.clone_from(&next.end.signals);
        self.names = self.names.min(next.names);
        // A part of a sum would pass for the whole.
        let both = self.attribution.take().zip(next.attribution.clone());
        self.attribution = both.map(|(mut books, next)| {
            books.follow(next);
            books
        });
    }

    /// Says how it went to say whose its attempts are.
    pub fn attributed(mut self, books: attribution::Books) -> Self {
        self.attribution = Some(books);
        self
    }

    /// How it went to say whose its attempts are, if that was counted in all of it.
    pub fn attribution(&self) -> Option<&attribution::Books> {
        self.attribution.as_ref()
    }

    /// Gives back the room that only an open window needs.
    pub fn shrink(&mut self) {
        self.seen.collector.shrink();
        self.seen.incidents.shrink();
    }

    /// What cannot be told because names of queries were not kept, in a sentence.
    pub fn names_missing(&self) -> Option<&'static str> {
        match self.names {
            Names::All => None,
            Names::Failed => Some(
                "Part of this comes from disk, where names of queries that did not fail are not \
                 written (--history-names): nothing is said about search lists there.",
            ),
            Names::None => Some(
                "Part of this comes from disk, where names of queries are not written \
                 (--history-names): nothing is said about search lists there.",
            ),
        }
    }

    /// What it takes, in octets, about.
    pub fn octets(&self) -> usize {
        self.seen.collector.octets() + self.seen.incidents.octets() + self.end.host.octets()
    }

    /// Attempts that ended in it, whatever the filter says.
    pub fn queries(&self) -> u64 {
        self.seen.totals.queries()
    }

    /// Of these, those that failed.
    pub fn failed(&self) -> u64 {
        self.seen.totals.failed()
    }

    /// How long was watched.
    pub fn duration(&self) -> Duration {
        self.end.duration
    }

    /// Which hooks were active.
    pub fn signals(&self) -> Vec<Signal> {
        let mut signals = self.end.signals.clone();
        if let Some(on_demand) = self.end.kernel.on_demand {
            signals.iter_mut().for_each(|signal| on_demand.tell(signal));
            let mut waits = signals
                .iter_mut()
                .filter(|signal| signal.name == SignalName::RunQueue && signal.missing.is_none());
            if let Some(signal) = waits.next() {
                signal.attached = Some(self.end.host.waits_looked_at);
            }
        }
        signals
    }

    /// The figures.
    pub fn snapshot(&self) -> Snapshot {
        self.seen.collector.snapshot()
    }

    /// What went wrong, with all that is known about it: it is taken out, whose tables are most
    /// of a window. What was seen and lost, and the figures, stay.
    pub fn take_evidence(&mut self) -> Evidence {
        let missing = |signal: &Signal| signal.missing.clone();
        let unseen = self.end.signals.iter().filter_map(missing).collect();
        let host = std::mem::take(&mut self.end.host);
        let incidents = std::mem::take(&mut self.seen.incidents);
        let mut evidence = incidents.close(host, self.end.duration, unseen);
        evidence.on_demand = self.end.kernel.on_demand;
        evidence.clock = self.end.clock;
        evidence
    }

    /// The same of a copy.
    #[cfg(test)]
    pub(crate) fn evidence(&self) -> Evidence {
        self.clone().take_evidence()
    }

    /// What was seen and lost.
    pub fn accounting(&self, evidence: &Evidence) -> Accounting {
        Accounting::new(&self.end.kernel, self.seen.totals, evidence.drops_unseen)
    }
}

#[cfg(test)]
mod tests;
