//! Every file format of procfs and of control groups, each once.
//!
//! A format is a pure function of text or octets beside a reader that takes so
//! much of the file and no more, below a [`Root`] that a test can put in the place
//! of the host's. What makes no sense is `None` or passed over, never a panic.

pub mod addresses;
pub mod cgroup;
pub mod conntrack_stat;
pub mod conntrack_table;
pub mod cpu_stat;
pub mod descriptors;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
pub(super) mod kallsyms;
pub mod maps;
pub mod memory;
pub mod mountinfo;
pub mod neighbour_stat;
pub mod net_udp;
pub mod resolv_conf;
mod root;
pub mod route;
pub mod schedstat;
pub mod snmp;
pub mod softnet_stat;
pub mod stat;
pub mod status;
pub mod untrusted;

pub use root::MIB;
pub use root::Root;
