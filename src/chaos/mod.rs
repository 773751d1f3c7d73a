//! Real faults, made on this host on purpose and undone on every way out.
//!
//! A scenario is a fault together with the rule that must find it. What a fault
//! needs is plain sockets and threads of this process, so the kernel undoes it
//! even after SIGKILL. Nothing here knows the command line.

pub mod dns_flood;
pub mod dns_mix;
pub mod flood;
mod pace;
pub mod scenario;
pub mod server;
pub mod target;
mod wait;
