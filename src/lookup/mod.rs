//! From attempts to lookups: what a program wanted to know once, and every message that
//! it took. Pure data: the clock is that of the attempts.
//!
//! The attempts of one thread for one name belong together if they follow each other
//! without a pause: A and AAAA, the suffixes of a search list, resends, the next
//! nameserver, TCP after a truncated answer. A library may spread them over threads; what
//! such threads asked at the same time is put together when the lookup is over.

mod briefs;
mod cost;
mod counts;
mod finished;
mod grouper;
mod joining;
mod name;
mod open;
mod silences;
mod step;
mod store;
#[cfg(test)]
mod tests;

pub use counts::GrouperCounts;
pub use finished::Closed;
pub use finished::Lookup;
pub use finished::LookupResult;
pub use finished::Outline;
pub use grouper::Grouper;
pub use step::AttemptKey;
pub use step::Step;
pub use step::StepEnd;
