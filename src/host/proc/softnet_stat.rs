//! `/proc/net/softnet_stat`: packets that were lost before any protocol saw them.

use super::MIB;
use super::Root;

/// Packets of this host, all namespaces together, that found the backlog queue
/// of a CPU full, since boot.
pub fn dropped(root: &Root) -> Option<u64> {
    parse(&root.text("proc/net/softnet_stat", MIB).ok()?)
}

/// A line for each CPU; the second column counts what was dropped, in
/// hexadecimal (`softnet_seq_show` in net/core/net-procfs.c).
fn parse(text: &str) -> Option<u64> {
    let mut lines = text.lines().peekable();
    lines.peek()?;
    lines
        .map(|line| {
            let dropped = line.split_ascii_whitespace().nth(1)?;
            u32::from_str_radix(dropped, 16).ok().map(u64::from)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_column_is_added_up() {
        let linux_6_18 = "\
000001ec 00000010 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000
00001da6 00000001 00000009 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000001 00000000 00000000
";
        assert_eq!(parse(linux_6_18), Some(17));
        let linux_2_6 =
            "00000001 00000002 00000000 00000000 00000000 00000000 00000000 00000000 00000000\n";
        assert_eq!(parse(linux_2_6), Some(2));
    }

    #[test]
    fn nonsense_is_no_number() {
        for junk in ["", "\n", "1\n", "1 x\n", "1 123456789\n"] {
            assert_eq!(parse(junk), None, "{junk:?}");
        }
    }

    #[test]
    fn the_running_kernel_agrees_on_the_form() {
        assert!(dropped(&Root::default()).is_some());
    }
}
