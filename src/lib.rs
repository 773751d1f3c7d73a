//! kerno, a DNS doctor for Linux hosts and Kubernetes nodes.
//!
//! The modules are the stations that a query passes, in order: `kernel` (BPF
//! programs and the poller thread), `attempt` (what a record means, and whose it
//! is), `track` (late answers, errors joined with their query), `attribution`
//! (finds out whose it is), `filter` (what the user asked for), `collect`
//! (figures), `sampler` (what the host says around it), `incidents` (what went
//! wrong, with all that is known about it), `doctor` (findings), `report` (what a
//! person reads) or `watch` (JSON lines).
//! `shell` makes the commands that people paste,
//! `host` probes what this machine offers. The crate `kerno-chaos` makes real
//! faults.

pub mod attempt;
pub mod attribution;
pub mod cli;
pub mod collect;
pub mod commands;
pub mod doctor;
pub mod event;
pub mod filter;
pub mod host;
pub mod incidents;
pub mod kernel;
pub mod monitor;
mod pace;
pub mod report;
#[cfg(test)]
mod sample;
pub mod sampler;
pub mod shell;
pub mod stop;
pub mod thresholds;
pub mod track;
pub mod units;
pub mod watch;
pub mod window;
