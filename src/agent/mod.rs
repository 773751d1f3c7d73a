//! What runs always: keeps windows, and answers questions about the time behind.
//!
//! A window is closed every ten seconds; older ones are put together to minutes. Whatever is
//! told is a view of windows: the report of `doctor --last` is made by the same doctor as that
//! of a live one.

mod answers;
mod client;
mod connections;
mod counting;
mod disk;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod health;
mod herald;
mod history;
mod hook;
mod judge;
mod kept;
mod live;
mod marks;
mod metrics;
mod open;
mod past;
mod request;
mod rolls;
mod rows;
mod server;
mod stream;
mod timed;
mod turn;
mod watcher;
mod web;
mod writer;

pub use client::ask;
pub use client::follow;
pub use client::is_there;
pub use counting::Counters;
pub use disk::Bounds;
pub use disk::HISTORY;
pub use history::Trouble;
pub use hook::Hook;
pub use kept::Kept;
pub use past::troubles_on_disk;
pub use request::Question;
pub use server::Socket;
pub use timed::Held;
pub use timed::Place;
pub use timed::Timed;
pub use watcher::Duties;
pub use watcher::Keep;
pub use watcher::Watcher;
pub use web::Pages;
pub use web::Web;

/// Where an agent is asked, if nothing else is said.
pub const SOCKET: &str = "/run/kerno/kerno.sock";
