//! `/proc/PID/stat`: who a process is, and how much CPU time it has used.

use std::io;
use std::time::Duration;

use nix::time::ClockId;
use nix::time::clock_gettime;
use nix::unistd::SysconfVar;
use nix::unistd::sysconf;

use super::Root;

/// A line of stat has 52 numbers and a name of 64 octets at most.
const STAT_MAX: u64 = 4096;

/// include/linux/sched.h: the process is in the middle of its end, or has ended.
const PF_EXITING: u64 = 4;

/// A line of stat, as far as it counts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// A letter (proc_pid_stat(5)).
    pub state: u8,
    /// `PF_…` of the kernel.
    pub flags: u64,
    /// User and system time, in clock ticks.
    pub ticks: u64,
    /// When it started, in clock ticks since boot; with the pid, this names a
    /// process once and for all.
    pub started: u64,
}

impl Stat {
    /// Of the process or thread whose folder this is.
    pub fn read(task: &Root) -> io::Result<Self> {
        let text = task.octets("stat", STAT_MAX)?;
        parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Whether all its threads are stopped, by SIGSTOP or a debugger.
    pub fn is_stopped(&self) -> bool {
        matches!(self.state, b'T' | b't')
    }

    /// Whether it is ending, or has ended and nobody has asked how.
    pub fn is_ending(&self) -> bool {
        self.flags & PF_EXITING != 0
    }

    /// When it started, in nanoseconds of `CLOCK_MONOTONIC`, rounded down to a
    /// clock tick.
    pub fn started_ns(&self) -> Option<u64> {
        let since_boot = time_of(self.started)?;
        // Boot time goes on while the machine sleeps, monotonic time does not.
        let clock = |id| clock_gettime(id).map(Duration::from).ok();
        let asleep =
            clock(ClockId::CLOCK_BOOTTIME)?.saturating_sub(clock(ClockId::CLOCK_MONOTONIC)?);
        u64::try_from(since_boot.saturating_sub(asleep).as_nanos()).ok()
    }
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
        state: fields.first()?.bytes().next()?,
        flags: field(9)?,
        ticks: field(14)?.checked_add(field(15)?)?,
        started: field(22)?,
    })
}

/// How long so many clock ticks are.
pub fn time_of(ticks: u64) -> Option<Duration> {
    let per_second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
    let seconds = Duration::from_secs(ticks.checked_div(per_second)?);
    Some(seconds + Duration::from_secs(ticks % per_second) / u32::try_from(per_second).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::Clock;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = b"812 (un) R 1 (bound) S 1 812 812 0 -1 4194560 2931 0 1 0 152 48 7 9 20 0 3 0 6123 45678592 5120 18446744073709551615 1 1 0 0 0 0 0 4096 17507 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
        let stat = parse(line).unwrap();
        assert_eq!((stat.ticks, stat.started), (200, 6123));
        assert!(!stat.is_stopped() && !stat.is_ending());
        let stopped = line.map(|octet| if octet == b'S' { b'T' } else { octet });
        assert!(parse(&stopped).unwrap().is_stopped());
        let ending = str::from_utf8(line).unwrap().replace("4194560", "4194564");
        assert!(parse(ending.as_bytes()).unwrap().is_ending());
    }

    #[test]
    fn nonsense_is_no_process() {
        for junk in [
            &b""[..],
            b")",
            b"\xff) \xff",
            b"1 (x) S 1 2 3",
            b"1 (x S 1 2 3 4 5 6 7 8 9 10 11 12",
        ] {
            assert_eq!(parse(junk), None, "{junk:?}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&octets);
        }

        #[test]
        fn no_number_of_ticks_makes_it_panic(ticks in any::<u64>()) {
            let _ = time_of(ticks);
        }
    }

    #[test]
    fn live_the_running_kernel_agrees_on_the_form() {
        let of = |pid| Stat::read(&Root::default().process(pid));
        let started = of(std::process::id()).unwrap().started_ns().unwrap();
        assert!(started > 0 && started < Clock::monotonic_ns());
        assert!(of(u32::MAX).is_err());
    }
}
