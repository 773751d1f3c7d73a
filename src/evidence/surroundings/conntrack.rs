//! Counters of connection tracking, which each network namespace has of its own.

use std::io;
use std::path::Path;

use super::read;

/// What connection tracking of a namespace went through while watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConntrackCounters {
    /// Packets dropped: the table had no room, or an insertion failed. Growth.
    pub drop: u64,
    /// Entries thrown out early to make room. Growth.
    pub early_drop: u64,
    /// Insertions that failed because another entry had taken the tuple. Growth.
    pub insert_failed: u64,
    /// Clashes of two packets of a flow that were resolved without loss; `None`
    /// before Linux 5.10, which does not count them. Growth.
    pub clash_resolved: Option<u64>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fullness {
    /// Entries in the table.
    pub entries: u64,
    /// How many it may have; 0 is no limit.
    pub max: u64,
}

impl Fullness {
    fn now(entries: u64) -> Option<Self> {
        Some(Self {
            entries,
            max: max()?,
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

/// One look at the counters, summed up over the CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) entries: u64,
    pub(super) drop: u64,
    pub(super) early_drop: u64,
    pub(super) insert_failed: u64,
    pub(super) clash_resolved: Option<u64>,
}

impl Reading {
    /// How full the table is, with the limit that is in force now.
    pub(super) fn fullness(&self) -> Option<Fullness> {
        Fullness::now(self.entries)
    }

    pub(super) fn since(&self, first: &Self, baseline_late: bool) -> ConntrackCounters {
        ConntrackCounters {
            drop: growth(first.drop, self.drop),
            early_drop: growth(first.early_drop, self.early_drop),
            insert_failed: growth(first.insert_failed, self.insert_failed),
            clash_resolved: first
                .clash_resolved
                .zip(self.clash_resolved)
                .map(|(first, last)| growth(first, last)),
            entries: self.entries,
            fullest: None,
            baseline_late,
        }
    }
}

/// Each CPU's counter has 32 bits and may have wrapped in between.
fn growth(first: u64, last: u64) -> u64 {
    last.wrapping_sub(first) & u64::from(u32::MAX)
}

/// Reads the counters of the namespace whose `/proc/…/net` folder this is.
pub(super) fn read(net: &Path) -> io::Result<Reading> {
    let text = read::text(&net.join("stat/nf_conntrack"), read::MIB)?;
    parse(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// The most entries that a namespace's table may have. Only the initial
/// namespace can set it, all obey it.
pub(super) fn max() -> Option<u64> {
    let path = Path::new("/proc/sys/net/netfilter/nf_conntrack_max");
    read::text(path, 64).ok()?.trim().parse().ok()
}

/// A line of names, then a line for each CPU in hexadecimal. Names and not
/// places count: kernels give columns new names and meanings (`searched` became
/// `clashres`, `delete_list` became `chainlength`).
fn parse(text: &str) -> Option<Reading> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next()?.split_ascii_whitespace().collect();
    let column = |name| names.iter().position(|&it| it == name);
    let (entries, drop, early_drop, insert_failed) = (
        column("entries")?,
        column("drop")?,
        column("early_drop")?,
        column("insert_failed")?,
    );
    let clash_resolved = column("clashres");
    let mut sum = Reading {
        clash_resolved: clash_resolved.map(|_| 0),
        ..Reading::default()
    };
    let mut cpus = 0;
    for line in lines {
        let values: Option<Vec<u64>> = line
            .split_ascii_whitespace()
            .map(|value| u32::from_str_radix(value, 16).ok().map(u64::from))
            .collect();
        let values = values?;
        let value = |column: usize| values.get(column).copied();
        // The same on each line: the table is one.
        sum.entries = value(entries)?;
        sum.drop += value(drop)?;
        sum.early_drop += value(early_drop)?;
        sum.insert_failed += value(insert_failed)?;
        if let (Some(sum), Some(column)) = (sum.clash_resolved.as_mut(), clash_resolved) {
            *sum += value(column)?;
        }
        cpus += 1;
    }
    (cpus > 0).then_some(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINUX_6_18: &str = "\
entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
00000010  00000003 00000000 00000000 00000000 00000000 00000000 00000000 00000000 000000a4 000000a5 00000001 00000000  00000000 00000000 00000000 00000000
00000010  00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000001 00000002 00000000 00000000  00000000 00000000 00000000 00000000
";
    const LINUX_5_4: &str = "\
entries  searched found new invalid ignore delete delete_list insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
0000007b  0000ffff 00000000 00000000 00000155 00003aab 00000000 00000000 00000000 00000002 00000003 00000000 00000000  00000000 00000000 00000000 00000009
";

    #[test]
    fn columns_are_found_by_their_names() {
        assert_eq!(
            parse(LINUX_6_18),
            Some(Reading {
                entries: 16,
                drop: 0xa7,
                early_drop: 1,
                insert_failed: 0xa5,
                clash_resolved: Some(4),
            })
        );
        assert_eq!(
            parse(LINUX_5_4),
            Some(Reading {
                entries: 0x7b,
                drop: 3,
                early_drop: 0,
                insert_failed: 2,
                clash_resolved: None,
            })
        );
    }

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
        let first = Reading {
            drop: u64::from(u32::MAX),
            ..Reading::default()
        };
        let last = Reading {
            drop: 4,
            entries: 7,
            ..Reading::default()
        };
        let grown = last.since(&first, true);
        assert_eq!((grown.drop, grown.entries), (5, 7));
        assert!(grown.baseline_late);
    }

    #[test]
    fn what_is_cut_or_makes_no_sense_is_no_reading() {
        let no_cpu = LINUX_6_18.lines().next().unwrap();
        let cut = LINUX_6_18.get(..LINUX_6_18.len() - 60).unwrap();
        for junk in ["", "\n", "entries drop\n1 2\n", no_cpu, cut] {
            assert_eq!(parse(junk), None, "{junk:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(entries |drop |early_drop |insert_failed |clashres |[0-9a-f]{0,9} |\n){0,40}") {
            let _ = parse(&text);
        }
    }
}
