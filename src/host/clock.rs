//! One clock: BPF's `CLOCK_MONOTONIC`, turned into wall time by one offset.

use std::time::Duration;
use std::time::SystemTime;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use nix::time::ClockId;
use nix::time::clock_gettime;

/// How far the two clocks may part before the offset is taken anew. NTP steers the wall
/// clock by less than 500 µs a second (adjtimex(2)), and records keep their distances; a
/// step, and a suspend, in which the monotonic clock stands still, are more than this.
const APART_MAX: Duration = Duration::from_millis(50);

/// The offset between the monotonic clock and wall time. It is taken again when somebody
/// has set the clock, or after a suspend.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    #[borsh(
        serialize_with = "crate::codec::time::write",
        deserialize_with = "crate::codec::time::read"
    )]
    boot: SystemTime,
}

impl Clock {
    /// Reads both clocks now.
    pub fn start() -> Self {
        Self { boot: boot_now() }
    }

    /// Follows the wall clock, if it is no longer where this thinks that it is.
    pub fn follow(&mut self) {
        self.follow_to(boot_now());
    }

    fn follow_to(&mut self, boot: SystemTime) {
        let ahead = boot.duration_since(self.boot);
        if ahead.unwrap_or_else(|behind| behind.duration()) > APART_MAX {
            self.boot = boot;
        }
    }

    /// Nanoseconds of `CLOCK_MONOTONIC`, as `bpf_ktime_get_ns` gives them.
    pub fn monotonic_ns() -> u64 {
        // CLOCK_MONOTONIC exists on every Linux; it cannot fail.
        clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| {
            Duration::from(now)
                .as_nanos()
                .try_into()
                .unwrap_or(u64::MAX)
        })
    }

    /// Wall time of a monotonic time.
    pub fn wall(&self, monotonic_ns: u64) -> SystemTime {
        self.boot + Duration::from_nanos(monotonic_ns)
    }
}

/// When the monotonic clock was 0, by the wall clock of this moment.
fn boot_now() -> SystemTime {
    let since_boot = Duration::from_nanos(Clock::monotonic_ns());
    let boot = SystemTime::now().checked_sub(since_boot);
    boot.unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_followed_and_a_drift_is_not() {
        let boot = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut clock = Clock { boot };
        let second = 1_000_000_000;
        assert_eq!(clock.wall(second), boot + Duration::from_secs(1));
        clock.follow_to(boot + Duration::from_millis(49));
        assert_eq!(clock.wall(0), boot);
        let ahead = boot + Duration::from_secs(3600);
        clock.follow_to(ahead);
        assert_eq!(clock.wall(0), ahead);
        let behind = boot - Duration::from_secs(7200);
        clock.follow_to(behind);
        assert_eq!(clock.wall(second), behind + Duration::from_secs(1));
    }
}
