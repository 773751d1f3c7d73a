//! What is known about each query that went wrong: the query itself, how the
//! server on this host saw it, what the resolver was waiting for meanwhile, how
//! its neighbours fared, and what the host's own counters say.

mod answers;
mod collection;
mod costs;
mod dead_ends;
mod evidence;
mod incident;
mod likeness;
mod loops;
mod outages;
mod overflows;
mod oversized;
mod processes;
mod rates;
mod rejections;
mod resends;
mod server_view;
mod serving;
mod side_tries;
mod sizes;
mod slowness;
mod tallies;
mod tally;
mod traits;
mod waiting;

pub use answers::Answers;
pub use answers::Asking;
pub use answers::Said;
pub use collection::INCIDENTS_MAX;
pub use collection::Incidents;
pub use costs::SearchCosts;
pub use evidence::Evidence;
pub use incident::Cost;
pub use incident::FailureKind;
pub use incident::Incident;
pub use loops::Hop;
pub use loops::Loops;
pub use outages::Outage;
pub use outages::Outages;
pub use oversized::Oversized;
pub use oversized::OversizedAnswers;
pub use processes::ProcessTally;
pub use rates::RateLimit;
pub use rejections::Rejection;
pub use rejections::Rejections;
pub use resends::Resends;
pub use server_view::ServerView;
pub use slowness::Slow;
pub use slowness::Slowness;
pub use tallies::Asked;
pub use tallies::BothFamilies;
pub use tally::Tally;
pub use traits::Separated;
pub use traits::Trait;
pub use waiting::Waiting;
