//! What the lab is built of, and kerno's own tests with it.
//!
//! Everything needs root, and returns an error that says what it could not do.
//! Namespaces and processes go with the process that made them, however it ends;
//! a [`Cgroup`] does not.

mod cgroup;
pub mod client;
mod dnsmasq;
mod namespace;
mod ready;
pub mod scatter;
pub mod server;
pub mod tool;
mod tunnel;
mod unbound;
pub mod veth;

pub use cgroup::Cgroup;
pub use dnsmasq::Dnsmasq;
pub use namespace::Namespace;
pub use namespace::own_mounts;
pub use tunnel::tunnel;
pub use unbound::Unbound;
