//! When it is counted how long threads wait for a CPU: while there is an open question.

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

use crate::counters::CpuWaits;
use crate::counters::WaitsWatch;

/// How long it goes on after the last question. Longer than a C library waits before it asks
/// again (5 s).
const STAY: Duration = Duration::from_secs(10);

/// What is counted, and for how long.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// This kernel has the hooks.
    pub(super) can: bool,
    /// All the time.
    pub(super) always: bool,
    running: Option<(WaitsWatch, Instant)>,
    until: Option<Instant>,
    by_pid: BTreeMap<u32, CpuWaits>,
    looked: Duration,
}

impl Waits {
    /// Something is slow or unanswered, and waiting for a CPU may be why.
    pub(super) fn ask(&mut self, now: Instant) {
        self.until = Some(now + STAY);
        self.tick(now, |_| false);
    }

    /// Begins or ends counting. `wanted` are the processes that may be told of.
    pub(super) fn tick(&mut self, now: Instant, wanted: impl Fn(u32) -> bool) {
        let is_asked = self.always || self.until.is_some_and(|until| now < until);
        match &self.running {
            None if is_asked && self.can => match WaitsWatch::start() {
                Ok(watch) => self.running = Some((watch, now)),
                Err(error) => {
                    log::debug!("waits for a CPU: {error:#}");
                    self.can = false;
                }
            },
            Some(_) if !is_asked => self.stop(now, wanted),
            _ => {}
        }
    }

    fn stop(&mut self, now: Instant, wanted: impl Fn(u32) -> bool) {
        self.gather(now, wanted);
        self.running = None;
    }

    /// What was counted so far. It goes on: to load it again costs some 40 ms of a CPU.
    fn gather(&mut self, now: Instant, wanted: impl Fn(u32) -> bool) {
        let Some((watch, since)) = &mut self.running else {
            return;
        };
        self.looked += now.saturating_duration_since(*since);
        *since = now;
        match watch.take(wanted) {
            Ok(by_pid) => {
                for (pid, waits) in by_pid {
                    self.by_pid.entry(pid).or_default().absorb(waits);
                }
            }
            Err(error) => log::debug!("waits for a CPU: {error:#}"),
        }
    }

    /// What was counted, and for how long.
    pub(super) fn take(
        &mut self,
        now: Instant,
        wanted: impl Fn(u32) -> bool,
    ) -> (BTreeMap<u32, CpuWaits>, Duration) {
        self.gather(now, wanted);
        let by_pid = std::mem::take(&mut self.by_pid);
        (by_pid, std::mem::take(&mut self.looked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_question_or_a_hook_nothing_runs() {
        let begin = Instant::now();
        let mut waits = Waits::default();
        waits.tick(begin, |_| true);
        waits.ask(begin);
        assert!(waits.running.is_none(), "this kernel lacks the hooks");
        assert_eq!(
            waits.take(begin, |_| true),
            (BTreeMap::new(), Duration::ZERO)
        );
    }

    #[test]
    fn root_it_goes_on_when_what_was_counted_is_taken() {
        let begin = Instant::now();
        let own = |pid| pid == std::process::id();
        let mut waits = Waits {
            can: true,
            ..Waits::default()
        };
        waits.ask(begin);
        // This thread waits for a CPU, if only for a moment, each time that it wakes.
        let wake = || std::thread::sleep(Duration::from_millis(1));
        (0..20).for_each(|_| wake());
        let (by_pid, looked) = waits.take(begin + STAY / 2, own);
        assert!(by_pid.values().any(|it| it.waits > 0), "{by_pid:?}");
        assert_eq!(looked, STAY / 2);
        assert!(waits.running.is_some());
        (0..20).for_each(|_| wake());
        let (by_pid, looked) = waits.take(begin + STAY, own);
        assert_eq!(looked, STAY / 2, "from when it was taken");
        assert!(by_pid.values().any(|it| it.waits > 0), "{by_pid:?}");
    }

    #[test]
    fn root_it_goes_on_for_a_while_after_the_last_question() {
        let begin = Instant::now();
        let own = |pid| pid == std::process::id();
        let mut waits = Waits {
            can: true,
            ..Waits::default()
        };
        waits.tick(begin, own);
        assert!(waits.running.is_none());
        waits.ask(begin);
        assert!(waits.running.is_some());
        let later = begin + STAY / 2;
        waits.ask(later);
        waits.tick(begin + STAY, own);
        assert!(waits.running.is_some());
        waits.tick(later + STAY, own);
        assert!(waits.running.is_none());
        let (by_pid, looked) = waits.take(later + STAY * 2, own);
        assert_eq!(looked, STAY / 2 + STAY);
        assert!(by_pid.keys().all(|pid| own(*pid)), "{by_pid:?}");
    }
}
