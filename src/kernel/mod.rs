//! The kernel side: loads and attaches the BPF programs, and the poller thread
//! that owns them.
//!
//! The poller drains the ring buffer, decodes its records, sweeps the queries
//! that nobody answered, and hands [`Attempt`](crate::attempt::Attempt)s on in
//! batches through a bounded channel. When the receiver is slow the poller
//! waits; the ring buffer fills, and the kernel counts what it could not put
//! there. So there is one place for losses, and memory stays bounded.

mod check;
mod counters;
mod decode;
mod discarded;
mod hooks;
mod inflight;
mod load;
mod log;
mod poller;
#[cfg(test)]
mod tests;
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
pub use decode::Event;
pub use decode::Notice;
pub use decode::NoticeKind;
pub use decode::Stray;
pub use discarded::Discarded;
pub use discarded::Message as DiscardedMessage;
pub use discarded::Socket as DiscardedSocket;
pub use inflight::InFlight;
pub use load::Config;
pub use load::PORTS_MAX;
pub use log::install as install_log;
pub use poller::Ending;
pub use poller::Message;
pub use poller::Monitor;
