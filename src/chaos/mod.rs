//! Real faults, made on this host on purpose and undone on every way out.
//!
//! A scenario is a fault together with the rule that must find it. What a fault
//! needs is sockets, threads and BPF links of this process, so the kernel undoes it
//! even after SIGKILL. Nothing here knows the command line.

pub mod deny;
pub mod dns_flood;
pub mod flood;
mod pace;
pub mod scenario;
pub mod server;
pub mod target;
mod wait;
