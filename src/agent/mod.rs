//! What runs always: keeps windows, and answers questions about the time behind.
//!
//! A window is closed every ten seconds; older ones are put together to minutes. Whatever is
//! told is a view of windows: the report of `doctor --last` is made by the same doctor as that
//! of a live one.

mod answers;
mod client;
mod history;
mod kept;
mod request;
mod server;
mod watcher;

pub use client::ask;
pub use history::Trouble;
pub use kept::Kept;
pub use kept::Timed;
pub use request::Question;
pub use server::Socket;
pub use watcher::Watcher;

/// Where an agent is asked, if nothing else is said.
pub const SOCKET: &str = "/run/kerno/kerno.sock";
