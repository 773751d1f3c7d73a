//! What the kernel knows of a program's runs.

use std::os::fd::AsRawFd as _;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use anyhow::Result;

/// Runs of one program since it was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// How many, and how long they took: both 0 where nobody has the kernel count
    /// (`kernel.bpf_stats_enabled`), and from when somebody did.
    pub number: u64,
    /// See `number`.
    pub took: Duration,
    /// Those that the kernel left out: a tracing program that is interrupted is not run again
    /// on that CPU. Told since Linux 5.12, before that 0.
    pub missed: u64,
}

impl Runs {
    pub(super) fn of(program: BorrowedFd<'_>) -> Result<Self> {
        let mut info = libbpf_sys::bpf_prog_info::default();
        let mut len = size_of_val(&info) as u32;
        // SAFETY: the kernel writes at most `len` bytes into `info`, which is plain data,
        // and both outlive the call.
        let error = unsafe {
            libbpf_sys::bpf_prog_get_info_by_fd(program.as_raw_fd(), &raw mut info, &raw mut len)
        };
        match error {
            0 => Ok(Self {
                number: info.run_cnt,
                took: Duration::from_nanos(info.run_time_ns),
                missed: info.recursion_misses,
            }),
            _ => Err(std::io::Error::from_raw_os_error(-error).into()),
        }
    }
}
