//! Since when a finding has been open.

use std::time::Duration;
use std::time::SystemTime;

/// Steps that may be missing: a restart of an agent, a scrape that failed.
const GAPS: u32 = 3;
/// … and no less than this, for a finding that comes and goes.
const GAP_MIN: Duration = Duration::from_secs(120);

/// When something began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Began {
    At(SystemTime),
    /// It was there when the time that was looked at begins.
    Before(SystemTime),
}

impl Began {
    pub(super) fn moment(self) -> SystemTime {
        match self {
            Self::At(moment) | Self::Before(moment) => moment,
        }
    }
}

/// The last time that it began: the beginning of the last stretch without a gap.
pub(super) fn began(
    times: impl Iterator<Item = f64>,
    from: SystemTime,
    to: SystemTime,
    step: Duration,
) -> Began {
    let gap = (step * GAPS).max(GAP_MIN);
    let mut stretch: Option<(SystemTime, SystemTime)> = None;
    // Whoever answers otherwise was not asked so.
    let is_asked = |time: &SystemTime| *time <= to + step;
    for time in times.filter_map(moment).filter(is_asked) {
        stretch = Some(match stretch {
            Some((begin, end)) if time <= end + gap => (begin, time),
            _ => (time, time),
        });
    }
    match stretch {
        Some((begin, _)) if begin <= from + step => Began::Before(from),
        Some((begin, _)) => Began::At(begin),
        // Shorter than a step.
        None => Began::At(to - step.min(to.duration_since(from).unwrap_or_default())),
    }
}

fn moment(seconds: f64) -> Option<SystemTime> {
    let since = Duration::try_from_secs_f64(seconds).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn of(times: &[f64]) -> Began {
        began(
            times.iter().copied(),
            at(1_000),
            at(10_000),
            Duration::from_secs(60),
        )
    }

    #[test]
    fn the_last_stretch_counts_and_small_gaps_do_not() {
        assert_eq!(of(&[5_000.0, 5_060.0, 5_120.0]), Began::At(at(5_000)));
        // One scrape failed.
        assert_eq!(
            of(&[5_000.0, 5_060.0, 5_180.0, 5_240.0]),
            Began::At(at(5_000))
        );
        // It was over, and came again.
        assert_eq!(of(&[2_000.0, 2_060.0, 9_000.0]), Began::At(at(9_000)));
        assert_eq!(of(&[1_000.0, 1_060.0, 1_120.0]), Began::Before(at(1_000)));
        assert_eq!(of(&[]), Began::At(at(9_940)));
        assert_eq!(of(&[f64::MAX, -1.0]), Began::At(at(9_940)));
        // Behind it there is hardly a time, and no year of four digits.
        assert_eq!(of(&[9e18, 9.2e18, 3e11]), Began::At(at(9_940)));
    }
}
