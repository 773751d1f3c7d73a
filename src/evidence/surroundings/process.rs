//! Who a process is and how much CPU time it uses.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use nix::unistd::SysconfVar;
use nix::unistd::sysconf;

use super::netns::numbers_in;
use super::read;

/// Threads of one process whose CPU time is looked at.
const THREADS_MAX: usize = 256;

/// A line of stat has 52 numbers and a name of 64 octets at most.
const STAT_MAX: u64 = 4096;

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
    /// The busiest thread in the busiest second: a load may have lasted for a
    /// part of the observed time. For servers only.
    pub busiest_second: Option<f64>,
}

impl CpuUse {
    /// Of the shares of a single thread the one that tells most about a server
    /// that cannot keep up.
    pub fn busiest(&self) -> f64 {
        self.busiest_second
            .or(self.busiest_thread)
            .unwrap_or(self.process)
    }
}

/// A line of /proc/PID/stat, as far as it counts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// User and system time, in clock ticks.
    ticks: u64,
    /// When it started, in clock ticks since boot; with the pid, this names a
    /// process once and for all.
    pub(super) started: u64,
}

/// The CPU time that had been used at one moment.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    at: Instant,
    stat: Stat,
    /// `None` if they were not asked for.
    threads: Option<HashMap<u32, u64>>,
}

impl Reading {
    /// `None` if the process is gone.
    pub(super) fn take(pid: u32, with_threads: bool) -> Option<Self> {
        let threads = with_threads.then(|| threads(pid));
        let stat = stat(pid).ok()?;
        Some(Self {
            at: Instant::now(),
            stat,
            threads,
        })
    }

    /// `None` if the time is too short to say, or this is another process.
    pub(super) fn since(&self, first: &Self) -> Option<CpuUse> {
        let observed = self.at.saturating_duration_since(first.at);
        if observed < OBSERVED_MIN || self.stat.started != first.stat.started {
            return None;
        }
        let per_second = ticks_per_second()?;
        let share = |ticks: u64| ticks as f64 / per_second / observed.as_secs_f64();
        let busiest = self.threads.as_ref().zip(first.threads.as_ref());
        let busiest = busiest.and_then(|(last, first)| {
            last.iter()
                .map(|(tid, ticks)| ticks.saturating_sub(first.get(tid).copied().unwrap_or(0)))
                .max()
        });
        Some(CpuUse {
            process: share(self.stat.ticks.saturating_sub(first.stat.ticks)),
            busiest_thread: busiest.map(share),
            busiest_second: None,
        })
    }
}

/// The busiest second of a process's busiest thread, looked for all the time.
#[derive(Debug)]
pub(super) struct Peak {
    last: Option<Reading>,
    share: Option<f64>,
}

impl Peak {
    pub(super) fn new(first: Option<Reading>) -> Self {
        Self {
            last: first,
            share: None,
        }
    }

    /// To be called about once a second.
    pub(super) fn look(&mut self, pid: u32) {
        let now = Reading::take(pid, true);
        let used = now.as_ref().zip(self.last.as_ref());
        let share = used.and_then(|(now, last)| now.since(last)?.busiest_thread);
        self.share = self.share.into_iter().chain(share).reduce(f64::max);
        self.last = now;
    }

    pub(super) fn share(&self) -> Option<f64> {
        self.share
    }
}

/// Asks about a process.
pub(super) fn stat(pid: u32) -> io::Result<Stat> {
    let text = read::octets(Path::new(&format!("/proc/{pid}/stat")), STAT_MAX)?;
    parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn threads(pid: u32) -> HashMap<u32, u64> {
    numbers_in(Path::new(&format!("/proc/{pid}/task")))
        .take(THREADS_MAX)
        .filter_map(|tid| {
            let path = format!("/proc/{pid}/task/{tid}/stat");
            let text = read::octets(Path::new(&path), STAT_MAX).ok()?;
            Some((tid, parse(&text)?.ticks))
        })
        .collect()
}

/// The name stands in parentheses and may hold any octet, parentheses too; the
/// numbers behind the last one count from the third field (proc_pid_stat(5)).
fn parse(stat: &[u8]) -> Option<Stat> {
    let name_ends = stat.iter().rposition(|&octet| octet == b')')?;
    let fields: Vec<&str> = std::str::from_utf8(stat.get(name_ends + 1..)?)
        .ok()?
        .split_ascii_whitespace()
        .collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        ticks: field(14)?.checked_add(field(15)?)?,
        started: field(22)?,
    })
}

fn ticks_per_second() -> Option<f64> {
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
                started: 6123
            })
        );
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
        let start = Instant::now();
        let reading = |ms, ticks, threads: &[(u32, u64)]| Reading {
            at: start + Duration::from_millis(ms),
            stat: Stat { ticks, started: 7 },
            threads: Some(threads.iter().copied().collect()),
        };
        let first = reading(0, 100, &[(1, 100)]);
        let last = reading(2000, 400, &[(1, 150), (2, 200)]);
        let used = last.since(&first).unwrap();
        let seconds = 300.0 / ticks_per_second().unwrap();
        assert!((used.process - seconds / 2.0).abs() < 1e-9);
        let thread = used.busiest_thread.unwrap();
        assert!((thread - used.process * 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(reading(50, 400, &[]).since(&first), None);
        let mut another = reading(2000, 400, &[]);
        another.stat.started = 8;
        assert_eq!(another.since(&first), None, "a pid that was used again");
    }

    #[test]
    fn a_busy_process_is_seen_to_be_busy() {
        let pid = std::process::id();
        let first = Reading::take(pid, true).unwrap();
        let mut peak = Peak::new(Some(first.clone()));
        let start = Instant::now();
        // On a machine with much to do it takes longer than that.
        let used = || stat(pid).unwrap().ticks - first.stat.ticks;
        while start.elapsed() < Duration::from_millis(200) || used() < 10 {
            std::hint::black_box(start);
        }
        peak.look(pid);
        let used = Reading::take(pid, true).unwrap().since(&first).unwrap();
        assert!(used.process > 0.0, "{used:?}");
        assert!(
            used.busiest_thread.is_some_and(|share| share > 0.0),
            "{used:?}"
        );
        let busiest = peak.share();
        std::thread::sleep(Duration::from_millis(200));
        peak.look(u32::MAX);
        assert!(busiest.is_some_and(|share| share > 0.0));
        assert_eq!(peak.share(), busiest, "it is not forgotten");
    }
}
