//! `kerno watch`: attempts as JSON lines.

mod record;
mod writer;

pub use record::Record;
pub use writer::LineWriter;
pub use writer::Written;
