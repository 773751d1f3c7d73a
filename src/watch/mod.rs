//! `kerno watch`: attempts or lookups as JSON lines.

mod lookup_record;
mod record;
mod waits;
mod writer;

pub use lookup_record::LookupRecord;
pub use record::Record;
pub use waits::Waits;
pub use writer::LineWriter;
pub use writer::Written;
