//! The poller thread: drains, sweeps, hands on.

mod ending;

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::anyhow;
use crossbeam_channel::SendTimeoutError;
use crossbeam_channel::Sender;
use libbpf_rs::RingBuffer;
use libbpf_rs::RingBufferBuilder;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;

use super::DRAIN_MAX;
use super::Ending;
use super::KernelStanding;
use super::Message;
use super::Phase;
use super::SETTLING;
use super::WATCHING;
use super::cells::Cells;
use super::demand::Demand;
use super::fill;
use super::fill::Fill;
use super::grouping::Grouping;
use super::sockets::Sockets;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::SlowRead;
use crate::event::Event;
use crate::host::Clock;
use crate::host::DropNames;
use crate::host::Host;
use crate::host::Signal;
use crate::kernel::Claim;
use crate::kernel::Config;
use crate::kernel::Programs;
use crate::kernel::Until;
use crate::kernel::Wake;
use crate::kernel::Wanted;
use crate::kernel::decode;
use crate::lookup::Grouper;
use crate::lookup::Lookup;
use crate::track::JOIN_DELAY;
use crate::track::Tracker;

/// So often, and the ring buffer was empty once: it has room for 9,709 of the
/// shortest records, which take 216 bytes of its 2 MiB.
const DRAINS_OF_RING: usize = 5;
/// How long the poller sleeps when nothing wakes it.
const NAP: Duration = Duration::from_millis(100);
/// How long it rests between two looks while there is something to be read live.
const SHORT_NAP: Duration = Duration::from_millis(2);
/// After so many looks at an empty ring buffer it sleeps until it is woken.
const EMPTY_LOOKS: u32 = 3;
/// How long it sleeps when nothing is in flight either; a query that gets no answer is
/// seen then.
const QUIET_NAP: Duration = Duration::from_secs(1);
/// How often the queries in flight are looked through, at most.
const SWEEP_EVERY: Duration = Duration::from_millis(200);
/// What has been asked just now is over by the next look, nearly always.
const PAUSE: Duration = Duration::from_millis(20);

/// The thread's main function: the programs live on its stack.
pub(super) fn run(
    host: &Host,
    config: &Config,
    timeout: Duration,
    ready: &Sender<Vec<Signal>>,
    out: &Sender<Message>,
    (phase, standing): (&Phase, &KernelStanding),
) -> Result<()> {
    let mut object = MaybeUninit::uninit();
    let mut programs = Programs::load(&mut object, host, config)?;
    let events = RefCell::new(Vec::new());
    let undecoded = RefCell::new(0);
    let sockets = RefCell::new(Sockets::new());
    let cells = RefCell::new(config.count_plain.then(|| Cells::new(Instant::now())));
    let grouper = RefCell::new(Grouper::default());
    let mut builder = RingBufferBuilder::new();
    let ring_map = programs.events()?;
    builder.add(&ring_map, |bytes| {
        let mut cells = cells.borrow_mut();
        let (mut sockets, mut grouper) = (sockets.borrow_mut(), grouper.borrow_mut());
        let count = |cells: &mut Cells| cells.take(bytes, &mut sockets, &mut grouper);
        if !phase.wants_each() && cells.as_mut().is_some_and(count) {
            return 0;
        }
        if decode(bytes, &mut events.borrow_mut()).is_none() {
            *undecoded.borrow_mut() += 1;
        }
        0
    })?;
    let ring = builder.build().context("cannot map the ring buffer")?;
    let now = Instant::now();
    let mut demand = match config.all_hooks {
        true => None,
        false => Some(Demand::new(now)),
    };
    let wanted = match &mut demand {
        Some(demand) => demand.wanted(&(&programs, host.cgroup()), now),
        None => Wanted::ALL,
    };
    programs.want(wanted, host.cgroup())?;
    programs.arm(true);
    let signals = programs.signals().to_vec();
    let mut poller = Poller {
        programs,
        ring,
        events: &events,
        undecoded: &undecoded,
        cells: &cells,
        sockets: &sockets,
        grouping: Grouping::new(&grouper, config.lookups),
        lookups: Vec::new(),
        tracker: Tracker::new(DropNames::read(), timeout),
        ended: Vec::new(),
        slow_reads: Vec::new(),
        turned_away: Vec::new(),
        timeout,
        last_sweep: now,
        demand,
        host,
        until_ns: u64::MAX,
        never_accepted: 0,
        lost_in_claims: 0,
        reported: 0,
        told: Ending::default(),
        wake: config.wake,
        is_quiet: false,
        is_busy: false,
        phase,
        standing,
        fill: Fill::new(now),
        empty_looks: 0,
        out,
    };
    let patience = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    poller
        .tracker
        .began(Clock::monotonic_ns().saturating_add(patience));
    if ready.send(signals).is_err() {
        return Ok(());
    }
    while phase.is(WATCHING) {
        poller.turn()?;
    }
    poller.programs.arm(false);
    poller.until_ns = Clock::monotonic_ns();
    poller.tracker.is_over(poller.until_ns);
    let patience = Instant::now() + timeout + SWEEP_EVERY + 2 * NAP;
    while phase.is(SETTLING) && Instant::now() < patience && !poller.is_settled()? {
        poller.turn()?;
    }
    poller.finish()
}

