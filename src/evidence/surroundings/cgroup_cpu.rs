//! CPU quotas of control groups, and how often they ran out.

use std::path::Path;
use std::time::Duration;

use super::HostPath;
use super::Version;
use super::read;

const FILE_MAX: u64 = 16 << 10;

/// The CPU quota that a process lives under, and how it fared while watched.
/// All counts are growth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The folder of the control group that has it: the process's own or one
    /// above it, as of its pod.
    pub cgroup: HostPath,
    /// Which interface it has, to know the file to write.
    pub version: Version,
    /// CPU time that all processes in it may use together in a period; `None`
    /// if it was lifted meanwhile.
    pub quota: Option<Duration>,
    /// The period, 100 ms unless somebody chose another.
    pub period: Duration,
    /// Periods in which something in it wanted to run (`nr_periods`).
    pub periods: u64,
    /// Periods in which the quota ran out (`nr_throttled`).
    pub throttled_periods: u64,
    /// How long its processes had to wait for the next period, added up over
    /// the CPUs.
    pub throttled: Duration,
}

impl Quota {
    /// How many cores it allows.
    pub fn cores(&self) -> Option<f64> {
        let period = self.period.as_secs_f64();
        (period > 0.0).then(|| Some(self.quota?.as_secs_f64() / period))?
    }

    /// Share of the periods in which the quota ran out, 0 to 1.
    pub fn throttled_share(&self) -> f64 {
        match self.periods {
            0 => 0.0,
            periods => self.throttled_periods as f64 / periods as f64,
        }
    }
}

/// One look at a control group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    quota: Option<Duration>,
    period: Duration,
    periods: u64,
    throttled_periods: u64,
    throttled: Duration,
}

impl Reading {
    /// `None` if it is gone, or has no CPU controller.
    pub(super) fn take(folder: &Path, version: Version) -> Option<Self> {
        let file = |name: &str| read::text(&folder.join(name), FILE_MAX).ok();
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

    /// `None` if there was no quota all the time.
    pub(super) fn since(&self, first: &Self, folder: &Path, version: Version) -> Option<Quota> {
        let quota = Quota {
            cgroup: folder.to_owned().into(),
            version,
            quota: self.quota,
            period: self.period,
            periods: self.periods.saturating_sub(first.periods),
            throttled_periods: self
                .throttled_periods
                .saturating_sub(first.throttled_periods),
            throttled: self.throttled.saturating_sub(first.throttled),
        };
        (quota.quota.is_some() || quota.throttled_periods > 0).then_some(quota)
    }
}

/// Times are nanoseconds in cpu.stat and microseconds elsewhere; -1 is no quota
/// (Documentation/scheduler/sched-bwc.rst).
fn parse_v1(stat: &str, quota: &str, period: &str) -> Option<Reading> {
    let quota: i64 = quota.trim().parse().ok()?;
    Some(Reading {
        quota: u64::try_from(quota).ok().map(Duration::from_micros),
        period: Duration::from_micros(period.trim().parse().ok()?),
        periods: read::value_of(stat, "nr_periods")?,
        throttled_periods: read::value_of(stat, "nr_throttled")?,
        throttled: Duration::from_nanos(read::value_of(stat, "throttled_time")?),
    })
}

/// Times are microseconds; `max` is no quota
/// (Documentation/admin-guide/cgroup-v2.rst).
fn parse_v2(stat: &str, max: &str) -> Option<Reading> {
    let (quota, period) = max.trim().split_once(' ')?;
    let quota = match quota {
        "max" => None,
        number => Some(Duration::from_micros(number.parse().ok()?)),
    };
    Some(Reading {
        quota,
        period: Duration::from_micros(period.parse().ok()?),
        periods: read::value_of(stat, "nr_periods")?,
        throttled_periods: read::value_of(stat, "nr_throttled")?,
        throttled: Duration::from_micros(read::value_of(stat, "throttled_usec")?),
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
        let v2 = parse_v2(STAT_V2, "20000 100000\n").unwrap();
        assert_eq!(v1, v2);
        let quota = v2
            .since(&Reading::default(), Path::new("/g"), Version::V2)
            .unwrap();
        assert_eq!(quota.quota, Some(Duration::from_millis(20)));
        assert_eq!(quota.throttled, Duration::from_millis(3600));
        assert!((quota.throttled_share() - 45.0 / 49.0).abs() < 1e-9);
        assert!((quota.cores().unwrap() - 0.2).abs() < 1e-9);
    }

    #[test]
    fn no_quota_is_nothing_to_tell_of_unless_it_had_run_out_before() {
        let none = parse_v1(STAT_V1, "-1\n", "100000\n").unwrap();
        assert_eq!(none, parse_v2(STAT_V2, "max 100000\n").unwrap());
        assert_eq!(none.since(&none, Path::new("/g"), Version::V1), None);
        let lifted = none
            .since(&Reading::default(), Path::new("/g"), Version::V1)
            .unwrap();
        assert_eq!((lifted.quota, lifted.cores()), (None, None));
    }

    #[test]
    fn a_group_without_the_controller_and_nonsense_are_no_reading() {
        let without = "usage_usec 1\nuser_usec 1\nsystem_usec 0\n";
        assert_eq!(parse_v2(without, "max 100000\n"), None);
        for max in ["", "max", "x y", "1 -1", "99999999999999999999 1"] {
            assert_eq!(parse_v2(STAT_V2, max), None, "{max:?}");
        }
        assert_eq!(parse_v1("nr_periods x\n", "1", "1"), None);
        let zero = parse_v2(STAT_V2, "5 0").unwrap();
        let quota = zero.since(&zero, Path::new("/g"), Version::V2).unwrap();
        assert_eq!((quota.cores(), quota.throttled_share()), (None, 0.0));
    }
}
