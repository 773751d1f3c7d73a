//! What the threads of a process did with their time.

use std::collections::HashMap;
use std::time::Duration;

use crate::host::proc::Root;
use crate::host::proc::schedstat;
use crate::host::proc::schedstat::ThreadTimes;
use crate::host::proc::stat;
use crate::host::proc::stat::Stat;

const THREADS_MAX: usize = 256;

/// By thread id, of the process whose folder this is.
pub(super) fn times(process: &Root) -> HashMap<u32, ThreadTimes> {
    let tids = process.numbers("task").take(THREADS_MAX);
    tids.filter_map(|tid| Some((tid, of(process, tid)?)))
        .collect()
}

/// From schedstat, which is fine and knows both. A kernel without SCHED_INFO has
/// zeros there; then from stat, in hundredths of a second and without the wait.
pub(super) fn of(process: &Root, tid: u32) -> Option<ThreadTimes> {
    let thread = process.below(format!("task/{tid}"));
    let fine = schedstat::read(&thread);
    fine.filter(|times| !times.ran.is_zero()).or_else(|| {
        Some(ThreadTimes {
            ran: stat::time_of(Stat::read(&thread).ok()?.ticks)?,
            waited: Duration::ZERO,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_the_running_kernel_tells_of_this_thread() {
        let pid = std::process::id();
        let of_this = times(&Root::default().process(pid));
        assert!(of_this.contains_key(&pid), "{of_this:?}");
        assert!(
            of_this.values().any(|times| !times.ran.is_zero()),
            "{of_this:?}"
        );
    }
}
