//! Who a process is and how much CPU time it uses.

use std::collections::HashMap;
use std::time::Duration;

use super::threads;
use crate::host::Clock;
use crate::host::proc::Root;
use crate::host::proc::schedstat::ThreadTimes;
use crate::host::proc::stat;
use crate::host::proc::stat::Stat;

/// Shares of shorter times say nothing: the kernel counts in hundredths of a
/// second.
const OBSERVED_MIN: Duration = Duration::from_millis(100);

/// CPU time in the observed time, as a share of one core: 1.0 is a core all the
/// time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuUse {
    /// All threads together.
    pub process: f64,
    /// The busiest thread; looked at for servers only.
    pub busiest_thread: Option<f64>,
}

/// The CPU time that had been used at one moment.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) at_ns: u64,
    pub(super) stat: Stat,
    /// Empty if they were not asked for.
    threads: HashMap<u32, ThreadTimes>,
}

impl Sample {
    /// Of the process whose folder this is; `None` if it is gone.
    pub(super) fn take(process: &Root, with_threads: bool) -> Option<Self> {
        let threads = match with_threads {
            true => threads::times(process),
            false => HashMap::new(),
        };
        let stat = Stat::read(process).ok()?;
        Some(Self {
            at_ns: Clock::monotonic_ns(),
            stat,
            threads,
        })
    }

    /// `None` if the time is too short to say, or this is another process.
    pub(super) fn since(&self, first: &Self) -> Option<CpuUse> {
        let observed = self.time_since(first)?.as_secs_f64();
        let used = stat::time_of(self.stat.ticks.saturating_sub(first.stat.ticks))?;
        let busiest = self.threads_since(first).map(|times| times.ran).max();
        Some(CpuUse {
            process: used.as_secs_f64() / observed,
            busiest_thread: busiest.map(|ran| ran.as_secs_f64() / observed),
        })
    }

    /// How much later this is; `None` as for [`Self::since`].
    pub(super) fn time_since(&self, first: &Self) -> Option<Duration> {
        let observed = Duration::from_nanos(self.at_ns.saturating_sub(first.at_ns));
        let is_same = self.stat.started == first.stat.started;
        (observed >= OBSERVED_MIN && is_same).then_some(observed)
    }

    /// What each thread did meanwhile.
    pub(super) fn threads_since(&self, first: &Self) -> impl Iterator<Item = ThreadTimes> {
        self.threads
            .iter()
            .map(|(tid, times)| match first.threads.get(tid) {
                Some(first) => threads::between(first, times),
                None => *times,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_one_core() {
        let reading = |seconds: f64, ticks, threads: &[(u32, f64)]| Sample {
            at_ns: (seconds * 1e9) as u64,
            stat: Stat {
                ticks,
                started: 7,
                state: b'S',
            },
            threads: threads
                .iter()
                .map(|&(tid, ran)| {
                    let ran = Duration::from_secs_f64(ran);
                    (
                        tid,
                        ThreadTimes {
                            ran,
                            ..ThreadTimes::default()
                        },
                    )
                })
                .collect(),
        };
        let first = reading(1.0, 100, &[(1, 1.0)]);
        let last = reading(3.0, 400, &[(1, 1.5), (2, 1.6)]);
        let used = last.since(&first).unwrap();
        let seconds = stat::time_of(300).unwrap().as_secs_f64();
        assert!((used.process - seconds / 2.0).abs() < 1e-9);
        assert!((used.busiest_thread.unwrap() - 0.8).abs() < 1e-9);
        assert_eq!(reading(1.05, 400, &[]).since(&first), None);
        let mut another = reading(3.0, 400, &[]);
        another.stat.started = 8;
        assert_eq!(another.since(&first), None, "a pid that was used again");
    }

    #[test]
    fn a_busy_process_is_seen_to_be_busy() {
        let own = Root::at("/proc/self");
        let first = Sample::take(&own, true).unwrap();
        let start = std::time::Instant::now();
        // On a machine with much to do it takes longer than that.
        let used = || Stat::read(&own).unwrap().ticks - first.stat.ticks;
        while start.elapsed() < Duration::from_millis(200) || used() < 10 {
            std::hint::black_box(start);
        }
        let used = Sample::take(&own, true).unwrap().since(&first).unwrap();
        assert!(used.process > 0.0, "{used:?}");
        assert!(
            used.busiest_thread.is_some_and(|share| share > 0.0),
            "{used:?}"
        );
    }
}
