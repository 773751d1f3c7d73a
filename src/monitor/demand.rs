//! When the hooks are attached that every socket of the host pays for: while a look at
//! them is worth it.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;

use super::OnDemand;
use crate::attempt::Attempt;
use crate::attempt::FailedCall;
use crate::attempt::SlowRead;
use crate::kernel::Programs;
use crate::kernel::Wanted;
use crate::kernel::may_deny_sends;
use crate::thresholds::LATE_READ_NS;

/// How long a look lasts.
const LOOK: Duration = Duration::from_secs(1);
/// So often there is one without a reason: not every fault leaves a hint.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The first of them comes after this, so that a short watch has one, too.
const FIRST_LOOK: Duration = Duration::from_secs(3);
/// How long it goes on after it has found something. Longer than a C library waits
/// before it asks again (5 s).
const STAY: Duration = Duration::from_secs(10);

/// How often it is asked whether routes were missed, at most.
const ROUTES_EVERY: Duration = Duration::from_millis(200);
/// The same for the control groups, which are looked through for programs that deny.
const GROUPS_EVERY: Duration = Duration::from_millis(500);
/// … and neither before so many times as long as it took: a thousandth of a CPU, however
/// many network namespaces and groups there are.
const COST: u32 = 1_000;

/// When something is asked next that costs more where the host is large.
#[derive(Debug)]
struct Question {
    every: Duration,
    next: Instant,
}

impl Question {
    /// Asks if it is time.
    fn ask<T>(&mut self, now: Instant, ask: impl FnOnce() -> T) -> Option<T> {
        if now < self.next {
            return None;
        }
        let begin = Instant::now();
        let answer = ask();
        self.next = now + self.every.max(begin.elapsed() * COST);
        Some(answer)
    }
}

/// One kind of hooks: attached or not, and until when.
#[derive(Debug)]
struct Look {
    /// While it is attached.
    until: Option<Instant>,
    /// When it is attached next, whatever happens.
    next: Instant,
    /// Hints that nothing came of are not believed again before that.
    believes: bool,
    watch: StopWatch,
}

impl Look {
    fn new(now: Instant) -> Self {
        Self {
            until: None,
            next: now + FIRST_LOOK,
            believes: true,
            watch: StopWatch::default(),
        }
    }

    /// Whether it is to be attached now.
    fn is_wanted(&mut self, now: Instant, hint: bool) -> bool {
        match self.until {
            Some(until) if now >= until => {
                self.until = None;
                self.next = self.next.max(now + (LOOK_EVERY - LOOK));
            }
            Some(_) => {}
            None if now >= self.next => {
                self.believes = true;
                self.until = Some(now + LOOK);
            }
            None if hint && self.believes => {
                self.believes = false;
                self.until = Some(now + LOOK);
            }
            None => {}
        }
        self.watch.run(self.until.is_some(), now);
        self.until.is_some()
    }

    /// It found something.
    fn found(&mut self, now: Instant) {
        if self.until.is_some() {
            self.believes = true;
            self.until = Some(now + STAY);
        }
    }
}

/// For how long something was so.
#[derive(Clone, Copy, Debug, Default)]
struct StopWatch {
    since: Option<Instant>,
    total: Duration,
}

impl StopWatch {
    fn run(&mut self, runs: bool, now: Instant) {
        match (self.since, runs) {
            (Some(since), false) => {
                self.total += now.saturating_duration_since(since);
                self.since = None;
            }
            (None, true) => self.since = Some(now),
            _ => {}
        }
    }

    fn total(&self, now: Instant) -> Duration {
        let running = self.since.map(|since| now.saturating_duration_since(since));
        self.total + running.unwrap_or_default()
    }
}

/// What the kernel side is asked.
pub(super) trait Asked {
    /// See [`Programs::old_notes`].
    fn old_notes(&self) -> u32;
    /// See [`Programs::no_routes`].
    fn no_routes(&self) -> Result<u64>;
    /// See [`may_deny_sends`]; with `own`, two of the programs are kerno's.
    fn may_deny_sends(&self, own: bool) -> io::Result<bool>;
}

