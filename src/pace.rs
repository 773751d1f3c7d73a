//! So many a second and no more.

use std::time::Duration;
use std::time::Instant;

/// Lets a number of events pass in each second.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: u32,
    second: Instant,
    passed: u32,
}

impl Pace {
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        Self {
            per_second,
            second: now,
            passed: 0,
        }
    }

    /// Whether one more may pass.
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.second) >= Duration::from_secs(1) {
            self.second = now;
            self.passed = 0;
        }
        let allowed = self.passed < self.per_second;
        self.passed += u32::from(allowed);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_waits_for_the_next_second() {
        let start = Instant::now();
        let mut pace = Pace::new(200, start);
        let passed = |pace: &mut Pace, now| (0..2000).filter(|_| pace.allows(now)).count();
        assert_eq!(passed(&mut pace, start), 200);
        assert_eq!(passed(&mut pace, start + Duration::from_millis(999)), 0);
        assert_eq!(passed(&mut pace, start + Duration::from_secs(1)), 200);
    }
}
