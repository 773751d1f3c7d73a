//! Real faults, made on this host on purpose and undone on every way out.
//!
//! A scenario is a fault together with the rule that must find it. The flood
//! needs plain sockets and threads of this process, a denial a BPF link, the lab
//! network namespaces that processes of kerno hold, so the kernel undoes all of
//! them even after SIGKILL. Nothing here knows the command line.

pub mod deny;
pub mod dns_flood;
pub mod dns_mix;
pub mod flood;
pub mod lab;
mod pace;
pub mod scenario;
pub mod server;
pub mod target;
mod wait;
