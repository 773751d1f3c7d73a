//! Which names of queries a window has.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use clap::ValueEnum;

/// Which names of queries are written.
#[derive(
    BorshDeserialize,
    BorshSerialize,
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    ValueEnum,
)]
pub enum Names {
    /// None.
    None,
    /// Those of queries that failed or were answered with an error.
    Failed,
    /// All.
    #[default]
    All,
}
