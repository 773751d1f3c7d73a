//! Real faults, made on this host on purpose and undone on every way out.
//!
//! A scenario is a fault together with the rule that must find it. The flood
//! needs plain sockets and threads of this process, the lab network namespaces
//! that processes of kerno hold, so the kernel undoes both even after SIGKILL.
//! Nothing here knows the command line.

pub mod dns_flood;
pub mod flood;
pub mod lab;
mod pace;
pub mod scenario;
pub mod server;
pub mod target;
mod wait;
