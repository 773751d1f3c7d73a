//! Who a process is and how much CPU time it uses.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use nix::unistd::SysconfVar;
use nix::unistd::sysconf;

use super::read;
use super::threads;
use super::threads::ThreadTimes;
use crate::host::Clock;

/// A line of stat has 52 numbers and a name of 64 octets at most.
pub(super) const STAT_MAX: u64 = 4096;

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

/// A line of /proc/PID/stat, as far as it counts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// User and system time, in clock ticks.
    pub(super) ticks: u64,
    /// When it started, in clock ticks since boot; with the pid, this names a
    /// process once and for all.
    pub(super) started: u64,
    /// All its threads are stopped, by SIGSTOP or a debugger.
    pub(super) stopped: bool,
}

/// The CPU time that had been used at one moment.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) at_ns: u64,
    pub(super) stat: Stat,
    /// Empty if they were not asked for.
    threads: HashMap<u32, ThreadTimes>,
}

impl Reading {
    /// `None` if the process is gone.
    pub(super) fn take(pid: u32, with_threads: bool) -> Option<Self> {
        let threads = match with_threads {
            true => threads::times(pid),
            false => HashMap::new(),
        };
        let stat = stat(pid).ok()?;
        Some(Self {
            at_ns: Clock::monotonic_ns(),
            stat,
            threads,
        })
    }

    /// `None` if the time is too short to say, or this is another process.
    pub(super) fn since(&self, first: &Self) -> Option<CpuUse> {
        let observed = self.time_since(first)?.as_secs_f64();
        let ticks = self.stat.ticks.saturating_sub(first.stat.ticks) as f64;
        let busiest = self.threads_since(first).map(|times| times.ran).max();
        Some(CpuUse {
            process: ticks / ticks_per_second()? / observed,
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
                Some(first) => times.since(first),
                None => *times,
            })
    }
}

/// Asks about a process.
pub(super) fn stat(pid: u32) -> io::Result<Stat> {
    let text = read::octets(Path::new(&format!("/proc/{pid}/stat")), STAT_MAX)?;
    parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The name stands in parentheses and may hold any octet, parentheses too; the
/// numbers behind the last one count from the third field (proc_pid_stat(5)).
pub(super) fn parse(stat: &[u8]) -> Option<Stat> {
    let name_ends = stat.iter().rposition(|&octet| octet == b')')?;
    let fields: Vec<&str> = std::str::from_utf8(stat.get(name_ends + 1..)?)
        .ok()?
        .split_ascii_whitespace()
        .collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        ticks: field(14)?.checked_add(field(15)?)?,
        started: field(22)?,
        stopped: matches!(fields.first(), Some(&("T" | "t"))),
    })
}

pub(super) fn ticks_per_second() -> Option<f64> {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok()??;
    (ticks > 0).then_some(ticks as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = b"812 (un) R 1 (bound) S 1 812 812 0 -1 4194560 2931 0 1 0 152 48 7 9 20 0 3 0 6123 45678592 5120 18446744073709551615 1 1 0 0 0 0 0 4096 17507 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
        assert_eq!(
            parse(line),
            Some(Stat {
                ticks: 200,
                started: 6123,
                stopped: false,
            })
        );
        let stopped = line.map(|octet| if octet == b'S' { b'T' } else { octet });
        assert!(parse(&stopped).unwrap().stopped);
    }

    #[test]
    fn nonsense_is_no_process() {
        for junk in [
            "",
            ")",
            "1 (x) S 1 2 3",
            "1 (x S 1 2 3 4 5 6 7 8 9 10 11 12",
        ] {
            assert_eq!(parse(junk.as_bytes()), None, "{junk:?}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&octets);
        }
    }

    #[test]
    fn shares_are_of_one_core() {
        let reading = |seconds: f64, ticks, threads: &[(u32, f64)]| Reading {
            at_ns: (seconds * 1e9) as u64,
            stat: Stat {
                ticks,
                started: 7,
                stopped: false,
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
        let seconds = 300.0 / ticks_per_second().unwrap();
        assert!((used.process - seconds / 2.0).abs() < 1e-9);
        assert!((used.busiest_thread.unwrap() - 0.8).abs() < 1e-9);
        assert_eq!(reading(1.05, 400, &[]).since(&first), None);
        let mut another = reading(3.0, 400, &[]);
        another.stat.started = 8;
        assert_eq!(another.since(&first), None, "a pid that was used again");
    }

    #[test]
    fn a_busy_process_is_seen_to_be_busy() {
        let pid = std::process::id();
        let first = Reading::take(pid, true).unwrap();
        let start = std::time::Instant::now();
        // On a machine with much to do it takes longer than that.
        let used = || stat(pid).unwrap().ticks - first.stat.ticks;
        while start.elapsed() < Duration::from_millis(200) || used() < 10 {
            std::hint::black_box(start);
        }
        let used = Reading::take(pid, true).unwrap().since(&first).unwrap();
        assert!(used.process > 0.0, "{used:?}");
        assert!(
            used.busiest_thread.is_some_and(|share| share > 0.0),
            "{used:?}"
        );
    }
}
