//! How long threads that could run waited for a CPU.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use kerno_counters::cpu_sched;
use kerno_counters::figure::LOG2_SLOTS;

use super::Running;

/// Counts them from now on, until it is dropped. It runs at each switch of threads, on every
/// CPU: for a while only.
#[derive(Debug)]
pub struct WaitsWatch(Running);

/// The waits of one process, all of its threads together.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuWaits {
    /// How many there were.
    pub waits: u64,
    /// How long all were together.
    #[borsh(
        serialize_with = "crate::codec::duration::write",
        deserialize_with = "crate::codec::duration::read"
    )]
    pub waited: Duration,
    /// How many were how long: slot n has those below 2 to the power of n + 1 nanoseconds
    /// that are in none before it.
    slots: Vec<u64>,
}

impl CpuWaits {
    /// From a histogram, and how long all in it were.
    pub fn of(slots: &[u64], waited: Duration) -> Self {
        let mut slots = slots.to_vec();
        slots.resize(LOG2_SLOTS, 0);
        Self {
            waits: slots.iter().sum(),
            waited,
            slots,
        }
    }

    /// Adds what was counted after it, or in another control group.
    pub fn absorb(&mut self, next: Self) {
        self.waits += next.waits;
        self.waited += next.waited;
        self.slots.resize(LOG2_SLOTS, 0);
        let next = next.slots.into_iter();
        self.slots
            .iter_mut()
            .zip(next)
            .for_each(|(own, it)| *own += it);
    }

    /// The longest was shorter than this, in nanoseconds. `None` if there was none, or it
    /// was longer than can be told.
    pub fn bound_ns(&self) -> Option<u64> {
        let last = self.slots.iter().rposition(|count| *count > 0)?;
        (last + 1 < LOG2_SLOTS).then_some(1 << (last + 1))
    }
}

/// The counter that tells of them.
const COUNTER: &str = "run_queue";

impl WaitsWatch {
    /// Attaches its programs. Where this kernel lacks a hook, the error says which.
    pub fn start() -> Result<Self> {
        let running = Running::of("cpu_sched", |program| program.gives.contains(&COUNTER))?;
        match running.missing().into_iter().next() {
            Some((_, reason)) => Err(anyhow::anyhow!(reason)),
            None => Ok(Self(running)),
        }
    }

    /// What was counted since it began, or since it was last taken, by process, of those that
    /// are asked for. A wait that ends just while it is taken may be missed; to begin anew
    /// would miss all for as long as the programs are loaded.
    pub fn take(&self, wanted: impl Fn(u32) -> bool) -> Result<BTreeMap<u32, CpuWaits>> {
        let mut by_pid: BTreeMap<u32, CpuWaits> = BTreeMap::new();
        for (owner, it) in cpu_sched::SCHED.drain(&self.0.loaded)? {
            if wanted(owner.tgid) {
                let waited = Duration::from_nanos(it.run_queue_sum_ns);
                let waits = CpuWaits::of(&it.run_queue, waited);
                by_pid.entry(owner.tgid).or_default().absorb(waits);
            }
        }
        Ok(by_pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_told_by_the_bounds_of_their_slots() {
        let waits = CpuWaits::of(&[0, 3, 2], Duration::from_nanos(20));
        assert_eq!((waits.waits, waits.bound_ns()), (5, Some(8)));
        assert_eq!(CpuWaits::default().bound_ns(), None);
        let beyond = CpuWaits::of(&[1; LOG2_SLOTS], Duration::ZERO);
        assert_eq!(beyond.bound_ns(), None);
    }

    #[test]
    fn what_is_added_is_slot_by_slot() {
        let mut sum = CpuWaits::default();
        sum.absorb(CpuWaits::of(&[1, 0, 2], Duration::from_nanos(9)));
        sum.absorb(CpuWaits::of(&[0, 4], Duration::from_nanos(8)));
        assert_eq!(sum, CpuWaits::of(&[1, 4, 2], Duration::from_nanos(17)));
    }
}
