//! The options of `kerno counters`.

use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use kerno_counters::ALL;
use kerno_counters::Definition;
use kerno_counters::syscall::CALLS;

use super::Output;
use super::duration;
use crate::attribution;

pub(super) const EXAMPLES: &str = "\
Examples:
  sudo kerno counters                        ten seconds of this host
  sudo kerno counters --duration 1m --programs mem,cpu_sched
  sudo kerno counters --programs syscall --calls connect,sendto
  sudo kerno counters --output json | jq '.workloads[] | {kind, name, pid, net}'

Programs:
  mem        processes killed for want of memory, major page faults, page cache
  cpu_sched  how long threads that could run waited for a CPU, context switches
  net        TCP connections and what they carried, retransmits, resets, packets
             discarded and why, round-trip times
  syscall    how often a system call was made, how it failed, how long it took
  proc       programs started, processes made and ended (only when named)
  disk       requests to block devices and how long they took (only when named)

They run in the kernel for as long as this command does. Most cost only whoever does what they
count; a tracepoint on any system call makes every call of every process of the host slower (by
some 40 ns), so leave syscall out where that matters, and choose the calls with --calls.

Ctrl-C ends the counting early and still prints. docs/typed-counters.md has every counter.";

/// What runs unless something is named.
const USUAL: &str = "mem,cpu_sched,net,syscall";

/// `kerno counters`.
#[derive(Args, Debug)]
pub struct CountersArgs {
    /// How long to count, as 250ms, 30s or 5m.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub duration: Duration,
    /// Which programs to run, with commas between.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = USUAL,
          value_parser = PossibleValuesParser::new(ALL.map(|it| it.name)), hide_possible_values = true)]
    programs: Vec<String>,
    /// Which system calls the program syscall counts, with commas between; only these get
    /// a tracepoint [default: all of these]
    #[arg(long, value_name = "NAMES", value_delimiter = ',',
          value_parser = PossibleValuesParser::new(CALLS.iter().copied()))]
    calls: Vec<String>,
    /// How to print the figures.
    #[arg(long, value_enum, default_value_t = Output::Pretty)]
    pub output: Output,
    /// CRI socket to ask for names of pods and containers [default: those of
    /// containerd, CRI-O, cri-dockerd, k3s, k0s and MicroK8s]
    #[cfg(feature = "k8s")]
    #[arg(long, value_name = "PATH", value_parser = super::socket)]
    cri_endpoint: Option<std::path::PathBuf>,
}

impl CountersArgs {
    /// What to run, each once; an error names an option that would do nothing.
    pub fn programs(&self) -> Result<Vec<Definition>, clap::Error> {
        let is_chosen = |name: &str| self.programs.iter().any(|it| it == name);
        if !self.calls.is_empty() && !is_chosen("syscall") {
            return Err(clap::Error::raw(
                clap::error::ErrorKind::ArgumentConflict,
                "--calls chooses what the program syscall counts, which --programs leaves out\n",
            ));
        }
        Ok(ALL.into_iter().filter(|it| is_chosen(it.name)).collect())
    }

    /// Whether a system call is to be counted.
    pub fn wants_call(&self, call: &str) -> bool {
        self.calls.is_empty() || self.calls.iter().any(|it| it == call)
    }

    /// How to find out whose a figure is.
    pub fn workloads(&self) -> attribution::Options {
        attribution::Options {
            #[cfg(feature = "k8s")]
            cri_endpoint: self.cri_endpoint.clone(),
        }
    }
}
