//! Processes that the kernel killed because there was no memory for them.

use anyhow::Result;
use kerno_counters::mem;
use typed_bpf::Comm;

use super::Running;

/// Counts them from now on, until it is dropped. It runs when a thread ends, and looks one
/// number up there.
#[derive(Debug)]
pub struct OomWatch(Running);

/// A process that was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Killed {
    /// Its number.
    pub pid: u32,
    /// Its name.
    pub comm: Comm,
    /// When that was decided, in nanoseconds of `CLOCK_MONOTONIC`. It ends a moment later.
    pub at_ns: u64,
}

/// The counter that tells of them.
const COUNTER: &str = "oom_kills";

impl OomWatch {
    /// Attaches its programs. Where this kernel lacks a hook, the error says which.
    pub fn start() -> Result<Self> {
        let running = Running::of("mem", |program| program.gives.contains(&COUNTER))?;
        match running.missing().into_iter().next() {
            Some((_, reason)) => Err(anyhow::anyhow!(reason)),
            None => Ok(Self(running)),
        }
    }

    /// All that were killed since it began, each as often as once.
    pub fn read(&self) -> Result<Vec<Killed>> {
        let all = mem::MEMORY.read(&self.0.loaded)?.into_iter();
        let killed = all.filter(|(_, it)| it.oom_kills > 0);
        Ok(killed
            .map(|(owner, it)| Killed {
                pid: owner.tgid,
                comm: it.comm,
                at_ns: it.oom_ns,
            })
            .collect())
    }
}
