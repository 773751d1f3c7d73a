//! Real DNS faults, made on this host on purpose and undone on every way out.
//!
//! A scenario is a fault together with the rule of kerno's doctor that must find
//! it. The flood needs plain sockets and threads of this process, a denial a BPF
//! link, the lab network namespaces that this program's own processes hold, so the
//! kernel undoes all of them even after SIGKILL. [`testbed`] is what the lab is
//! built of, for tests too.
//!
//! Nothing here knows the command line or the rest of kerno: what it needs of this
//! machine it is told ([`lab::Machine`]).

pub mod deny;
pub mod dns_flood;
pub mod dns_mix;
mod flood;
pub mod lab;
mod pace;
pub mod scenario;
pub mod scenarios;
pub mod target;
pub mod testbed;
mod wait;
