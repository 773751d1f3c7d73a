//! What a Prometheus told, as rows of nodes: plain data.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::series::Labels;
use super::series::Series;
use super::since::Began;
use super::workload::Workload;

/// Labels that are not the node's but the metric's, or differ for each node by their nature.
const NOT_OF_NODES: [&str; 8] = [
    "__name__",
    "version",
    "commit",
    "node",
    "instance",
    "pod",
    "container",
    "uid",
];
/// What kube-state-metrics puts before the name of a node's label.
const NODE_LABEL: &str = "label_";

/// A node's name: unique in the fleet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(pub(super) String);

/// A node.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// What its target is labelled with, and what kube-state-metrics says of it.
    pub(super) labels: BTreeMap<String, String>,
    pub(super) version: String,
    /// Its agent told something in the time that is looked at.
    pub(super) has_agent: bool,
    /// The Prometheus cannot reach its agent now.
    pub(super) is_down: bool,
    /// Queries by whom they asked.
    pub(super) asked: BTreeMap<String, f64>,
    pub(super) lookups: f64,
    pub(super) lookups_failed: f64,
    /// Share of the queries whose end its agent does not know.
    pub(super) lost: f64,
    /// The agent's last verdict.
    pub(super) verdict: Option<String>,
}

impl Node {
    pub(super) fn queries(&self) -> f64 {
        self.asked.values().sum()
    }
}

/// How bad the findings of a node are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    Info,
    Warning,
    Critical,
}

/// Of which node a finding is, by which rule, and about which server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Whose {
    pub(super) node: Name,
    pub(super) rule: String,
    pub(super) server: Option<String>,
}

/// A finding of a node's agent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) severity: Severity,
    /// It is there now, and not only earlier in the time.
    pub(super) is_open: bool,
}

/// Failed queries of a node, by cause and server.
#[derive(Clone, Debug)]
pub(super) struct Failures {
    pub(super) node: Name,
    pub(super) cause: String,
    pub(super) server: Option<String>,
    pub(super) failed: f64,
}

/// Failed queries of a node's workload, by cause.
#[derive(Clone, Debug)]
pub(super) struct Blame {
    pub(super) node: Name,
    pub(super) cause: String,
    pub(super) workload: Workload,
    pub(super) failed: f64,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) nodes: BTreeMap<Name, Node>,
    pub(super) open: BTreeMap<Whose, Open>,
    pub(super) failures: Vec<Failures>,
    /// All of a node's, whatever their cause.
    pub(super) failed: BTreeMap<Name, f64>,
    pub(super) blames: Vec<Blame>,
    /// Seconds that lookups lost, by node and cause.
    pub(super) lost_time: BTreeMap<(Name, String), f64>,
    /// Queries of suspect workloads, by node.
    pub(super) workload_queries: BTreeMap<Workload, BTreeMap<Name, f64>>,
    /// Since when a rule has had findings, by server.
    pub(super) began: BTreeMap<(String, Option<String>), Began>,
    /// Agents that were there in the hour before and are no targets any more.
    pub(super) gone: BTreeSet<Name>,
    /// There is more than one cluster, so that a node's name needs it.
    clusters: BTreeSet<String>,
    /// What kube-state-metrics knows: without the cluster, as its own labels may differ.
    known: BTreeSet<String>,
}

impl Table {
    pub(super) fn has_trouble(&self) -> bool {
        let troubles = self.open.values();
        let mut troubles = troubles.filter(|it| it.severity > Severity::Info);
        troubles.next().is_some() || !self.failures.is_empty()
    }

    /// Nodes whose agents told something.
    pub(super) fn seen(&self) -> impl Iterator<Item = (&Name, &Node)> {
        self.nodes.iter().filter(|(_, node)| node.has_agent)
    }

    /// Nodes of which nothing is known now: the agent does not answer, or there is none.
    pub(super) fn silent(&self) -> BTreeSet<Name> {
        let down = self.nodes.iter().filter(|(_, node)| node.is_down);
        let mut silent: BTreeSet<_> = down.map(|(name, _)| name.clone()).collect();
        if self.clusters.len() < 2 {
            let without = self.known.iter().map(|name| Name(name.clone()));
            silent.extend(without.filter(|name| !self.nodes.contains_key(name)));
        }
        silent
    }

    fn name(&self, series: &Series) -> Option<Name> {
        let own = series.label("node").or(series.label("instance"))?;
        Some(match series.label("cluster") {
            Some(cluster) if self.clusters.len() > 1 => Name(format!("{cluster}/{own}")),
            _ => Name(own.to_owned()),
        })
    }

    fn node(&mut self, series: &Series) -> Option<&mut Node> {
        let name = self.name(series)?;
        self.nodes.get_mut(&name)
    }

