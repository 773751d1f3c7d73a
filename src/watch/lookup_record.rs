//! One line of `kerno watch --lookups`. The fields are the contract of docs/records.md.

use std::collections::BTreeMap;

use serde::Serialize;

use super::record::Endpoint;
use super::record::Whose;
use crate::doctor::Rule;
use crate::host::Clock;
use crate::lookup::Lookup;
use crate::lookup::LookupResult;

/// One lookup. Absent means unknown; nothing is ever null.
#[derive(Debug, Serialize)]
pub struct LookupRecord {
    schema: &'static str,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    types: Vec<String>,
    result: LookupResult,
    duration_ns: u64,
    queries: u64,
    waited_by_cause: BTreeMap<&'static str, u64>,
    exact: bool,
    server: Endpoint,
    #[serde(flatten)]
    whose: Whose,
}

impl LookupRecord {
    /// The lookup as its line says it, with what it waited for.
    pub fn new(lookup: &Lookup, waited: BTreeMap<Rule, u64>, clock: &Clock) -> Self {
        Self {
            schema: "kerno.lookup.v1",
            time: humantime::format_rfc3339_nanos(clock.wall(lookup.end_ns)).to_string(),
            name: lookup.name.clone(),
            types: lookup.types.iter().map(ToString::to_string).collect(),
            result: lookup.outline.result,
            duration_ns: lookup.outline.duration_ns,
            queries: lookup.outline.queries,
            waited_by_cause: waited.into_iter().map(|(it, ns)| (it.name(), ns)).collect(),
            exact: lookup.is_exact,
            server: lookup.example.server().into(),
            whose: Whose::of(&lookup.example),
        }
    }
}
