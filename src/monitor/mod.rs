//! The thread that owns the programs, and the channel through which it hands on
//! what has ended.
//!
//! The poller drains the ring buffer, sweeps the queries that nobody answered, and
//! hands [`Attempt`]s on in batches. When the receiver is slow the poller
//! waits; the ring buffer fills, and the kernel counts what it could not put
//! there. So there is one place for losses, and memory stays bounded.

mod asked;
mod cells;
mod demand;
mod fill;
mod grouping;
mod poller;
mod questions;
mod sockets;
mod standing;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::anyhow;
use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use crossbeam_channel::Receiver;
use crossbeam_channel::bounded;
use nix::sys::eventfd::EfdFlags;
use nix::sys::eventfd::EventFd;

pub use standing::KernelStanding;
pub use standing::KernelState;

use crate::attempt::Attempt;
use crate::attempt::Plain;
use crate::attempt::PlainQuestions;
use crate::attempt::SlowRead;
use crate::host::Host;
use crate::host::Signal;
use crate::host::SignalName;
use crate::kernel::Config;
use crate::kernel::Counters;
use crate::lookup::GrouperCounts;
use crate::lookup::Lookup;

/// Batches that may wait for the receiver; with the ring buffer behind it, the
/// memory that a stopped reader can cost.
const CHANNEL_BATCHES: usize = 4;

/// Records taken from the ring buffer at once; bounds what a flood can pile up.
const DRAIN_MAX: usize = 2048;

/// What the poller is told, each after the other.
const WATCHING: u8 = 0;
const SETTLING: u8 = 1;
const STOPPING: u8 = 2;

/// What the poller is to do, and a bell that ends its sleep.
#[derive(Debug)]
struct Phase {
    now: AtomicU8,
    /// Whether a window is to end.
    rolls: AtomicBool,
    /// Whether somebody looks on who wants each attempt.
    each: AtomicBool,
    bell: EventFd,
}

impl Phase {
    fn new() -> Result<Self> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        Ok(Self {
            now: AtomicU8::new(WATCHING),
            rolls: AtomicBool::new(false),
            each: AtomicBool::new(false),
            bell: EventFd::from_flags(flags).context("no eventfd")?,
        })
    }

    fn is(&self, phase: u8) -> bool {
        self.now.load(Ordering::Relaxed) == phase
    }

    /// Never back to an earlier one.
    fn advance(&self, phase: u8) {
        self.now.fetch_max(phase, Ordering::Relaxed);
        self.ring();
    }

    /// Asks for the end of a window.
    fn roll(&self) {
        self.rolls.store(true, Ordering::Relaxed);
        self.ring();
    }

    /// Whether that was asked for since the last time.
    fn is_to_roll(&self) -> bool {
        self.rolls.swap(false, Ordering::Relaxed)
    }

    fn wants_each(&self) -> bool {
        self.each.load(Ordering::Relaxed)
    }

    fn ring(&self) {
        // One that rings already needs no more.
        let _rung = self.bell.write(1);
    }

    /// The poller is awake.
    fn heard(&self) {
        // It need not have rung.
        let _count = self.bell.read();
    }
}

/// Lets who looks on have each attempt told, also those that would be counted together.
#[derive(Clone, Debug)]
pub struct Each(Arc<Phase>);

impl Each {
    /// From now on, or no longer.
    pub fn want(&self, is_wanted: bool) {
        self.0.each.store(is_wanted, Ordering::Relaxed);
        self.0.ring();
    }
}