    /// All of them come first: they say how many clusters there are.
    pub(super) fn add_agents(&mut self, agents: &[Series]) {
        let clusters = agents.iter().filter_map(|it| it.label("cluster"));
        self.clusters = clusters.map(str::to_owned).collect();
        for series in agents {
            let Some(name) = self.name(series) else {
                continue;
            };
            let node = self.nodes.entry(name).or_default();
            node.has_agent = true;
            node.version = series.label("version").unwrap_or_default().to_owned();
            node.labels.extend(of_node(&series.metric));
        }
    }

    pub(super) fn add_down(&mut self, series: &Series) {
        let Some(name) = self.name(series) else {
            return;
        };
        let node = self.nodes.entry(name).or_default();
        node.is_down = true;
        node.labels.extend(of_node(&series.metric));
    }

    pub(super) fn add_gone(&mut self, series: &Series) {
        if let Some(name) = self.name(series)
            && !self.nodes.contains_key(&name)
        {
            self.gone.insert(name);
        }
    }

    pub(super) fn add_known(&mut self, series: &Series) {
        self.known.extend(series.label("node").map(str::to_owned));
    }

    pub(super) fn add_labels(&mut self, series: &Series) {
        let labels = series.metric.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix(NODE_LABEL)?;
            Some((name.to_owned(), value.clone()))
        });
        let labels: Vec<_> = labels.collect();
        if let Some(node) = self.node(series) {
            node.labels.extend(labels);
        }
    }

    pub(super) fn add_open(&mut self, series: &Series, is_open: bool) {
        let severity = match series.label("severity") {
            Some("critical") => Severity::Critical,
            Some("warning") => Severity::Warning,
            _ => Severity::Info,
        };
        let (Some(node), Some(rule)) = (self.name(series), series.label("rule")) else {
            return;
        };
        if series.value().is_none_or(|value| value <= 0.0) || !self.nodes.contains_key(&node) {
            return;
        }
        let whose = Whose {
            node,
            rule: rule.to_owned(),
            server: series.label("server").map(str::to_owned),
        };
        let it = self.open.entry(whose).or_insert(Open { severity, is_open });
        it.severity = it.severity.max(severity);
        it.is_open |= is_open;
    }

    pub(super) fn add_failures(&mut self, series: &Series) {
        let (Some(node), Some(cause)) = (self.name(series), series.label("cause")) else {
            return;
        };
        if let Some(failed) = series.value() {
            *self.failed.entry(node.clone()).or_default() += failed;
            let server = series.label("server").filter(|it| *it != "other");
            self.failures.push(Failures {
                node,
                cause: cause.to_owned(),
                server: server.map(str::to_owned),
                failed,
            });
        }
    }

    pub(super) fn add_lost_time(&mut self, series: &Series) {
        let (Some(node), Some(cause)) = (self.name(series), series.label("cause")) else {
            return;
        };
        if let Some(seconds) = series.value() {
            *self.lost_time.entry((node, cause.to_owned())).or_default() += seconds;
        }
    }

    pub(super) fn add_queries(&mut self, series: &Series) {
        let server = series.label("server").unwrap_or("other").to_owned();
        if let (Some(queries), Some(node)) = (series.value(), self.node(series)) {
            *node.asked.entry(server).or_default() += queries;
        }
    }

    pub(super) fn add_lookups(&mut self, series: &Series) {
        let has_failed = series.label("result") == Some("failed");
        if let (Some(lookups), Some(node)) = (series.value(), self.node(series)) {
            node.lookups += lookups;
            if has_failed {
                node.lookups_failed += lookups;
            }
        }
    }

    pub(super) fn add_losses(&mut self, series: &Series) {
        if let (Some(share), Some(node)) = (series.value(), self.node(series)) {
            node.lost = share;
        }
    }

    pub(super) fn add_verdict(&mut self, series: &Series) {
        let verdict = series.label("verdict").map(str::to_owned);
        if let Some(node) = self.node(series) {
            node.verdict = verdict;
        }
    }

    pub(super) fn add_blame(&mut self, series: &Series) {
        let (Some(node), Some(cause)) = (self.name(series), series.label("cause")) else {
            return;
        };
        if let (Some(failed), Some(workload)) = (series.value(), Workload::of(series)) {
            self.blames.push(Blame {
                node,
                cause: cause.to_owned(),
                workload,
                failed,
            });
        }
    }

    pub(super) fn add_workload_queries(&mut self, series: &Series) {
        let (Some(node), Some(queries)) = (self.name(series), series.value()) else {
            return;
        };
        if let Some(workload) = Workload::of(series) {
            let own = self.workload_queries.entry(workload).or_default();
            *own.entry(node).or_default() += queries;
        }
    }
}

/// Those that say something of the node.
fn of_node(labels: &Labels) -> impl Iterator<Item = (String, String)> {
    let own = labels
        .iter()
        .filter(|(name, _)| !NOT_OF_NODES.contains(&name.as_str()));
    own.map(|(name, value)| (name.clone(), value.clone()))
}
