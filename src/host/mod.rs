//! What this machine offers: rights, kernel features, cgroups, signals.

mod signals;

pub use signals::Signal;
