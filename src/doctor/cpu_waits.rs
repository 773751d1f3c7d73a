//! How long the threads of a process waited for a CPU, in a sentence.

use std::time::Duration;

use super::who;
use crate::sampler::HostSample;
use crate::units;

/// `None` where nobody looked, or it never waited.
pub(super) fn told(what: &str, pid: Option<u32>, host: &HostSample) -> Option<String> {
    let waits = host.cpu_waits.get(&pid?).filter(|it| it.waits > 0)?;
    let told = |time: Duration| units::duration(time.as_nanos().try_into().unwrap_or(u64::MAX));
    let longest = match waits.bound_ns() {
        Some(bound_ns) => format!(", each less than {}", units::duration(bound_ns)),
        None => String::new(),
    };
    Some(format!(
        "{} waited {} for a CPU, {} in all{longest}, in the {} that kerno looked at that.",
        who::with_pid(what, pid),
        units::counted(waits.waits, "time", "times"),
        told(waits.waited),
        told(host.waits_looked_at),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::CpuWaits;

    #[test]
    fn only_what_was_looked_at_is_said() {
        let mut host = HostSample {
            waits_looked_at: Duration::from_secs(8),
            ..HostSample::default()
        };
        assert_eq!(told("The server", Some(53), &host), None);
        let mut slots = [0; 40];
        slots[26] = 5;
        let waits = CpuWaits::of(&slots, Duration::from_millis(450));
        host.cpu_waits.insert(53, waits);
        assert_eq!(
            told("The server", Some(53), &host).as_deref(),
            Some(
                "The server (pid 53) waited 5 times for a CPU, 450 ms in all, each less than 134 ms, \
                 in the 8.0 s that kerno looked at that."
            )
        );
        host.cpu_waits.insert(53, CpuWaits::default());
        assert_eq!(told("The server", Some(53), &host), None);
        assert_eq!(told("The server", None, &host), None);
    }
}
