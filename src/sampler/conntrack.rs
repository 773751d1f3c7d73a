//! Counters of connection tracking, which each network namespace has of its own.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use crate::host::proc::conntrack_stat::ConntrackStat;

/// What connection tracking of a namespace went through while watched.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConntrackCounters {
    /// Packets dropped: the table had no room, or an insertion failed. Growth.
    pub drop: u64,
    /// Insertions that failed because another entry had taken the tuple. Growth.
    pub insert_failed: u64,
    /// Entries in the table at the end.
    pub entries: u64,
    /// How full it was when it was seen fullest: at the start, each second once
    /// packets were dropped there, and at the end. `None` if the limit is unknown.
    pub fullest: Option<Fullness>,
    /// Whether the growth counts from later than the start, because the
    /// namespace was first met then.
    pub baseline_late: bool,
}

/// Entries of a table, and the limit at that time.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fullness {
    /// Entries in the table.
    pub entries: u64,
    /// How many it may have; 0 is no limit.
    pub max: u64,
}

impl Fullness {
    /// With the limit that is in force now, if it is known.
    pub(super) fn of(stat: &ConntrackStat, max: Option<u64>) -> Option<Self> {
        Some(Self {
            entries: stat.entries,
            max: max?,
        })
    }

    /// The one with less room, in proportion.
    fn fuller(self, other: Self) -> Self {
        let share = |it: Self| match it.max {
            0 => 0,
            max => it.entries.saturating_mul(1 << 20) / max,
        };
        match share(self) >= share(other) {
            true => self,
            false => other,
        }
    }
}

/// What is kept of several looks at how full a table is.
pub(super) fn fuller(a: Option<Fullness>, b: Option<Fullness>) -> Option<Fullness> {
    a.zip(b).map(|(a, b)| a.fuller(b)).or(a).or(b)
}

impl ConntrackCounters {
    /// What grew from one look to another.
    pub(super) fn between(
        first: &ConntrackStat,
        last: &ConntrackStat,
        baseline_late: bool,
    ) -> Self {
        Self {
            drop: growth(first.drop, last.drop),
            insert_failed: growth(first.insert_failed, last.insert_failed),
            entries: last.entries,
            fullest: None,
            baseline_late,
        }
    }

    /// Adds what was found in the window after.
    pub(super) fn follow(&mut self, next: Self) {
        self.drop += next.drop;
        self.insert_failed += next.insert_failed;
        self.entries = next.entries;
        self.fullest = fuller(self.fullest, next.fullest);
    }
}

/// Each CPU's counter has 32 bits and may have wrapped in between.
fn growth(first: u64, last: u64) -> u64 {
    last.wrapping_sub(first) & u64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_is_the_one_with_the_least_room() {
        let of = |entries, max| Some(Fullness { entries, max });
        assert_eq!(fuller(of(600, 600), of(700, 262_144)), of(600, 600));
        assert_eq!(fuller(of(700, 262_144), of(600, 600)), of(600, 600));
        assert_eq!(fuller(of(5, 10), of(6, 10)), of(6, 10));
        // Without a limit there is always room.
        assert_eq!(fuller(of(5, 0), of(1, 10)), of(1, 10));
        assert_eq!(fuller(None, of(1, 10)), of(1, 10));
        assert_eq!(fuller(None, None), None);
    }

    #[test]
    fn a_counter_that_wrapped_has_still_grown() {
        let first = ConntrackStat {
            drop: u64::from(u32::MAX),
            ..ConntrackStat::default()
        };
        let last = ConntrackStat {
            drop: 4,
            entries: 7,
            ..ConntrackStat::default()
        };
        let grown = ConntrackCounters::between(&first, &last, true);
        assert_eq!((grown.drop, grown.entries), (5, 7));
        assert!(grown.baseline_late);
    }
}
