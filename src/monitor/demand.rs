//! When the hooks are attached that every socket of the host pays for: while a look at
//! them is worth it.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;
use std::time::Instant;

use super::OnDemand;
use crate::attempt::Attempt;
use crate::attempt::FailedCall;
use crate::attempt::SlowRead;
use crate::kernel::Hints;
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

/// How often the control groups are looked through for programs that deny, at most, …
const GROUPS_EVERY: Duration = Duration::from_millis(500);
/// … and so many times as long as it took: a thousandth of a CPU.
const GROUPS_COST: u32 = 1_000;

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

/// What is wanted just now, and why.
#[derive(Debug)]
pub(super) struct Demand {
    reads: Look,
    sends: Look,
    /// The last that were looked at.
    hints: Hints,
    wanted: Wanted,
    /// When the control groups are looked through next.
    groups: Instant,
    denials: StopWatch,
}

impl Demand {
    pub(super) fn new(hints: Hints, now: Instant) -> Self {
        Self {
            reads: Look::new(now),
            sends: Look::new(now),
            hints,
            wanted: Wanted::default(),
            groups: now,
            denials: StopWatch::default(),
        }
    }

    /// What is to be attached now.
    pub(super) fn wanted(&mut self, hints: Hints, root: BorrowedFd<'_>, now: Instant) -> Wanted {
        let before = std::mem::replace(&mut self.hints, hints);
        let sends = self
            .sends
            .is_wanted(now, hints.no_routes != before.no_routes);
        let reads = self
            .reads
            .is_wanted(now, hints.old_notes != before.old_notes);
        let denials = self.denials(root, now);
        self.wanted = Wanted {
            reads,
            sends,
            denials,
        };
        self.denials.run(sends || denials, now);
        self.wanted
    }

    /// Whether somebody may deny sends.
    fn denials(&mut self, root: BorrowedFd<'_>, now: Instant) -> bool {
        if now < self.groups {
            return self.wanted.denials;
        }
        let begin = Instant::now();
        let own = self.wanted.sends || self.wanted.denials;
        // Where that may not be asked it may be so.
        let may = may_deny_sends(root, own).unwrap_or_else(|error: io::Error| {
            log::debug!("cannot ask for programs on control groups: {error}");
            true
        });
        self.groups = now + GROUPS_EVERY.max(begin.elapsed() * GROUPS_COST);
        may
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
