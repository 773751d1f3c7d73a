//! What was asked, and when the next is due.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

/// So much at a time.
const TICK: Duration = Duration::from_millis(10);

/// What was asked, each query once.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// By the one that asks for many names.
    pub(crate) names: AtomicU64,
    /// By processes of control groups.
    pub(crate) groups: AtomicU64,
    /// Answered with an error.
    pub(crate) failing: AtomicU64,
    /// Never answered.
    pub(crate) silent: AtomicU64,
    /// Refused, which no server sees.
    pub(crate) refused: AtomicU64,
}

impl Asked {
    /// Attempts of clients that are answered.
    pub(crate) fn answered(&self) -> u64 {
        let all = [&self.names, &self.groups, &self.failing];
        all.map(|it| it.load(Ordering::Relaxed)).iter().sum()
    }

    /// Those that wait in vain.
    pub(crate) fn silent(&self) -> u64 {
        self.silent.load(Ordering::Relaxed)
    }

    /// Those that are refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Attempts at both ends.
    pub(crate) fn seen(&self) -> u64 {
        2 * (self.answered() + self.silent()) + self.refused()
    }
}

/// So many of a rate are due by now.
pub(crate) struct Due {
    begin: Instant,
    per_second: f64,
    done: u64,
}

impl Due {
    pub(crate) fn new(per_second: f64) -> Self {
        Self {
            begin: Instant::now(),
            per_second,
            done: 0,
        }
    }

    /// Waits for the next; who is late does not catch up.
    pub(crate) fn next(&mut self) {
        let due = Duration::from_secs_f64(self.done as f64 / self.per_second);
        let now = self.begin.elapsed();
        if due > now + TICK {
            thread::sleep(due - now);
        } else if now > due + Duration::from_secs(1) {
            self.done = (now.as_secs_f64() * self.per_second) as u64;
        }
        self.done += 1;
    }
}
