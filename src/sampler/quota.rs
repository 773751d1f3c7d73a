//! CPU quotas of control groups, and how often they ran out.

use std::path::Path;
use std::time::Duration;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::HostPath;
use super::Version;
use crate::host::proc::cpu_stat::CpuStat;

/// The CPU quota that a process lives under, and how it fared while watched.
/// All counts are growth.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The folder of the control group that has it: the process's own or one
    /// above it, as of its pod.
    pub cgroup: HostPath,
    /// Which interface it has, to know the file to write.
    pub version: Version,
    /// CPU time that all processes in it may use together in a period; `None`
    /// if it was lifted meanwhile.
    #[borsh(
        serialize_with = "crate::codec::maybe_duration::write",
        deserialize_with = "crate::codec::maybe_duration::read"
    )]
    pub quota: Option<Duration>,
    /// The period, 100 ms unless somebody chose another.
    #[borsh(
        serialize_with = "crate::codec::duration::write",
        deserialize_with = "crate::codec::duration::read"
    )]
    pub period: Duration,
    /// Periods in which something in it wanted to run (`nr_periods`).
    pub periods: u64,
    /// Periods in which the quota ran out (`nr_throttled`).
    pub throttled_periods: u64,
    /// How long its processes had to wait for the next period, added up over
    /// the CPUs.
    #[borsh(
        serialize_with = "crate::codec::duration::write",
        deserialize_with = "crate::codec::duration::read"
    )]
    pub throttled: Duration,
}

impl Quota {
    /// What happened in a group from one look to another. `None` if there was no
    /// quota all the time.
    pub(super) fn between(
        first: &CpuStat,
        last: &CpuStat,
        folder: &Path,
        version: Version,
    ) -> Option<Self> {
        let growth = |of: fn(&CpuStat) -> u64| of(last).saturating_sub(of(first));
        let quota = Self {
            cgroup: folder.to_owned().into(),
            version,
            quota: last.quota,
            period: last.period,
            periods: growth(|stat| stat.periods),
            throttled_periods: growth(|stat| stat.throttled_periods),
            throttled: last.throttled.saturating_sub(first.throttled),
        };
        (quota.quota.is_some() || quota.throttled_periods > 0).then_some(quota)
    }

    /// With what happened in the window after.
    pub(super) fn and(self, next: Self) -> Self {
        Self {
            periods: self.periods + next.periods,
            throttled_periods: self.throttled_periods + next.throttled_periods,
            throttled: self.throttled + next.throttled,
            ..next
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: CpuStat = CpuStat {
        quota: None,
        period: Duration::from_millis(100),
        periods: 49,
        throttled_periods: 45,
        throttled: Duration::from_millis(3600),
    };

    fn quota(first: &CpuStat, last: &CpuStat) -> Option<Quota> {
        Quota::between(first, last, Path::new("/g"), Version::V2)
    }

    #[test]
    fn shares_are_of_what_grew() {
        let last = CpuStat {
            quota: Some(Duration::from_millis(20)),
            ..NONE
        };
        let quota = quota(&CpuStat::default(), &last).unwrap();
        assert!((quota.throttled_share() - 45.0 / 49.0).abs() < 1e-9);
        assert!((quota.cores().unwrap() - 0.2).abs() < 1e-9);
    }

    #[test]
    fn no_quota_is_nothing_to_tell_of_unless_it_had_run_out_before() {
        assert_eq!(quota(&NONE, &NONE), None);
        let lifted = quota(&CpuStat::default(), &NONE).unwrap();
        assert_eq!((lifted.quota, lifted.cores()), (None, None));
    }

    #[test]
    fn a_period_of_nothing_is_no_share() {
        let zero = CpuStat {
            quota: Some(Duration::from_micros(5)),
            period: Duration::ZERO,
            ..NONE
        };
        let quota = quota(&zero, &zero).unwrap();
        assert_eq!((quota.cores(), quota.throttled_share()), (None, 0.0));
    }
}
