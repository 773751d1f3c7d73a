//! What the host's own counters and files say: read when the doctor begins to
//! watch, or when a process or namespace is first met, and once more at the end.
//!
//! What is not there is `None` or absent, and [`missing`](HostSample::missing) says so.
//! Strangers wrote it, or it is about them: lengths and numbers are bounded everywhere.

mod baseline;
mod cgroups;
mod conntrack;
mod descriptors;
mod flows;
mod history;
mod host_path;
mod host_sample;
mod listener;
mod memory;
mod missing;
mod ports;
mod probe;
mod process_baseline;
mod quota;
mod readers;
mod shared;
mod thread;
mod threads;
mod waits;

pub use conntrack::ConntrackCounters;
pub use conntrack::Fullness;
pub use descriptors::Descriptors;
pub use descriptors::Full;
pub use history::Span;
pub use host_path::HostPath;
pub use host_sample::HostSample;
pub use host_sample::Process;
pub use memory::Lack;
pub use memory::MemoryLimit;
pub use memory::OomKill;
pub use ports::Ports;
pub use quota::Quota;
pub use shared::Shared;
pub use shared::Table;
pub use thread::Sampler;

pub use crate::host::proc::cgroup::Version;
pub use crate::host::proc::conntrack_table::Flow;
pub use crate::host::proc::maps::CLibrary;
pub use crate::host::proc::resolv_conf::ResolvConf;
pub use crate::host::proc::snmp::Unreachable;