struct Poller<'a, 'obj, 'cb> {
    programs: Programs<'obj>,
    ring: RingBuffer<'cb>,
    events: &'a RefCell<Vec<Event>>,
    undecoded: &'a RefCell<u64>,
    /// Where plain answers are counted, if they are.
    cells: &'a RefCell<Option<Cells>>,
    /// Which sockets were answered of late.
    sockets: &'a RefCell<Sockets>,
    /// Puts attempts together to lookups, if it is wanted.
    grouping: Grouping<'a>,
    lookups: Vec<Lookup>,
    tracker: Tracker,
    ended: Vec<Attempt>,
    slow_reads: Vec<SlowRead>,
    turned_away: Vec<Attempt>,
    timeout: Duration,
    last_sweep: Instant,
    /// When the hooks are attached that every socket pays for; `None` for always.
    demand: Option<Demand>,
    host: &'a Host,
    /// TCP connections that were begun after this do not count.
    until_ns: u64,
    /// Attempts that the kernel's counter does not know.
    never_accepted: u64,
    /// Attempts that the kernel was just noting when they were claimed.
    lost_in_claims: u64,
    /// Attempts handed on; a late answer is none of its own.
    reported: u64,
    /// What the last window ended with.
    told: Ending,
    wake: Wake,
    /// Nothing was in flight when it was last looked through, and nothing had come since
    /// the look before.
    is_quiet: bool,
    /// Something came since the queries in flight were last looked through.
    is_busy: bool,
    /// What it is told to do.
    phase: &'a Phase,
    /// Where it says how the kernel's side stands, and how full that was.
    standing: &'a KernelStanding,
    fill: Fill,
    /// Looks in a row that found nothing.
    empty_looks: u32,
    out: &'a Sender<Message>,
}

