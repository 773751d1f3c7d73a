//! One clock: BPF's `CLOCK_MONOTONIC`, turned into wall time by one offset.

use std::time::Duration;
use std::time::SystemTime;

use nix::time::ClockId;
use nix::time::clock_gettime;

/// The offset between the monotonic clock and wall time, taken once, so that
/// records keep their distances even when somebody sets the clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    boot: SystemTime,
}

impl Clock {
    /// Reads both clocks now.
    pub fn start() -> Self {
        let since_boot = Duration::from_nanos(Self::monotonic_ns());
        Self {
            boot: SystemTime::now()
                .checked_sub(since_boot)
                .unwrap_or(SystemTime::UNIX_EPOCH),
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
