//! `/proc/net/stat/arp_cache` and `ndisc_cache`: the tables of link addresses. All network
//! namespaces share them.

use std::io;

use super::MIB;
use super::Root;

/// The table of one family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NeighbourStat {
    /// Entries in it now.
    pub entries: u64,
    /// How often it had no room for another (`table_fulls`, since Linux 4.9).
    pub table_fulls: u64,
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// ARP.
    V4,
    /// Neighbour discovery.
    V6,
}

impl NeighbourStat {
    /// Of this host.
    pub fn read(root: &Root, family: Family) -> io::Result<Self> {
        let file = match family {
            Family::V4 => "proc/net/stat/arp_cache",
            Family::V6 => "proc/net/stat/ndisc_cache",
        };
        parse(&root.text(file, MIB)?).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// How many entries the table takes; only the host's own namespace has the setting.
pub fn entries_max(root: &Root, family: Family) -> Option<u64> {
    let file = match family {
        Family::V4 => "proc/sys/net/ipv4/neigh/default/gc_thresh3",
        Family::V6 => "proc/sys/net/ipv6/neigh/default/gc_thresh3",
    };
    root.text(file, 64).ok()?.trim().parse().ok()
}

/// A line of names, then one for each CPU in hexadecimal; entries are the same on each.
pub(super) fn parse(text: &str) -> Option<NeighbourStat> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next()?.split_ascii_whitespace().collect();
    let column = |name| names.iter().position(|&it| it == name);
    let (entries, fulls) = (column("entries")?, column("table_fulls")?);
    let mut sum = NeighbourStat::default();
    let mut cpus = 0;
    for line in lines {
        let values: Option<Vec<u64>> = line
            .split_ascii_whitespace()
            .map(|value| u64::from_str_radix(value, 16).ok())
            .collect();
        let values = values.filter(|values| values.len() == names.len())?;
        sum.entries = values[entries];
        sum.table_fulls = sum.table_fulls.saturating_add(values[fulls]);
        cpus += 1;
    }
    (cpus > 0).then_some(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_are_found_by_their_names() {
        let text = "entries  allocs   table_fulls\n00000400 00004bd3 00000007\n00000400 00004e8f 00000002\n";
        let expected = NeighbourStat {
            entries: 1024,
            table_fulls: 9,
        };
        assert_eq!(parse(text), Some(expected));
        let no_cpu = "entries table_fulls\n";
        for junk in [
            "",
            "entries\n1\n",
            no_cpu,
            "entries table_fulls\n1\n",
            "entries table_fulls\n1 x\n",
        ] {
            assert_eq!(parse(junk), None, "{junk:?}");
        }
    }

    #[test]
    fn live_this_kernel_is_understood() {
        let root = Root::default();
        assert!(NeighbourStat::read(&root, Family::V4).is_ok());
        assert!(entries_max(&root, Family::V4) > Some(0));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(entries |table_fulls |[0-9a-f]{0,18} |\n){0,30}") {
            let _ = parse(&text);
        }
    }
}
