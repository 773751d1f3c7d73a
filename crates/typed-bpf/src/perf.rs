//! perf_event_open(2), for tracepoints and for the kernel's own counters.

use std::fs;
use std::io;
use std::os::fd::FromRawFd as _;
use std::os::fd::OwnedFd;

use libbpf_sys::perf_event_attr;

use crate::module::Event;

/// include/uapi/linux/perf_event.h.
const PERF_TYPE_SOFTWARE: u32 = 1;
const PERF_TYPE_TRACEPOINT: u32 = 2;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;

/// The event as often as it happens on this CPU.
pub(crate) fn software_event(event: Event, cpu: i32) -> io::Result<OwnedFd> {
    let config = match event {
        Event::CpuMigration => 4,
        Event::MinorPageFault => 5,
        Event::MajorPageFault => 6,
    };
    open(PERF_TYPE_SOFTWARE, config, cpu)
}

/// A tracepoint by its number. A program on it runs on every CPU, whichever is named.
pub(crate) fn tracepoint(id: u64) -> io::Result<OwnedFd> {
    open(PERF_TYPE_TRACEPOINT, id, 0)
}

fn open(kind: u32, config: u64, cpu: i32) -> io::Result<OwnedFd> {
    let mut attr = perf_event_attr {
        type_: kind,
        size: size_of::<perf_event_attr>() as u32,
        config,
        ..Default::default()
    };
    attr.__bindgen_anon_1.sample_period = 1;
    let (every_process, no_group): (libc::pid_t, libc::c_int) = (-1, -1);
    // SAFETY: attr is as long as it says, and lives during the call.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            every_process,
            cpu,
            no_group,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made it, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// The numbers of the CPUs that run: `0-3,8` in sysfs.
pub(crate) fn online_cpus() -> io::Result<Vec<i32>> {
    let text = fs::read_to_string("/sys/devices/system/cpu/online")?;
    parse_cpus(text.trim()).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, text))
}

fn parse_cpus(text: &str) -> Option<Vec<i32>> {
    let mut cpus = Vec::new();
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cpus.extend(first.parse::<i32>().ok()?..=last.parse().ok()?);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_single_or_ranges() {
        assert_eq!(parse_cpus("0"), Some(vec![0]));
        assert_eq!(parse_cpus("0-2,5,7-8"), Some(vec![0, 1, 2, 5, 7, 8]));
        assert_eq!(parse_cpus(""), None);
        assert_eq!(parse_cpus("0-x"), None);
    }
}
