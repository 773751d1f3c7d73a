//! From what was told to findings, worst first: plain data in, plain data out.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::finding::Finding;
use super::join;
use super::locate::Trouble;
use super::place::listed;
use super::since::Began;
use super::table::Name;
use super::table::Severity;
use super::table::Table;
use super::words;
use crate::doctor::Verdict;
use crate::thresholds::UNSEEN_PERCENT;
use crate::units;

/// Findings of a rule about two servers are one if they share so much of their nodes.
const SAME_NODES: f64 = 0.5;
/// Workloads of a finding that are told.
const WORKLOADS: usize = 5;
/// Nodes that are named in a sentence.
const NAMES: usize = 5;

/// What is not seen of the fleet.
#[derive(Debug, Default)]
pub(super) struct Missing {
    pub(super) sentences: Vec<String>,
    /// So much that "healthy" cannot be said.
    is_much: bool,
}

/// Nodes that have one rule's findings, about the same servers.
#[derive(Debug, Default)]
struct Group<'a> {
    nodes: BTreeSet<&'a Name>,
    servers: BTreeSet<&'a str>,
    severity: Option<Severity>,
    is_open: bool,
}

/// All of them.
pub(super) fn findings(table: &Table) -> Vec<Finding> {
    let mut findings: Vec<_> = groups(table)
        .iter()
        .map(|(rule, group)| finding(table, rule, group))
        .collect();
    join::symptoms(&mut findings);
    findings.sort_by(|a, b| {
        let key = |it: &Finding| (it.severity, it.is_open);
        let hurt = |it: &Finding| (it.seconds_lost + it.queries_failed as f64, it.nodes.len());
        key(b)
            .cmp(&key(a))
            .then(hurt(b).0.total_cmp(&hurt(a).0))
            .then(hurt(b).1.cmp(&hurt(a).1))
            .then(a.rule.cmp(&b.rule))
    });
    findings
}

/// By rule, and by server where those with one are others than those with another.
fn groups(table: &Table) -> Vec<(&str, Group<'_>)> {
    let mut causes: BTreeMap<&str, BTreeMap<Option<&str>, Group<'_>>> = BTreeMap::new();
    let explained: BTreeSet<&Name> = table
        .open
        .iter()
        .filter(|(whose, it)| it.severity > Severity::Info && !words::is_summary(&whose.rule))
        .map(|(whose, _)| &whose.node)
        .collect();
    for (whose, open) in &table.open {
        // How much goes wrong is told where nothing says why.
        let is_told = !words::is_summary(&whose.rule) || !explained.contains(&whose.node);
        if open.severity == Severity::Info || !is_told {
            continue;
        }
        let server = whose.server.as_deref();
        let by_server = causes.entry(&whose.rule).or_default();
        let group = by_server.entry(server).or_default();
        group.nodes.insert(&whose.node);
        group.servers.extend(server);
        group.severity = group.severity.max(Some(open.severity));
        group.is_open |= open.is_open;
    }
    let mut all = Vec::new();
    for (rule, by_server) in causes {
        let mut merged: Vec<Group<'_>> = Vec::new();
        for group in by_server.into_values() {
            match merged.iter_mut().find(|it| it.is_alike(&group)) {
                Some(it) => it.absorb(group),
                None => merged.push(group),
            }
        }
        all.extend(merged.into_iter().map(|group| (rule, group)));
    }
    all
}

impl<'a> Group<'a> {
    fn is_alike(&self, other: &Self) -> bool {
        let both = self.nodes.intersection(&other.nodes).count();
        let all = self.nodes.union(&other.nodes).count();
        both as f64 >= all as f64 * SAME_NODES
    }

    fn absorb(&mut self, other: Self) {
        self.nodes.extend(other.nodes);
        self.servers.extend(other.servers);
        self.severity = self.severity.max(other.severity);
        self.is_open |= other.is_open;
    }

    /// Whether what asked this server is its own.
    fn is_about(&self, server: Option<&str>) -> bool {
        self.servers.is_empty() || server.is_none_or(|server| self.servers.contains(server))
    }
}

