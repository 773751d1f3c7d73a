//! The scenarios, a file each.

mod aaaa_silent;
mod answer_drop;
mod big_answer;
mod client_gives_up;
mod closed_port;
mod dead_neighbour;
mod dead_server;
mod error_answers;
mod healthy;
mod late_reader;
mod nft_drop;
mod no_route;
mod overload;
mod reject;
mod search_list;
mod silent_server;
mod storm;
mod tcp_blocked;
mod upstream;
mod wrong_source;

pub use aaaa_silent::AAAA_SILENT;
pub use answer_drop::ANSWER_DROP;
pub use big_answer::BIG_ANSWER;
pub use client_gives_up::CLIENT_GIVES_UP;
pub use closed_port::CLOSED_PORT;
pub use dead_neighbour::DEAD_NEIGHBOUR;
pub use dead_server::DEAD_SERVER;
pub use error_answers::REFUSED;
pub use error_answers::SERVFAIL;
pub use healthy::HEALTHY;
pub use late_reader::LATE_READER;
pub use nft_drop::NFT_DROP;
pub use no_route::NO_ROUTE;
pub use overload::SERVER_OVERFLOW;
pub use overload::SERVER_SATURATED;
pub use overload::SERVER_THROTTLED;
pub use reject::REJECT;
pub use search_list::SEARCH_LIST;
pub use silent_server::SILENT_SERVER;
pub use storm::STORM_OF_QUERIES;
pub use tcp_blocked::TCP_BLOCKED;
pub use upstream::UPSTREAM_LOST;
pub use upstream::UPSTREAM_SLOW;
pub use wrong_source::WRONG_SOURCE;

use std::net::Ipv4Addr;

/// A server out in the world (TEST-NET-3, RFC 5737), where no host has it.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 53);
