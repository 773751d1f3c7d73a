//! `/proc/…/net/stat/nf_conntrack`: counters of connection tracking, which each
//! network namespace has of its own.

use std::io;

use super::MIB;
use super::Root;

/// One look at the counters, summed up over the CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConntrackStat {
    /// Entries in the table.
    pub entries: u64,
    /// Packets dropped: the table had no room, or an insertion failed.
    pub drop: u64,
    /// Insertions that failed because another entry had taken the tuple.
    pub insert_failed: u64,
}

impl ConntrackStat {
    /// Of the namespace whose `/proc/…/net` folder this is.
    pub fn read(net: &Root) -> io::Result<Self> {
        let text = net.text("stat/nf_conntrack", MIB)?;
        parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// The most entries that a namespace's table may have. Only the initial
/// namespace can set it, all obey it.
pub fn max(root: &Root) -> Option<u64> {
    let max = root.text("proc/sys/net/netfilter/nf_conntrack_max", 64);
    max.ok()?.trim().parse().ok()
}

/// A line of names, then a line for each CPU in hexadecimal. Names and not
/// places count: kernels give columns new names and meanings (`searched` became
/// `clashres`, `delete_list` became `chainlength`).
pub(super) fn parse(text: &str) -> Option<ConntrackStat> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next()?.split_ascii_whitespace().collect();
    let column = |name| names.iter().position(|&it| it == name);
    let entries = column("entries")?;
    let (drop, insert_failed) = (column("drop")?, column("insert_failed")?);
    let mut sum = ConntrackStat::default();
    let mut cpus = 0;
    for line in lines {
        let values: Option<Vec<u64>> = line
            .split_ascii_whitespace()
            .map(|value| u32::from_str_radix(value, 16).ok().map(u64::from))
            .collect();
        // A line may be cut in the middle of a number.
        let values = values.filter(|values| values.len() == names.len())?;
        // The same on each line: the table is one.
        sum.entries = values[entries];
        sum.drop += values[drop];
        sum.insert_failed += values[insert_failed];
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
            Some(ConntrackStat {
                entries: 16,
                drop: 0xa7,
                insert_failed: 0xa5,
            })
        );
        assert_eq!(
            parse(LINUX_5_4),
            Some(ConntrackStat {
                entries: 0x7b,
                drop: 3,
                insert_failed: 2,
            })
        );
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