impl Asked for (&Programs<'_>, BorrowedFd<'_>) {
    fn old_notes(&self) -> u32 {
        self.0.old_notes()
    }

    fn no_routes(&self) -> Result<u64> {
        self.0.no_routes()
    }

    fn may_deny_sends(&self, own: bool) -> io::Result<bool> {
        may_deny_sends(self.1, own)
    }
}

/// What is wanted just now, and why.
#[derive(Debug)]
pub(super) struct Demand {
    reads: Look,
    sends: Look,
    /// The last that was told of each hint.
    old_notes: u32,
    no_routes: Option<u64>,
    wanted: Wanted,
    routes: Question,
    groups: Question,
    denials: StopWatch,
}

impl Demand {
    pub(super) fn new(now: Instant) -> Self {
        let question = |every| Question { every, next: now };
        Self {
            reads: Look::new(now),
            sends: Look::new(now),
            old_notes: 0,
            no_routes: None,
            wanted: Wanted::default(),
            routes: question(ROUTES_EVERY),
            groups: question(GROUPS_EVERY),
            denials: StopWatch::default(),
        }
    }

    /// What is to be attached now.
    pub(super) fn wanted(&mut self, kernel: &impl Asked, now: Instant) -> Wanted {
        let old_notes = kernel.old_notes();
        let may_lie = old_notes != std::mem::replace(&mut self.old_notes, old_notes);
        let may_fail = self.may_fail(kernel, now);
        let sends = self.sends.is_wanted(now, may_fail);
        let reads = self.reads.is_wanted(now, may_lie);
        let denials = self.may_be_denied(kernel, now);
        self.wanted = Wanted {
            reads,
            sends,
            denials,
        };
        self.denials.run(sends || denials, now);
        self.wanted
    }

    /// Whether routes were missed since it was last asked.
    fn may_fail(&mut self, kernel: &impl Asked, now: Instant) -> bool {
        match self.routes.ask(now, || kernel.no_routes()) {
            Some(Ok(no_routes)) => {
                let before = self.no_routes.replace(no_routes);
                before.is_some_and(|before| before != no_routes)
            }
            Some(Err(error)) => {
                log::debug!("{error:#}");
                false
            }
            None => false,
        }
    }

    /// Whether somebody may deny sends. Where that may not be asked it may be so.
    fn may_be_denied(&mut self, kernel: &impl Asked, now: Instant) -> bool {
        let own = self.wanted.sends || self.wanted.denials;
        match self.groups.ask(now, || kernel.may_deny_sends(own)) {
            Some(Ok(may)) => may,
            Some(Err(error)) => {
                log::debug!("cannot ask for programs on control groups: {error}");
                true
            }
            None => self.wanted.denials,
        }
    }

    /// Attempts that have ended: sends that failed are worth to go on.
    pub(super) fn ended(&mut self, attempts: &[Attempt], now: Instant) {
        let is_send = |it: &Attempt| it.failed_call == Some(FailedCall::Send);
        if attempts.iter().any(is_send) {
            self.sends.found(now);
        }
    }

    pub(super) fn read_late(&mut self, reads: &[SlowRead], now: Instant) {
        if reads.iter().any(|read| read.lay_ns >= LATE_READ_NS) {
            self.reads.found(now);
        }
    }

