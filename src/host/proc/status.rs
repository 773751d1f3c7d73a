//! `/proc/PID/status`: what a process may do, and what it has.

use std::io;

use super::Root;

/// Some 60 lines; groups of a user may be many.
const STATUS_MAX: u64 = 64 << 10;

/// The mask of effective capabilities of the process whose folder this is; `None`
/// if there is no such line.
pub fn effective_capabilities(process: &Root) -> io::Result<Option<u64>> {
    Ok(parse(&process.text("status", STATUS_MAX)?))
}

/// The number behind a name with its colon, as `Seccomp:`.
pub fn number(process: &Root, name: &str) -> Option<u64> {
    number_in(&process.text("status", STATUS_MAX).ok()?, name)
}

pub(super) fn number_in(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().parse().ok()
}

/// Memory in octets behind a name with its colon, as `VmRSS:`, which is told in KiB.
pub fn octets(process: &Root, name: &str) -> Option<u64> {
    octets_in(&process.text("status", STATUS_MAX).ok()?, name)
}

pub(super) fn octets_in(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

pub(super) fn parse(status: &str) -> Option<u64> {
    let mut lines = status.lines();
    let mask = lines.find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_a_unit() {
        let of = |status| octets_in(status, "VmRSS:");
        assert_eq!(of("Name:\tx\nVmRSS:\t    8640 kB\n"), Some(8640 << 10));
        for junk in [
            "",
            "VmRSS:",
            "VmRSS: 12",
            "VmRSS: x kB",
            "VmRSS: 99999999999999999999 kB",
        ] {
            assert_eq!(of(junk), None, "{junk}");
        }
    }

    #[test]
    fn the_line_is_found() {
        let status = "Name:\tx\nCapEff:\t000001ffffffffff\n";
        assert_eq!(parse(status), Some(0x1ff_ffff_ffff));
        for junk in ["", "CapEff:", "CapEff:\tx\n", "CapPrm:\t1\n"] {
            assert_eq!(parse(junk), None, "{junk:?}");
        }
    }

    #[test]
    fn live_the_running_kernel_agrees_on_the_form() {
        let mask = effective_capabilities(&Root::at("/proc/self"));
        assert!(mask.expect("a file").is_some());
        let process = Root::at("/proc/self");
        let pid = u64::from(std::process::id());
        assert_eq!(number(&process, "Pid:"), Some(pid));
        assert_eq!(number(&process, "Name:"), None);
        assert_eq!(number(&process, "NoSuch:"), None);
    }
}