impl Poller<'_, '_, '_> {
    fn turn(&mut self) -> Result<()> {
        let drained = self.drain()?;
        if drained < DRAIN_MAX {
            self.hand_on();
            self.rest(drained)?;
        }
        // A notice is joined soon, so that a failed query shows nearly as live as
        // an answered one, but seldom enough for a flood of failures.
        let pause = match self.tracker.has_fresh_notices() {
            true => JOIN_DELAY,
            false => SWEEP_EVERY.min(self.timeout / 2),
        };
        if self.last_sweep.elapsed() >= pause {
            self.sweep()?;
        }
        self.hand_on();
        if self.phase.is_to_roll() {
            self.roll()?;
        }
        Ok(())
    }

    /// Takes up to [`DRAIN_MAX`] records; returns how many there were.
    fn drain(&mut self) -> Result<usize> {
        self.fill.see("dns_events", fill::of_ring(&self.ring));
        let drained = self.ring.consume_raw_n(DRAIN_MAX);
        let drained = usize::try_from(drained)
            .map_err(|_| anyhow!("reading the ring buffer failed: error {drained}"))?;
        if drained > 0 {
            self.is_busy = true;
            self.is_quiet = false;
        }
        for event in self.events.borrow_mut().drain(..) {
            match event {
                Event::SlowRead(read) => self.slow_reads.push(read),
                Event::Closed(closed) => {
                    self.grouping.show(&self.ended);
                    self.grouping.closed(&closed);
                    self.tracker.event(event, &mut self.ended);
                }
                event => self.tracker.event(event, &mut self.ended),
            }
        }
        Ok(drained)
    }

    /// What was told before now is known then, however long the last turn took.
    fn drain_all(&mut self) -> Result<()> {
        for _ in 0..DRAINS_OF_RING {
            if self.drain()? < DRAIN_MAX {
                break;
            }
            self.hand_on();
        }
        Ok(())
    }

    /// Where there was something just now there will soon be more: it is waited for
    /// without being woken for each.
    fn rest(&mut self, drained: usize) -> Result<()> {
        self.empty_looks = if drained > 0 { 0 } else { self.empty_looks + 1 };
        let wake = match self.phase.wants_each() {
            true => Wake::Each,
            false => self.wake,
        };
        if wake == Wake::Each && self.empty_looks < EMPTY_LOOKS {
            std::thread::sleep(SHORT_NAP);
            return Ok(());
        }
        let until = match wake {
            Wake::Each => Until::Next,
            // After a quiet time the next record may be the first of a while.
            _ if self.is_quiet => Until::Next,
            Wake::Newcomers => Until::Newcomer,
            Wake::Many => Until::Many,
        };
        self.programs.sleep(until);
        // Another look, or what came before the flag would lie until the next.
        let was_woken = self.drain()? == 0 && self.nap()?;
        self.programs.sleep(Until::Awake);
        if was_woken && wake == Wake::Newcomers {
            // Who comes alone may be the first of a crowd.
            std::thread::sleep(SHORT_NAP);
        }
        Ok(())
    }

    /// Returns whether it was woken.
    fn nap(&self) -> Result<bool> {
        let nap = match self.is_quiet {
            _ if self.tracker.has_fresh_notices() => JOIN_DELAY,
            true => QUIET_NAP.min(self.timeout / 2),
            false => NAP.min(self.timeout / 2),
        };
        // SAFETY: the descriptor belongs to self.ring, which outlives the borrow.
        let epoll = unsafe { std::os::fd::BorrowedFd::borrow_raw(self.ring.epoll_fd()) };
        let timeout = PollTimeout::try_from(nap).unwrap_or(PollTimeout::ZERO);
        let fds = [epoll, self.phase.bell.as_fd()];
        let ready = nix::poll::poll(
            &mut fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)),
            timeout,
        );
        self.phase.heard();
        match ready {
            Ok(ready) => Ok(ready > 0),
            Err(nix::errno::Errno::EINTR) => Ok(false),
            Err(error) => Err(error).context("waiting for the ring buffer failed"),
        }
    }

    /// Claims the queries whose failure the kernel has told of, and those that
    /// have waited for too long.
    fn sweep(&mut self) -> Result<()> {
        self.last_sweep = Instant::now();
        self.look_closer()?;
        let now_ns = Clock::monotonic_ns();
        self.drain_all()?;
        let in_flight = self.programs.in_flight()?;
        for (map, share) in self.programs.filled(in_flight.len()) {
            self.fill.see(map, share);
        }
        let was_busy = std::mem::take(&mut self.is_busy);
        self.is_quiet = in_flight.is_empty()
            && !was_busy
            && !self.tracker.has_fresh_notices()
            && !self.grouping.is_busy(now_ns)
            && !self.programs.any_connecting(self.until_ns)?;
        if self.tracker.has_fresh_notices() {
            in_flight
                .iter()
                .for_each(|entry| self.tracker.note_in_flight(&entry.view()));
        }
        for entry in in_flight {
            let waited = Duration::from_nanos(now_ns.saturating_sub(entry.newest_ns()));
            let is_over = waited >= self.timeout;
            // What has just been told counts too, when nothing more is waited for.
            let told_by = if is_over { u64::MAX } else { now_ns };
            let failure = self.tracker.failure_of(&entry.view(), told_by);
            if failure.is_none() && !is_over {
                if waited >= PAUSE {
                    self.grouping.waits(&entry, now_ns, &self.tracker);
                }
                continue;
            }
            let attempts = match self.programs.claim(&entry, now_ns)? {
                Claim::Ours(attempts) => attempts,
                Claim::Kernels => continue,
                Claim::Lost => {
                    self.lost_in_claims += 1;
                    continue;
                }
            };
            if failure.is_none() {
                self.programs.is_over(&entry);
            }
            for attempt in attempts {
                self.tracker
                    .ended(attempt, failure.clone(), &mut self.ended);
            }
        }
        let never_accepted = self
            .programs
            .never_accepted(now_ns, self.timeout, self.until_ns)?;
        for attempt in never_accepted {
            self.never_accepted += 1;
            self.tracker.ended(attempt, None, &mut self.ended);
        }
        self.tracker.settle(now_ns, &mut self.ended);
        self.turned_away.extend(self.tracker.turned_away());
        self.grouping.show(&self.ended);
        self.grouping.close(now_ns);
        Ok(())
    }

    /// Attaches the hooks that there is a reason for, and takes off the others.
    fn look_closer(&mut self) -> Result<()> {
        if let Some(demand) = &mut self.demand
            && self.phase.is(WATCHING)
        {
            let root = self.host.cgroup();
            let wanted = demand.wanted(&(&self.programs, root), self.last_sweep);
            self.programs.want(wanted, root)?;
        }
        Ok(())
    }

    /// Hands the batch on, and waits while the receiver has no room. A receiver
    /// that is gone needs nothing.
    fn hand_on(&mut self) {
        let now = Instant::now();
        self.grouping.show(&self.ended);
        let over = self.grouping.take(self.cells.borrow_mut().as_mut());
        self.lookups.extend(over);
        self.hand_on_cells(now, false);
        if !self.ended.is_empty() {
            self.sockets.borrow_mut().see(&mut self.ended);
            if let Some(demand) = &mut self.demand {
                demand.ended(&self.ended, now);
            }
            let late = |attempt: &&Attempt| attempt.outcome == Outcome::Late;
            self.reported += (self.ended.len() - self.ended.iter().filter(late).count()) as u64;
            send(self.out, Message::Ended(std::mem::take(&mut self.ended)));
            self.grouping.handed_on();
        }
        if !self.lookups.is_empty() {
            send(
                self.out,
                Message::Lookups(std::mem::take(&mut self.lookups)),
            );
        }
        let suspects = self.tracker.suspects();
        if !suspects.is_empty() {
            send(self.out, Message::Suspects(suspects));
        }
        let second = self.tracker.came_second();
        if !second.is_empty() {
            send(self.out, Message::CameSecond(second));
        }
        if !self.turned_away.is_empty() {
            let queries = std::mem::take(&mut self.turned_away);
            send(self.out, Message::TurnedAway(queries));
        }
        if !self.slow_reads.is_empty() {
            let reads = std::mem::take(&mut self.slow_reads);
            if let Some(demand) = &mut self.demand {
                demand.read_late(&reads, now);
            }
            send(self.out, Message::SlowReads(reads));
        }
    }

    /// What was counted goes on now and then, before a failure, and at the end.
    fn hand_on_cells(&mut self, now: Instant, is_over: bool) {
        let mut cells = self.cells.borrow_mut();
        let Some(cells) = cells.as_mut() else {
            return;
        };
        self.reported += cells.take_counted();
        self.tracker.filters().for_each(|way| cells.suspect(way));
        let any_failed = cells.see(&self.ended);
        let is_over = is_over || !self.phase.is(WATCHING);
        if any_failed || is_over || cells.is_due(now) {
            let plain = cells.hand_on(now);
            if !plain.is_empty() {
                send(self.out, Message::Plain(plain));
            }
        }
        if is_over || cells.has_many_questions() {
            let questions = cells.hand_on_questions();
            if !questions.is_empty() {
                send(self.out, Message::Questions(questions));
            }
        }
    }
}

fn send(out: &Sender<Message>, message: Message) {
    // A plain send() would do; the timeout only gives a log line when the
    // reader is slow, which explains losses that are counted in the kernel.
    let mut message = message;
    loop {
        match out.send_timeout(message, Duration::from_secs(1)) {
            Ok(()) | Err(SendTimeoutError::Disconnected(_)) => return,
            Err(SendTimeoutError::Timeout(back)) => {
                log::info!("the reader is slow; the ring buffer takes what comes meanwhile");
                message = back;
            }
        }
    }
}
