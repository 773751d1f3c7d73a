//! What helps to say why a query failed, beyond the query itself.

pub mod surroundings;
