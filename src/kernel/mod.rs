//! The kernel side: the BPF programs, and what their maps and records mean.

mod check;
mod counters;
mod decode;
mod discarded;
mod entry;
mod features;
mod fields;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod hooks;
mod inflight;
mod load;
mod log;
mod others;
mod plain;
mod runs;
mod slots;
#[cfg(test)]
mod tests;
/// The same with the programs for kernels that have no atomic swaps.
#[cfg(test)]
#[path = "tests/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "each test is to run with both")]
mod tests_before_5_12;
mod wire;

#[allow(
    missing_docs,
    unreachable_pub,
    unused_imports,
    clippy::all,
    clippy::undocumented_unsafe_blocks
)]
mod bpf {
    include!(concat!(env!("OUT_DIR"), "/dns_monitor.skel.rs"));
}

pub use check::ProgramCheck;
pub use check::check_programs;
pub use counters::Counters;
pub(crate) use decode::decode;
pub(crate) use entry::Claim;
pub(crate) use entry::Entry;
pub(crate) use hooks::Wanted;
pub use load::Config;
pub use load::PORTS_MAX;
pub(crate) use load::Programs;
pub(crate) use load::Until;
pub use load::Wake;
pub(crate) use log::clear as clear_log;
pub use log::install as install_log;
pub(crate) use log::last_lines_or;
pub(crate) use others::may_deny_sends;
pub(crate) use plain::PlainKey;
pub(crate) use plain::PlainRecord;
#[cfg(test)]
pub(crate) use plain::tests::bytes;
#[cfg(test)]
pub(crate) use plain::tests::encoded;
pub use runs::Runs;
