//! kerno, a DNS doctor for Linux hosts and Kubernetes nodes.
//!
//! The modules are rooms, and their order is the way of the data:
//! docs/architecture.md has it. The crate `kerno-chaos` makes real faults.

pub mod agent;
pub mod attempt;
pub mod attribution;
pub mod cli;
pub mod codec;
pub mod collect;
pub mod commands;
pub mod contrast;
pub mod counters;
pub mod doctor;
pub mod event;
pub mod filter;
pub mod fleet;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod host;
pub mod incidents;
pub mod journal;
pub mod kernel;
pub mod lookup;
pub mod monitor;
pub mod notify;
mod pace;
pub mod report;
#[cfg(test)]
#[path = "tests/sample.rs"]
mod sample;
pub mod sampler;
pub mod shell;
pub mod stop;
pub mod thresholds;
pub mod top;
pub mod track;
pub mod units;
pub mod watch;
pub mod watching;
pub mod window;
