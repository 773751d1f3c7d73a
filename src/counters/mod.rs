//! Counters of the kernel beside DNS: each runs only while it is asked for. What they
//! count and where they hang is defined in `crates/counters`, one file for each.

mod always;
mod check;
mod gathering;
mod names;
mod oom;
mod resent;
mod waits;
mod watches;
mod workloads;

use std::collections::HashMap;
use std::collections::HashSet;

use anyhow::Context as _;
use anyhow::Result;
use kerno_counters::ALL;
use kerno_counters::Definition;
use kerno_counters::Owner;
use kerno_counters::read::Look;
use kerno_counters::read::Readings;
use typed_bpf::Program;
use typed_bpf::load::Loaded;
use typed_bpf::load::Outcome;
use typed_bpf::load::State;

pub use always::Always;
pub use check::CounterCheck;
pub use check::CounterState;
pub use check::check_counters;
pub use gathering::Gathered;
pub use gathering::Gathering;
pub use oom::Killed;
pub use oom::OomWatch;
pub use resent::Resent;
pub use resent::ResentWatch;
pub use resent::TcpClient;
pub use waits::CpuWaits;
pub use waits::WaitsWatch;
pub use watches::Watches;
pub use workloads::Placed;
pub use workloads::Workload;
pub use workloads::by_workload;
pub use workloads::events;
pub use workloads::key_of;
pub use workloads::owners_in;

/// The compiled object of each definition, by its name.
const OBJECTS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/counters.rs"));

/// One definition, running.
#[derive(Debug)]
pub struct Running {
    definition: Definition,
    loaded: Loaded,
}

impl Running {
    /// Attaches those of its programs that `wanted` says yes to and whose hooks this
    /// kernel has.
    pub fn start(definition: Definition, wanted: impl FnMut(&Program) -> bool) -> Result<Self> {
        let name = definition.name;
        // The kernel's library reads numbers of it in place: a copy on the heap is aligned.
        let object = OBJECTS.iter().find(|(known, _)| *known == name);
        let (_, object) = object.with_context(|| format!("no object of {name}"))?;
        let object = object.to_vec();
        let loaded = Loaded::start(&object, &(definition.module)(), wanted)
            .with_context(|| format!("the programs of {name} cannot be loaded"))?;
        Ok(Self { definition, loaded })
    }

    /// What became of each of its programs.
    fn states(&self) -> &[State] {
        self.loaded.states()
    }

    /// How many instructions the verifier walked through, by program, where the kernel
    /// tells.
    fn verified_insns(&self) -> HashMap<String, u32> {
        self.loaded.verified_insns().unwrap_or_default()
    }

    /// The same of the definition with this name.
    fn of(name: &str, wanted: impl FnMut(&Program) -> bool) -> Result<Self> {
        let definition = ALL.iter().find(|it| it.name == name);
        Self::start(
            *definition.with_context(|| format!("no counters {name}"))?,
            wanted,
        )
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.definition.name
    }

    /// What has been counted since the start, by process.
    pub fn read(&self) -> Result<Readings> {
        self.look(&HashSet::new())
    }

    /// The same for these, whose entries make room for others: they have ended.
    fn take(&self, gone: &HashSet<Owner>) -> Result<Readings> {
        let mut readings = self.look(gone)?;
        readings.retain(|owner, _| gone.contains(owner));
        Ok(readings)
    }

    fn look(&self, gone: &HashSet<Owner>) -> Result<Readings> {
        let look = Look {
            loaded: &self.loaded,
            gone,
        };
        (self.definition.read)(&look).with_context(|| format!("cannot read {}", self.name()))
    }

    /// What found no room: how often each map was full.
    pub fn losses(&self) -> Result<Vec<(&'static str, u64)>> {
        let name = self.definition.name;
        self.loaded
            .losses()
            .with_context(|| format!("cannot read the losses of {name}"))
    }

    /// Kernel memory of its maps, in octets.
    pub fn map_octets(&self) -> u64 {
        self.loaded.map_octets()
    }

    /// Whether any of its programs is attached.
    pub fn is_active(&self) -> bool {
        self.loaded
            .states()
            .iter()
            .any(|it| it.outcome == Outcome::Attached)
    }

    /// Each counter that this kernel cannot give, and why.
    pub fn missing(&self) -> Vec<(&'static str, String)> {
        let mut missing = Vec::new();
        for state in self.loaded.states() {
            if let Outcome::Missing(reason) = &state.outcome {
                let counters = state.program.gives.iter();
                missing.extend(counters.map(|counter| (*counter, reason.clone())));
            }
        }
        missing
    }
}
