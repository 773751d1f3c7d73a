//! A lookup that is over, as plain data.

use domain::base::iana::Rtype;
use serde::Serialize;

use super::step::Step;
use crate::attempt::Attempt;

/// What a lookup came to. The names are those of the `result` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LookupResult {
    /// There are records.
    Ok,
    /// The name is there, but has no such records.
    NoData,
    /// There is no such name (NXDOMAIN).
    NoSuchName,
    /// No answer that says any of that.
    Failed,
}

/// What a lookup comes to in figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// What it came to.
    pub result: LookupResult,
    /// From the first message to the last answer, or until nothing more was waited for.
    pub duration_ns: u64,
    /// Messages.
    pub queries: u64,
    /// So much of the duration was lost by messages that led to nothing or took long.
    pub lost_ns: u64,
}

/// A lookup that is told by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    /// One of its attempts, for whose it is.
    pub example: Attempt,
    /// As the program meant it, as far as its messages tell: what the names that a search
    /// list made of it have in common. `None` if nothing was sent.
    pub name: Option<String>,
    /// The types that were asked for.
    pub types: Vec<Rtype>,
    /// In figures.
    pub outline: Outline,
    /// When it was over, in nanoseconds of `CLOCK_MONOTONIC`.
    pub end_ns: u64,
    /// Its messages in the order in which they were sent, as many as were kept.
    pub steps: Vec<Step>,
    /// Whether all of it is known to be one lookup.
    pub is_exact: bool,
}

/// A lookup that is over.
#[derive(Clone, Debug, PartialEq)]
pub enum Closed {
    /// All of it is plain: it is counted where its first message is.
    Plain(u32, Outline),
    /// It is told by itself.
    Told(Box<Lookup>),
}