/// What comes through the channel.
#[derive(Debug)]
pub enum Message {
    /// Attempts that have ended, in the order in which they ended.
    Ended(Vec<Attempt>),
    /// Attempts that ended well, counted together; before any that failed later.
    Plain(Vec<Plain>),
    /// What was asked in these, by server; before the end of the window at the latest.
    Questions(Vec<PlainQuestions>),
    /// Lookups that are over, but those that were counted; after their attempts.
    Lookups(Vec<Lookup>),
    /// Where queries were discarded that may be those of other hosts: network namespace and
    /// address. Whose they were is told by the next, once it is certain.
    Suspects(BTreeSet<(u32, SocketAddr)>),
    /// Queries of other hosts that this one discarded before a server here could see them:
    /// of the server's role, and counted nowhere else.
    TurnedAway(Vec<Attempt>),
    /// Who answered what another server had answered before, and how often: network namespace
    /// of who asked, and server.
    CameSecond(BTreeMap<(u32, SocketAddr), u64>),
    /// Answers that lay in their client's socket before they were read.
    SlowReads(Vec<SlowRead>),
    /// A window is over, and what comes next belongs to the one after.
    Rolled(Ending),
    /// The last message: the programs are detached. What the kernel side says is about the
    /// time since the last window.
    Finished(Ending),
}

/// What the kernel side says at the end.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Everything that the kernel saw and lost.
    pub counters: Counters,
    /// Attempts without an end when the window began, both roles; 0 in the first one.
    pub carried: u64,
    /// Attempts without an end when it stopped, both roles.
    pub in_flight: u64,
    /// Answers that belonged to no query that was seen.
    pub stray_answers: u64,
    /// Of them, those that may belong to queries from before the watching.
    pub strays_early: u64,
    /// Discarded packets that belonged to no failed attempt that was seen.
    pub drops_unjoined: u64,
    /// Lookups that there was no room for.
    pub grouped: GrouperCounts,
    /// How long the hooks on demand were attached; `None` if they were all the time.
    pub on_demand: Option<OnDemand>,
}

/// How long hooks were attached that are only while there is a reason.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnDemand {
    /// What reads answers.
    #[borsh(
        serialize_with = "crate::codec::duration::write",
        deserialize_with = "crate::codec::duration::read"
    )]
    pub reads: Duration,
    /// What tells what a send returned.
    #[borsh(
        serialize_with = "crate::codec::duration::write",
        deserialize_with = "crate::codec::duration::read"
    )]
    pub sends: Duration,
    /// What tells where a send goes, and whether a control group denies it.
    #[borsh(
        serialize_with = "crate::codec::duration::write",
        deserialize_with = "crate::codec::duration::read"
    )]
    pub destinations: Duration,
}

impl OnDemand {
    fn since(&self, before: &Self) -> Self {
        Self {
            reads: self.reads.saturating_sub(before.reads),
            sends: self.sends.saturating_sub(before.sends),
            destinations: self.destinations.saturating_sub(before.destinations),
        }
    }

    fn follow(&mut self, next: &Self) {
        self.reads += next.reads;
        self.sends += next.sends;
        self.destinations += next.destinations;
    }

    /// Tells it of a signal.
    pub fn tell(&self, signal: &mut Signal) {
        signal.attached = match signal.name {
            _ if signal.missing.is_some() => None,
            SignalName::Reads => Some(self.reads),
            SignalName::FailedSends => Some(self.sends),
            SignalName::Denials => Some(self.destinations),
            _ => None,
        };
    }
}

impl Ending {
    /// What there was after `before`, the state at an earlier time.
    fn since(&self, before: &Self) -> Self {
        Self {
            counters: self.counters.since(&before.counters),
            carried: before.in_flight,
            in_flight: self.in_flight,
            stray_answers: self.stray_answers - before.stray_answers,
            strays_early: self.strays_early - before.strays_early,
            drops_unjoined: self.drops_unjoined - before.drops_unjoined,
            grouped: self.grouped.since(&before.grouped),
            on_demand: match (self.on_demand, before.on_demand) {
                (Some(all), Some(before)) => Some(all.since(&before)),
                (all, _) => all,
            },
        }
    }

    /// Adds what the kernel side counted right after.
    pub fn follow(&mut self, next: &Self) {
        self.in_flight = 0;
        let carried = self.carried;
        self.add(next);
        self.carried = carried;
    }

    /// Adds what the kernel side counted at another time: of those that waited when the first
    /// ended nothing more is known.
    pub fn add(&mut self, next: &Self) {
        self.counters.add(&next.counters);
        self.carried += next.carried;
        self.in_flight += next.in_flight;
        self.stray_answers += next.stray_answers;
        self.strays_early += next.strays_early;
        self.drops_unjoined += next.drops_unjoined;
        self.grouped.add(&next.grouped);
        match (&mut self.on_demand, &next.on_demand) {
            (Some(on_demand), Some(next)) => on_demand.follow(next),
            (on_demand, next) => *on_demand = on_demand.or(*next),
        }
    }
}

