//! `/proc/net/softnet_stat`: packets that waited for a CPU, and those that found no room there.
//! All network namespaces have the same.

use std::io;

use super::MIB;
use super::Root;

/// Since the start of the host, of all CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoftnetStat {
    /// Packets that were discarded because a CPU's backlog was full.
    pub dropped: u64,
    /// How often a CPU ended its work on packets before it was done.
    pub squeezed: u64,
}

impl SoftnetStat {
    /// Of this host.
    pub fn read(root: &Root) -> io::Result<Self> {
        let text = root.text("proc/net/softnet_stat", MIB)?;
        parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// How many packets a CPU's backlog takes.
pub fn backlog_max(root: &Root) -> Option<u64> {
    let max = root.text("proc/sys/net/core/netdev_max_backlog", 64);
    max.ok()?.trim().parse().ok()
}

/// A line for each CPU in hexadecimal: processed, dropped, `time_squeeze`, and more that differs
/// between kernels (softnet_seq_show() in net/core/net-procfs.c).
pub(super) fn parse(text: &str) -> Option<SoftnetStat> {
    let mut sum = SoftnetStat::default();
    for line in text.lines() {
        let mut values = line
            .split_ascii_whitespace()
            .map(|value| u32::from_str_radix(value, 16).ok());
        let (_processed, dropped, squeezed) = (values.next()??, values.next()??, values.next()??);
        sum.dropped += u64::from(dropped);
        sum.squeezed += u64::from(squeezed);
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_cpus_are_added_up() {
        let text = "0df5d160 000000a0 00000008 00000000\n1d6e56e5 00000002 0000000a 00000000\n";
        let expected = SoftnetStat {
            dropped: 162,
            squeezed: 18,
        };
        assert_eq!(parse(text), Some(expected));
        for junk in ["", "\n", "1 2\n", "1 x 3\n", "123456789 0 0\n"] {
            assert_eq!(parse(junk), None, "{junk:?}");
        }
    }

    #[test]
    fn live_this_kernel_is_understood() {
        let root = Root::default();
        assert!(SoftnetStat::read(&root).is_ok() && backlog_max(&root) > Some(0));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([0-9a-fx]{0,9}[ \n]){0,30}") {
            let _ = parse(&text);
        }
    }
}
