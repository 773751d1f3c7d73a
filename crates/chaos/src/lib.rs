//! Real DNS faults, made on this host on purpose and undone on every way out.
//!
//! A scenario is a fault together with the rule of kerno's doctor that must find
//! it; docs/lab.md tells of the lab. [`testbed`] is what that is built of, for tests too.
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
