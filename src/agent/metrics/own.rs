//! What kerno itself costs, as procfs has it.

use std::time::Duration;
use std::time::SystemTime;

use crate::host::proc::Root;
use crate::host::proc::stat;
use crate::host::proc::stat::Stat;
use crate::host::proc::status;

/// Descriptors that are counted at most.
const DESCRIPTORS_MAX: usize = 4096;

/// The process, as far as it can be read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Own {
    pub(super) cpu: Option<Duration>,
    pub(super) resident_octets: Option<u64>,
    pub(super) threads: Option<u64>,
    pub(super) descriptors: Option<usize>,
    pub(super) started: Option<Duration>,
}

impl Own {
    pub(super) fn read(proc: &Root) -> Self {
        let process = proc.process(std::process::id());
        let stat = Stat::read(&process).ok();
        Self {
            cpu: stat.and_then(|stat| stat::time_of(stat.ticks)),
            resident_octets: status::octets(&process, "VmRSS:"),
            threads: status::number(&process, "Threads:"),
            descriptors: std::fs::read_dir(process.path("fd"))
                .ok()
                .map(|entries| entries.take(DESCRIPTORS_MAX).count()),
            started: stat.and_then(|stat| started(&stat)),
        }
    }
}

/// Since 1970.
fn started(stat: &Stat) -> Option<Duration> {
    let began = Duration::from_nanos(stat.started_ns()?);
    let now = Duration::from_nanos(crate::host::Clock::monotonic_ns());
    let ago = now.checked_sub(began)?;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.ok()?.checked_sub(ago)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_this_process_is_read() {
        let own = Own::read(&Root::default());
        assert!(own.cpu.is_some() && own.started.is_some());
        assert!(own.resident_octets.is_some_and(|it| it > 1 << 20));
        assert!(own.threads.is_some_and(|it| it > 0));
        assert!(own.descriptors.is_some_and(|it| it > 2));
        let elsewhere = tempfile::tempdir().expect("a folder");
        let nothing = Own::read(&Root::at(elsewhere.path()));
        assert!(nothing.cpu.is_none() && nothing.resident_octets.is_none());
    }
}