    /// How long each was attached up to now.
    pub(super) fn attached(&self, now: Instant) -> OnDemand {
        OnDemand {
            reads: self.reads.watch.total(now),
            sends: self.sends.watch.total(now),
            destinations: self.denials.total(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(100);

    /// Runs a look in steps; returns in which of them it was attached.
    fn attached(seconds: u64, mut hint: impl FnMut(u64) -> bool, finds: bool) -> Vec<u64> {
        let begin = Instant::now();
        let mut look = Look::new(begin);
        let mut wanted = Vec::new();
        for step in 0..seconds * 10 {
            let now = begin + TICK * u32::try_from(step).expect("few steps");
            if look.is_wanted(now, hint(step)) {
                wanted.push(step);
                if finds {
                    look.found(now);
                }
            }
        }
        wanted
    }

    #[test]
    fn without_a_reason_it_looks_for_one_second_in_ten() {
        let steps = attached(60, |_| false, false);
        assert_eq!(steps.first(), Some(&30));
        assert_eq!(steps.len(), 60, "{steps:?}");
        assert!(
            attached(60, |_| false, true).len() > 560,
            "it stays where it finds something"
        );
    }

    #[test]
    fn a_hint_is_followed_at_once_but_not_again_and_again() {
        let steps = attached(60, |step| step == 7, false);
        assert_eq!(steps[..10], [7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        let always = attached(60, |_| true, false).len();
        assert!((60..=130).contains(&always), "two seconds in ten: {always}");
    }

    /// A kernel that says so.
    #[derive(Default)]
    struct Says {
        old_notes: u32,
        no_routes: u64,
        denies: Option<bool>,
        asked: std::cell::Cell<u32>,
    }

    impl Asked for Says {
        fn old_notes(&self) -> u32 {
            self.old_notes
        }

        fn no_routes(&self) -> Result<u64> {
            self.asked.set(self.asked.get() + 1);
            Ok(self.no_routes)
        }

        fn may_deny_sends(&self, _own: bool) -> io::Result<bool> {
            self.denies.ok_or(io::ErrorKind::PermissionDenied.into())
        }
    }

    #[test]
    fn each_hint_wants_what_it_is_for() {
        let begin = Instant::now();
        let nothing = Wanted::default();
        let mut demand = Demand::new(begin);
        let mut says = Says {
            no_routes: 7,
            denies: Some(false),
            ..Says::default()
        };
        // What was there before says nothing.
        assert_eq!(demand.wanted(&says, begin), nothing);
        says.old_notes = 1;
        let reads = demand.wanted(&says, begin + TICK);
        assert_eq!(
            reads,
            Wanted {
                reads: true,
                ..nothing
            }
        );
        says.no_routes = 8;
        let both = demand.wanted(&says, begin + 3 * TICK);
        assert_eq!(
            both,
            Wanted {
                denials: false,
                ..Wanted::ALL
            }
        );
        says.denies = Some(true);
        assert_eq!(demand.wanted(&says, begin + 6 * TICK), Wanted::ALL);
        let end = begin + Duration::from_secs(2);
        let denials = Wanted {
            denials: true,
            ..nothing
        };
        assert_eq!(demand.wanted(&says, end), denials);
        let later = demand.attached(end + LOOK);
        assert_eq!(later.destinations, later.sends + LOOK);
    }

    #[test]
    fn where_it_may_not_be_asked_somebody_may_deny() {
        let begin = Instant::now();
        assert!(Demand::new(begin).wanted(&Says::default(), begin).denials);
    }

    #[test]
    fn what_costs_much_is_asked_seldom() {
        let begin = Instant::now();
        let mut question = Question {
            every: TICK,
            next: begin,
        };
        let slow = || std::thread::sleep(Duration::from_millis(2));
        assert!(question.ask(begin, slow).is_some());
        assert!(question.ask(begin + Duration::from_secs(1), slow).is_none());
        let mut demand = Demand::new(begin);
        let says = Says::default();
        for step in 0..100 {
            demand.wanted(&says, begin + Duration::from_millis(step));
        }
        assert_eq!(
            says.asked.get(),
            1,
            "however often the queries are looked through"
        );
    }

    #[test]
    fn it_goes_on_until_nothing_was_found_for_a_while() {
        let begin = Instant::now();
        let mut look = Look::new(begin);
        assert!(look.is_wanted(begin, true));
        look.found(begin);
        assert!(look.is_wanted(begin + STAY - TICK, false));
        assert!(!look.is_wanted(begin + STAY, false));
        assert_eq!(look.watch.total(begin + STAY * 2), STAY);
        // What it was not attached for it cannot have found.
        look.found(begin + STAY);
        assert!(!look.is_wanted(begin + STAY + TICK, false));
    }
}
