//! What the threads of a process did with their time.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::netns::numbers_in;
use super::process;
use super::read;

/// Threads of one process that are looked at.
const THREADS_MAX: usize = 256;

/// A thread's times since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ThreadTimes {
    /// It had a CPU.
    pub(super) ran: Duration,
    /// It wanted to run, and others had the CPU.
    pub(super) waited: Duration,
}

impl ThreadTimes {
    /// What was added since then.
    pub(super) fn since(&self, first: &Self) -> Self {
        Self {
            ran: self.ran.saturating_sub(first.ran),
            waited: self.waited.saturating_sub(first.waited),
        }
    }
}

/// By thread id.
pub(super) fn times(pid: u32) -> HashMap<u32, ThreadTimes> {
    numbers_in(Path::new(&format!("/proc/{pid}/task")))
        .take(THREADS_MAX)
        .filter_map(|tid| Some((tid, of(pid, tid)?)))
        .collect()
}

/// From schedstat, which is fine and knows both. A kernel without SCHED_INFO has
/// zeros there; then from stat, in hundredths of a second and without the wait.
pub(super) fn of(pid: u32, tid: u32) -> Option<ThreadTimes> {
    let file = |name: &str| {
        let path = format!("/proc/{pid}/task/{tid}/{name}");
        read::octets(Path::new(&path), process::STAT_MAX).ok()
    };
    let fine = file("schedstat").and_then(|text| parse(&text));
    fine.filter(|times| !times.ran.is_zero()).or_else(|| {
        let ticks = process::parse(&file("stat")?)?.ticks as f64;
        let ran = Duration::try_from_secs_f64(ticks / process::ticks_per_second()?);
        Some(ThreadTimes {
            ran: ran.ok()?,
            waited: Duration::ZERO,
        })
    })
}

/// Nanoseconds on a CPU, nanoseconds waiting for one, time slices
/// (Documentation/scheduler/sched-stats.rst).
fn parse(schedstat: &[u8]) -> Option<ThreadTimes> {
    let mut numbers = std::str::from_utf8(schedstat)
        .ok()?
        .split_ascii_whitespace();
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
        let times = |text: &str| parse(text.as_bytes());
        let both = ThreadTimes {
            ran: Duration::from_nanos(7),
            waited: Duration::from_nanos(9),
        };
        assert_eq!(times("7 9 3\n"), Some(both));
        for nonsense in ["", "7", "7 x 3", "-1 9 3"] {
            assert_eq!(times(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn the_running_kernel_tells_of_this_thread() {
        let pid = std::process::id();
        let of_this = times(pid);
        assert!(of_this.contains_key(&pid), "{of_this:?}");
        assert!(
            of_this.values().any(|times| !times.ran.is_zero()),
            "{of_this:?}"
        );
    }
}
