//! What is known about each query that went wrong: the query itself, how the
//! server on this host saw it, what the resolver was waiting for meanwhile, how
//! its neighbours fared, and what the host's own counters say.
//!
//! The [`Casebook`] is fed while the doctor watches; what it closes with is plain
//! data, from which [`crate::doctor`] decides.

mod case;
mod casebook;
mod dead_ends;
mod fingerprint;
mod overflows;
mod processes;
mod server_view;
mod tallies;
mod tally;

pub use case::Case;
pub use case::Trouble;
pub use casebook::CASES_MAX;
pub use casebook::Casebook;
pub use casebook::Evidence;
pub use overflows::Overflows;
pub use processes::NameTally;
pub use processes::ProcessTally;
pub use processes::Processes;
pub use server_view::ServerView;
pub use tallies::Asked;
pub use tallies::BothFamilies;
pub use tallies::Flow;
pub use tallies::Tallies;
pub use tally::Tally;
