//! `/proc/PID/task/TID/schedstat`: what a thread did with its time.

use std::time::Duration;

use super::Root;

/// Three numbers.
const SCHEDSTAT_MAX: u64 = 256;

/// A thread's times since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadTimes {
    /// It had a CPU.
    pub ran: Duration,
    /// It wanted to run, and others had the CPU.
    pub waited: Duration,
}

impl ThreadTimes {
    /// What was added since an earlier look.
    pub fn since(self, first: Self) -> Self {
        Self {
            ran: self.ran.saturating_sub(first.ran),
            waited: self.waited.saturating_sub(first.waited),
        }
    }
}

/// Of the thread whose folder this is. A kernel without SCHED_INFO has zeros
/// there.
pub fn read(task: &Root) -> Option<ThreadTimes> {
    parse(&task.text("schedstat", SCHEDSTAT_MAX).ok()?)
}

/// Nanoseconds on a CPU, nanoseconds waiting for one, time slices
/// (Documentation/scheduler/sched-stats.rst).
pub(super) fn parse(schedstat: &str) -> Option<ThreadTimes> {
    let mut numbers = schedstat.split_ascii_whitespace();
    let mut time = || numbers.next()?.parse().ok().map(Duration::from_nanos);
    Some(ThreadTimes {
        ran: time()?,
        waited: time()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_times_are_read() {
        let both = ThreadTimes {
            ran: Duration::from_nanos(7),
            waited: Duration::from_nanos(9),
        };
        assert_eq!(parse("7 9 3\n"), Some(both));
        for nonsense in ["", "7", "7 x 3", "-1 9 3"] {
            assert_eq!(parse(nonsense), None, "{nonsense:?}");
        }
    }
}
