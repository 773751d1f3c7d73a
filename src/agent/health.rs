//! Whether the agent lives: each of its parts says so every ten seconds.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

/// A part that was silent for longer is held for dead: windows are closed every ten seconds.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A part of the agent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// Closes windows; needs the poller and the threads behind it for each.
    Windows,
    /// Judges them.
    Judge,
}

/// When each part was last seen to live. Time in which the machine sleeps does not count.
#[derive(Debug)]
pub(super) struct Health {
    begun: Instant,
    windows_ms: AtomicU64,
    judge_ms: AtomicU64,
}

impl Health {
    pub(super) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            windows_ms: AtomicU64::new(0),
            judge_ms: AtomicU64::new(0),
        }
    }

    /// The part lives.
    pub(super) fn lives(&self, part: Part) {
        let now = ms(self.begun.elapsed());
        self.of(part).store(now, Ordering::Relaxed);
    }

    /// `Err` has a sentence.
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_at(self.begun.elapsed())
    }

    fn check_at(&self, now: Duration) -> Result<(), String> {
        for (part, what) in [
            (Part::Windows, "no window was closed"),
            (Part::Judge, "no window was judged"),
        ] {
            let then = self.of(part).load(Ordering::Relaxed);
            let silent = now.saturating_sub(Duration::from_millis(then));
            if silent > SILENCE_MAX {
                return Err(format!("{what} for {} s", silent.as_secs()));
            }
        }
        Ok(())
    }

    fn of(&self, part: Part) -> &AtomicU64 {
        match part {
            Part::Windows => &self.windows_ms,
            Part::Judge => &self.judge_ms,
        }
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_silent_is_named() {
        let health = Health::begin();
        let at = Duration::from_secs;
        assert_eq!(health.check_at(at(30)), Ok(()));
        health.windows_ms.store(40_000, Ordering::Relaxed);
        health.judge_ms.store(10_000, Ordering::Relaxed);
        assert_eq!(health.check_at(at(40)), Ok(()));
        let dead = Err("no window was judged for 41 s".to_owned());
        assert_eq!(health.check_at(at(51)), dead);
        health.judge_ms.store(51_000, Ordering::Relaxed);
        let dead = Err("no window was closed for 31 s".to_owned());
        assert_eq!(health.check_at(at(71)), dead);
        health.lives(Part::Windows);
        health.lives(Part::Judge);
        assert_eq!(health.check(), Ok(()));
    }
}
