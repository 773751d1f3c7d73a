//! What a fleet is asked: some fifteen questions, each with one row for a node and a cause, a
//! server or a workload. How many rows there are is bounded by the agents' own bounds
//! (docs/metrics.md) and by how much goes wrong.

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::SystemTime;

use anyhow::Result;
use anyhow::bail;

use super::expressions::Expressions;
use super::prometheus::Prometheus;
use super::since;
use super::table::Table;
use super::workload::Workload;

/// Workloads and namespaces that are looked at more closely.
const SUSPECTS: usize = 6;
/// … who have so much of a cause's failures. Of those of one server, who is to blame has nearly
/// all; a cause may be at several servers.
const SHARE: f64 = 0.5;
/// How long before the time that is looked at one looks for when it began, in such times.
const BEFORE: u32 = 24;
const BEFORE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Steps of that.
const STEPS: u32 = 400;
/// The shortest one: no agent is scraped more often.
const STEP_MIN: Duration = Duration::from_secs(10);

/// Asks all of it, about a time that ends at `to`.
pub(super) fn ask(prometheus: &mut Prometheus, to: SystemTime, last: Duration) -> Result<Table> {
    let mut table = Table::default();
    let mut expressions = Expressions::of(last);

    let agents = prometheus.at(&expressions.agents(), to)?;
    if agents.is_empty() {
        bail!(
            "no agent of kerno is known to this Prometheus in that time: does it scrape port 9553 \
             of the nodes (docs/metrics.md)?"
        );
    }
    table.add_agents(&agents);

    let mut ask = |what, expression: String| {
        let answer = prometheus.at(&expression, to);
        prometheus.if_told(what, answer)
    };
    if let Some(expression) = expressions.has_rules() {
        let are_there = !ask("whether recording rules are there", expression).is_empty();
        log::info!(
            "recording rules are {}",
            if are_there { "used" } else { "not there" }
        );
        expressions.use_rules(are_there);
    }
    let down = ask("which agents do not answer", expressions.down());
    down.iter().for_each(|it| table.add_down(it));
    let gone = ask("which agents are gone", expressions.gone());
    gone.iter().for_each(|it| table.add_gone(it));
    let known = ask("which nodes the cluster has", expressions.known_nodes());
    known.iter().for_each(|it| table.add_known(it));
    let labels = ask("the labels of nodes", expressions.node_labels());
    labels.iter().for_each(|it| table.add_labels(it));
    let open = ask("findings", expressions.findings());
    open.iter().for_each(|it| table.add_open(it, false));
    let open_now = ask("the findings of now", expressions.findings_now());
    open_now.iter().for_each(|it| table.add_open(it, true));
    let failures = ask("failures", expressions.failures());
    failures.iter().for_each(|it| table.add_failures(it));
    let lost = ask("time lost", expressions.lost_time());
    lost.iter().for_each(|it| table.add_lost_time(it));
    let asked = ask("queries", expressions.queries());
    asked.iter().for_each(|it| table.add_queries(it));
    let lookups = ask("lookups", expressions.lookups());
    lookups.iter().for_each(|it| table.add_lookups(it));
    let losses = ask("what agents lost", expressions.losses());
    losses.iter().for_each(|it| table.add_losses(it));
    let verdicts = ask("verdicts", expressions.verdicts());
    verdicts.iter().for_each(|it| table.add_verdict(it));

    if !table.has_trouble() {
        return Ok(table);
    }
    let blames = ask("whom it hurts", expressions.workload_failures());
    blames.iter().for_each(|it| table.add_blame(it));
    if let Some(suspects) = suspects(&table) {
        let asked = ask(
            "queries of workloads",
            expressions.workload_queries(&suspects),
        );
        asked.iter().for_each(|it| table.add_workload_queries(it));
    }
    let before = (last * BEFORE).min(BEFORE_MAX);
    let step = (before / STEPS).max(STEP_MIN);
    let from = to.checked_sub(before).unwrap_or(SystemTime::UNIX_EPOCH);
    let answer = prometheus.between(&expressions.findings_by_rule(), (from, to), step);
    let began = prometheus.if_told("since when", answer);
    for series in &began {
        if let Some(rule) = series.label("rule") {
            let server = series.label("server").map(str::to_owned);
            let began = since::began(series.times(), from, to, step);
            table.began.insert((rule.to_owned(), server), began);
        }
    }
    Ok(table)
}

/// Those whose queries are asked for: who has half of a cause's failures, a workload or all
/// workloads of a namespace.
fn suspects(table: &Table) -> Option<Vec<Workload>> {
    let mut causes: BTreeMap<&str, BTreeMap<&Workload, f64>> = BTreeMap::new();
    for blame in &table.blames {
        let failed = causes.entry(&blame.cause).or_default();
        *failed.entry(&blame.workload).or_default() += blame.failed;
    }
    let mut all: BTreeMap<Workload, f64> = BTreeMap::new();
    for failed in causes.values() {
        let half = failed.values().sum::<f64>() * SHARE;
        let workloads = failed.iter().filter(|(_, failed)| **failed >= half);
        let workloads = workloads.map(|(it, failed)| ((*it).clone(), *failed));
        let namespace = Workload::worst_namespace(failed).filter(|(_, failed)| *failed >= half);
        let namespace = namespace.map(|(it, failed)| (Workload::Namespace(it.to_owned()), failed));
        for (workload, failed) in workloads.chain(namespace) {
            *all.entry(workload).or_default() += failed;
        }
    }
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    let all: Vec<_> = all.into_iter().take(SUSPECTS).map(|(it, _)| it).collect();
    (!all.is_empty()).then_some(all)
}
