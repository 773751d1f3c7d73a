//! `cpu.stat`, and `cpu.max` or its two files of version 1: CPU quotas of control
//! groups, and how often they ran out.

use std::time::Duration;

use super::Root;
use super::cgroup::Version;
use super::root::value_of;

const FILE_MAX: u64 = 16 << 10;

/// One look at a control group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuStat {
    /// CPU time that all processes in it may use together in a period, if that is
    /// limited.
    pub quota: Option<Duration>,
    /// The period.
    pub period: Duration,
    /// Periods in which something in it wanted to run (`nr_periods`).
    pub periods: u64,
    /// Periods in which the quota ran out (`nr_throttled`).
    pub throttled_periods: u64,
    /// How long its processes had to wait, added up over the CPUs.
    pub throttled: Duration,
}

impl CpuStat {
    /// Of the group whose folder this is. `None` if it is gone, or has no CPU
    /// controller.
    pub fn read(group: &Root, version: Version) -> Option<Self> {
        let file = |name: &str| group.text(name, FILE_MAX).ok();
        let stat = file("cpu.stat")?;
        match version {
            Version::V1 => parse_v1(
                &stat,
                &file("cpu.cfs_quota_us")?,
                &file("cpu.cfs_period_us")?,
            ),
            Version::V2 => parse_v2(&stat, &file("cpu.max")?),
        }
    }
}

/// Times are nanoseconds in cpu.stat and microseconds elsewhere; -1 is no quota
/// (Documentation/scheduler/sched-bwc.rst).
pub(super) fn parse_v1(stat: &str, quota: &str, period: &str) -> Option<CpuStat> {
    let quota: i64 = quota.trim().parse().ok()?;
    Some(CpuStat {
        quota: u64::try_from(quota).ok().map(Duration::from_micros),
        period: Duration::from_micros(period.trim().parse().ok()?),
        periods: value_of(stat, "nr_periods")?,
        throttled_periods: value_of(stat, "nr_throttled")?,
        throttled: Duration::from_nanos(value_of(stat, "throttled_time")?),
    })
}

/// Times are microseconds; `max` is no quota
/// (Documentation/admin-guide/cgroup-v2.rst).
pub(super) fn parse_v2(stat: &str, max: &str) -> Option<CpuStat> {
    let (quota, period) = max.trim().split_once(' ')?;
    let quota = match quota {
        "max" => None,
        number => Some(Duration::from_micros(number.parse().ok()?)),
    };
    Some(CpuStat {
        quota,
        period: Duration::from_micros(period.parse().ok()?),
        periods: value_of(stat, "nr_periods")?,
        throttled_periods: value_of(stat, "nr_throttled")?,
        throttled: Duration::from_micros(value_of(stat, "throttled_usec")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT_V2: &str = "\
usage_usec 2110000\nuser_usec 900000\nsystem_usec 1210000\nnice_usec 0\ncore_sched.force_idle_usec 0\n\
nr_periods 49\nnr_throttled 45\nthrottled_usec 3600000\nnr_bursts 0\nburst_usec 0\n";
    const STAT_V1: &str =
        "nr_periods 49\nnr_throttled 45\nthrottled_time 3600000000\nnr_bursts 0\nburst_time 0\n";

    #[test]
    fn both_versions_say_the_same() {
        let v1 = parse_v1(STAT_V1, "20000\n", "100000\n").unwrap();
        assert_eq!(Some(v1), parse_v2(STAT_V2, "20000 100000\n"));
        assert_eq!(v1.quota, Some(Duration::from_millis(20)));
        assert_eq!(v1.throttled, Duration::from_millis(3600));
        assert_eq!((v1.periods, v1.throttled_periods), (49, 45));
        let none = parse_v1(STAT_V1, "-1\n", "100000\n").unwrap();
        assert_eq!(Some(none), parse_v2(STAT_V2, "max 100000\n"));
        assert_eq!(none.quota, None);
    }

    #[test]
    fn a_group_without_the_controller_and_nonsense_are_no_reading() {
        let without = "usage_usec 1\nuser_usec 1\nsystem_usec 0\n";
        assert_eq!(parse_v2(without, "max 100000\n"), None);
        for max in ["", "max", "x y", "1 -1", "99999999999999999999 1"] {
            assert_eq!(parse_v2(STAT_V2, max), None, "{max:?}");
        }
        assert_eq!(parse_v1("nr_periods x\n", "1", "1"), None);
    }
}
