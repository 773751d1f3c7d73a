//! `kerno top`: a live screen. What is shown is always a report (`kerno.doctor.v1`) and the
//! failures meanwhile (`kerno.dns.v1`), whoever watches: this process or an agent.

mod asked;
mod draw;
mod failure;
mod keys;
mod look;
mod own;
mod picture;
mod screen;
mod source;
mod state;
mod tab;
mod table;
mod terminal;
mod text;

pub use own::watch;
pub use screen::run;
pub use source::Source;
pub use terminal::is_there;

pub use asked::ask;