/// The running monitor. Dropping it detaches everything and ends the thread.
#[derive(Debug)]
pub struct Monitor {
    /// Which hooks are active.
    pub signals: Vec<Signal>,
    messages: Receiver<Message>,
    phase: Arc<Phase>,
    standing: KernelStanding,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Monitor {
    /// Loads and attaches the programs, and returns when they count. An attempt
    /// is given up on after `timeout`.
    pub fn start(host: Host, config: Config, timeout: Duration) -> Result<Self> {
        let (ready_tx, ready_rx) = bounded(1);
        let (tx, messages) = bounded(CHANNEL_BATCHES);
        let phase = Arc::new(Phase::new()?);
        let told = Arc::clone(&phase);
        let standing = KernelStanding::default();
        let stands = standing.clone();
        let thread = std::thread::Builder::new()
            .name("kerno-poller".to_owned())
            .spawn(move || poller::run(&host, &config, timeout, &ready_tx, &tx, (&told, &stands)))
            .context("cannot start the poller thread")?;
        match ready_rx.recv() {
            Ok(signals) => Ok(Self {
                signals,
                messages,
                phase,
                standing,
                thread: Some(thread),
            }),
            // The thread ended before it was ready: its result says why.
            Err(_) => Err(match thread.join() {
                Ok(Err(error)) => error,
                _ => anyhow!("the poller thread died while starting"),
            }),
        }
    }

    /// The attempts, and at last [`Message::Finished`].
    pub fn messages(&self) -> &Receiver<Message> {
        &self.messages
    }

    /// Counts no more queries, but waits for those in flight, up to the timeout:
    /// then `stop`.
    pub fn settle(&self) {
        self.phase.advance(SETTLING);
    }

    /// How the kernel's side stands.
    pub fn standing(&self) -> KernelStanding {
        self.standing.clone()
    }

    /// For who looks on.
    pub fn each(&self) -> Each {
        Each(Arc::clone(&self.phase))
    }

    /// Ends a window: what was seen before now is told, and then [`Message::Rolled`].
    pub fn roll(&self) {
        self.phase.roll();
    }

    /// Asks the poller to detach; it then sends the rest and `Finished`.
    pub fn stop(&self) {
        self.phase.advance(STOPPING);
    }

    /// Waits for the poller's end and returns its error, if any.
    pub fn join(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        self.stop();
        // Nobody listens any more: a poller that waits for room must not wait.
        self.messages = crossbeam_channel::never();
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(anyhow!("the poller thread died")),
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            log::error!("{error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn state(n: [u64; 6], waits: u64) -> Ending {
        let counters = Counters {
            queries: n[0],
            ring_full: n[1],
            missed_runs: n[2],
            ..Counters::default()
        };
        Ending {
            counters,
            in_flight: waits,
            stray_answers: n[3],
            drops_unjoined: n[4],
            on_demand: Some(OnDemand {
                reads: Duration::from_nanos(n[5]),
                ..OnDemand::default()
            }),
            ..Ending::default()
        }
    }

    proptest! {
        /// Two windows that follow each other say what one over both would.
        #[test]
        fn windows_add_up(
            mut grown: [[u64; 6]; 3],
            waiting: [u16; 3],
        ) {
            for n in grown.iter_mut().flatten() {
                *n >>= 3;
            }
            for at in 1..grown.len() {
                for field in 0..grown[at].len() {
                    grown[at][field] += grown[at - 1][field];
                }
            }
            let at: Vec<_> = grown.iter().zip(waiting).map(|(n, waits)| state(*n, waits.into())).collect();
            let mut both = at[1].since(&at[0]);
            both.follow(&at[2].since(&at[1]));
            prop_assert_eq!(both, at[2].since(&at[0]));
            prop_assert_eq!(both.carried, u64::from(waiting[0]));
        }
    }
}
