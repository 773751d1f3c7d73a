//! Where something sits.

use serde::Serialize;

/// What sets those that have it apart from those that have it not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Place {
    /// `node`, `server`, `workload`, `namespace`, `all`, or the name of a label.
    pub(super) dimension: String,
    /// Its values: names of nodes, addresses of servers, …
    pub(super) values: Vec<String>,
    /// Nodes that have both, of how many that could.
    pub(super) affected: u64,
    pub(super) of: u64,
    /// Nodes that have it all the same, of how many others.
    pub(super) elsewhere: u64,
    pub(super) elsewhere_of: u64,
}

pub(super) const NODE: &str = "node";
pub(super) const SERVER: &str = "server";
pub(super) const WORKLOAD: &str = "workload";
pub(super) const NAMESPACE: &str = "namespace";
pub(super) const ALL: &str = "all";

impl Place {
    /// `all in zone b`
    pub(super) fn in_short(&self) -> Option<String> {
        let values = listed(&self.values, 3);
        match &*self.dimension {
            NODE => None,
            ALL => Some("on every node that asks".to_owned()),
            SERVER => Some(format!("wherever the server {values} is asked")),
            WORKLOAD => Some(format!("only where {values} runs")),
            NAMESPACE => Some(format!("only where pods of the namespace {values} run")),
            label => Some(match self.elsewhere {
                0 => format!("all with {label} {values}"),
                _ => format!("nearly all with {label} {values}"),
            }),
        }
    }

    /// `38 of 40 nodes with zone b, 0 of 772 elsewhere`
    pub(super) fn told(&self) -> String {
        let values = listed(&self.values, 5);
        let nodes = |n: u64| crate::units::counted(n, "node", "nodes");
        let count = crate::units::count;
        let here = format!("{} of {}", count(self.affected), nodes(self.of));
        let elsewhere = match self.elsewhere_of {
            0 => String::new(),
            of => format!(", {} of {} elsewhere", count(self.elsewhere), count(of)),
        };
        match &*self.dimension {
            ALL => format!(
                "{here} that asked anything: no node, server, workload or label sets them apart"
            ),
            NODE if self.values.len() == 1 => format!("{values} alone{elsewhere}"),
            NODE => format!(
                "{values}: {} of all {}; no server, workload or label sets them apart",
                count(self.affected),
                count(self.of + self.elsewhere_of)
            ),
            SERVER => format!("{here} that ask the server {values}{elsewhere}"),
            WORKLOAD => format!("{here} on which {values} runs{elsewhere}"),
            NAMESPACE => {
                format!("{here} on which pods of the namespace {values} run{elsewhere}")
            }
            label => format!("{here} with {label} {values}{elsewhere}"),
        }
    }
}

/// `a, b and 3 more`
pub(super) fn listed(all: &[impl AsRef<str>], shown: usize) -> String {
    let names: Vec<_> = all.iter().map(AsRef::as_ref).collect();
    let more = names.len().saturating_sub(shown);
    match (names.as_slice(), more) {
        ([], _) => String::new(),
        ([one], _) => (*one).to_owned(),
        ([front @ .., last], 0) => format!("{} and {last}", front.join(", ")),
        (names, more) => format!(
            "{} and {} more",
            names[..shown].join(", "),
            crate::units::count(more as u64)
        ),
    }
}