fn finding(table: &Table, rule: &str, group: &Group<'_>) -> Finding {
    let own = table.failures.iter();
    let own = own.filter(|it| it.cause == rule && group.nodes.contains(&it.node));
    let mut by_server: BTreeMap<&str, f64> = BTreeMap::new();
    let (mut failed, mut lookups) = (0.0, 0.0);
    for it in own {
        if let Some(server) = &it.server {
            *by_server.entry(server).or_default() += it.failed;
        }
        if group.is_about(it.server.as_deref()) {
            failed += it.failed;
            lookups += lookups_of(table, &it.node, it.failed);
        }
    }
    let mut workloads = BTreeMap::new();
    let blames = table.blames.iter();
    for it in blames.filter(|it| it.cause == rule && group.nodes.contains(&it.node)) {
        *workloads.entry(&it.workload).or_default() += it.failed;
    }
    let mut worst: Vec<_> = workloads.iter().collect();
    worst.sort_by(|a, b| f64::total_cmp(b.1, a.1));
    let worst = worst.iter().take(WORKLOADS);
    let worst = worst
        .map(|(whom, failed)| (whom.name(), whole(**failed)))
        .collect();
    let lost = table.lost_time.iter();
    let lost = lost.filter(|((node, cause), _)| cause == rule && group.nodes.contains(node));
    let trouble = Trouble {
        table,
        affected: group.nodes.clone(),
        servers: group.servers.clone(),
        workloads,
        by_server,
    };
    Finding {
        rule: rule.to_owned(),
        severity: group.severity.unwrap_or(Severity::Warning),
        place: trouble.place(),
        nodes: group.nodes.iter().map(|it| (*it).clone()).collect(),
        is_open: group.is_open,
        since: began(table, rule, group),
        servers: group.servers.iter().map(|it| (*it).to_owned()).collect(),
        workloads: worst,
        queries_failed: whole(failed),
        lookups_failed: whole(lookups),
        seconds_lost: lost.map(|(_, seconds)| seconds).sum(),
        explains: Vec::new(),
    }
}

/// Failed queries as failed lookups: their share of those that failed on the node.
fn lookups_of(table: &Table, node: &Name, failed: f64) -> f64 {
    let all = table.failed.get(node).copied().unwrap_or_default();
    let lookups = table
        .nodes
        .get(node)
        .map_or(0.0, |node| node.lookups_failed);
    match all > 0.0 {
        true => lookups * failed / all,
        false => 0.0,
    }
}

fn began(table: &Table, rule: &str, group: &Group<'_>) -> Option<Began> {
    let began = table.began.iter();
    let own = began.filter(|((of, server), _)| of == rule && group.is_about(server.as_deref()));
    own.map(|(_, began)| *began)
        .min_by_key(|began| began.moment())
}

/// A growth that Prometheus has extrapolated, as a count.
fn whole(growth: f64) -> u64 {
    growth.round().max(0.0) as u64
}

/// Which nodes nothing is known of, and what else.
pub(super) fn missing(table: &Table, complaints: Vec<String>) -> Missing {
    let mut missing = Missing {
        sentences: complaints,
        is_much: false,
    };
    let silent = table.silent();
    let all = table
        .seen()
        .map(|(name, _)| name)
        .chain(&silent)
        .collect::<BTreeSet<_>>()
        .len();
    if !silent.is_empty() {
        let names: Vec<_> = silent.iter().map(|it| &*it.0).collect();
        missing.sentences.push(format!(
            "{} not report: {}. `systemctl status kerno`, or the pod's log, says why.",
            units::counted(silent.len() as u64, "node does", "nodes do"),
            listed(&names, NAMES)
        ));
        missing.is_much |= silent.len() * 100 > all * UNSEEN_PERCENT as usize;
    }
    if !table.gone.is_empty() {
        let names: Vec<_> = table.gone.iter().map(|it| &*it.0).collect();
        missing.sentences.push(format!(
            "{} in the hour before and {} no target any more: {}.",
            units::counted(names.len() as u64, "node reported", "nodes reported"),
            if names.len() == 1 { "is" } else { "are" },
            listed(&names, NAMES)
        ));
    }
    let unsure = table.seen().filter(|(_, node)| {
        node.verdict.as_deref() == Some("unknown") || node.lost * 100.0 > UNSEEN_PERCENT as f64
    });
    let unsure: Vec<_> = unsure.map(|(name, _)| &*name.0).collect();
    if !unsure.is_empty() {
        missing.sentences.push(format!(
            "The agents of {} lost or did not see so much that all may not be well there: {}.",
            units::counted(unsure.len() as u64, "node", "nodes"),
            listed(&unsure, NAMES)
        ));
        missing.is_much |= unsure.len() * 100 > all * UNSEEN_PERCENT as usize;
    }
    let versions: BTreeSet<_> = table.seen().map(|(_, node)| &*node.version).collect();
    if versions.len() > 1 {
        let versions: Vec<_> = versions.into_iter().collect();
        missing.sentences.push(format!(
            "The agents are of {} versions, {}: not all know the same causes.",
            versions.len(),
            listed(&versions, NAMES)
        ));
    }
    missing
}

/// The worst of the findings; without one, whether all is well is known or not.
pub(super) fn verdict(table: &Table, findings: &[Finding], missing: &Missing) -> Verdict {
    let worst = findings.iter().map(|it| it.severity).max();
    let queries: f64 = table.seen().map(|(_, node)| node.queries()).sum();
    match worst {
        Some(Severity::Critical) => Verdict::Critical,
        Some(Severity::Warning) => Verdict::Warning,
        _ if missing.is_much => Verdict::Unknown,
        _ if queries == 0.0 => Verdict::NoTraffic,
        _ => Verdict::Healthy,
    }
}
