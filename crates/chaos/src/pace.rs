//! A rate kept over time: when the next query may be sent, or served.

use std::num::NonZeroU32;
use std::time::Duration;
use std::time::Instant;

/// How far behind its schedule a pace may be and still catch up. Sleeps end
/// late by the timer's slack (50 µs on Linux) and a busy host adds
/// milliseconds; without catching up the rate would fall below the one asked
/// for. What a longer idle time leaves unused is lost, so that no burst follows.
const CATCH_UP: Duration = Duration::from_millis(10);

/// Hands out turns, evenly spaced. In any time span `t`
/// it gives at most `rate * (t + 10 ms) + 1` turns.
#[derive(Debug)]
pub(super) struct Pace {
    /// Between two turns; zero without a limit.
    interval: Duration,
    next: Instant,
}

impl Pace {
    /// Turns per second; `None` is no limit.
    pub(super) fn new(rate: Option<NonZeroU32>, now: Instant) -> Self {
        let interval = rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.get());
        Self {
            interval,
            next: now,
        }
    }

    /// How long until the next turn; `None` if it is due.
    pub(super) fn until_next(&self, now: Instant) -> Option<Duration> {
        let left = self.next.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Takes the turn that is due now.
    pub(super) fn take(&mut self, now: Instant) {
        let oldest = now.checked_sub(CATCH_UP).unwrap_or(now);
        self.next = self.next.max(oldest) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns_within(pace: &mut Pace, start: Instant, span: Duration, step: Duration) -> u32 {
        let mut now = start;
        let mut turns = 0;
        while now < start + span {
            while pace.until_next(now).is_none() {
                pace.take(now);
                turns += 1;
            }
            now += step;
        }
        turns
    }

    #[test]
    fn a_worker_that_wakes_late_still_keeps_the_rate() {
        let start = Instant::now();
        let mut pace = Pace::new(NonZeroU32::new(200), start);
        let step = Duration::from_micros(5_300);
        let turns = turns_within(&mut pace, start, Duration::from_secs(10), step);
        assert!((1_998..=2_003).contains(&turns), "{turns}");
    }

    #[test]
    fn idle_time_is_not_saved_up() {
        let start = Instant::now();
        let mut pace = Pace::new(NonZeroU32::new(1_000), start);
        let later = start + Duration::from_secs(60);
        let turns = turns_within(
            &mut pace,
            later,
            Duration::from_nanos(1),
            Duration::from_secs(1),
        );
        assert!((10..=12).contains(&turns), "{turns}");
    }

    #[test]
    fn without_a_rate_every_turn_is_due() {
        let now = Instant::now();
        let mut pace = Pace::new(None, now);
        for _ in 0..1_000 {
            assert_eq!(pace.until_next(now), None);
            pace.take(now);
        }
    }
}
