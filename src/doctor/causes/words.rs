//! What a rule says of its cases.

use crate::doctor::fix::Fix;

/// See [`crate::doctor::Finding`], whose fields these become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) title: String,
    pub(super) cause: String,
    pub(super) impact: String,
    pub(super) evidence: Vec<String>,
    pub(super) fix: Fix,
}
