//! What a fleet is asked: some fifteen questions, each with one row for a node and a cause, a
//! server or a workload. How many rows there are is bounded by the agents' own bounds
//! (docs/metrics.md) and by how much goes wrong.

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::SystemTime;

use anyhow::Result;
use anyhow::bail;

use super::prometheus::Prometheus;
use super::since;
use super::table::Table;
use super::workload::Workload;

/// By what a node is told apart: the scrape says it, and kerno does not.
const NODE: &str = "cluster, node, instance";
/// By what a workload is (docs/metrics.md).
const WORKLOAD: &str = "namespace, pod, container, unit, comm";
/// Rows about workloads, those with most failures.
const WORKLOADS_MAX: usize = 2_000;
/// Workloads that are looked at more closely.
const SUSPECTS: usize = 5;
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
    let expressions = Expressions::of(last);

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

/// What finds the queries of those with most failures, if there are any.
fn suspects(table: &Table) -> Option<Vec<String>> {
    let mut failed: BTreeMap<&Workload, f64> = BTreeMap::new();
    for blame in &table.blames {
        *failed.entry(&blame.workload).or_default() += blame.failed;
    }
    let mut all: Vec<_> = failed.into_iter().collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    let all: Vec<_> = all
        .iter()
        .take(SUSPECTS)
        .map(|(it, _)| it.matchers())
        .collect();
    (!all.is_empty()).then_some(all)
}

/// The expressions, over a time of so many seconds.
struct Expressions {
    seconds: u64,
}

impl Expressions {
    fn of(last: Duration) -> Self {
        let seconds = last.as_secs().max(1);
        Self { seconds }
    }

    /// What a counter grew by. One that is born with a value has no rate: it grew by what it has;
    /// unless its agent was started anew since, and it grew by more.
    fn growth(&self, counter: &str) -> String {
        let s = self.seconds;
        let born = format!("({counter} unless {counter} offset {s}s)");
        let increase = format!("increase({counter}[{s}s])");
        format!("({born} > {increase} or {increase} or {born})")
    }

    fn sum(&self, by: &str, counter: &str) -> String {
        format!("sum by ({NODE}, {by}) ({}) > 0", self.growth(counter))
    }

    fn agents(&self) -> String {
        format!("last_over_time(kerno_build_info[{}s])", self.seconds)
    }

    /// Targets of the jobs that have agents.
    fn down(&self) -> String {
        let agents = format!("last_over_time(kerno_build_info[{}s])", self.seconds);
        format!("up == 0 and on (job) group by (job) ({agents})")
    }

    /// Agents that told something in the hour before, and nothing since.
    fn gone(&self) -> String {
        let s = self.seconds;
        format!(
            "group by ({NODE}) (last_over_time(kerno_build_info[1h] offset {s}s)) unless on ({NODE}) \
             group by ({NODE}) (last_over_time(kerno_build_info[{s}s]))"
        )
    }

    /// Of kube-state-metrics, if it is there.
    fn known_nodes(&self) -> String {
        "group by (cluster, node) (kube_node_info)".to_owned()
    }

    /// Of kube-state-metrics, if it is told to tell them.
    fn node_labels(&self) -> String {
        "kube_node_labels".to_owned()
    }

    fn findings(&self) -> String {
        format!(
            "max by ({NODE}, rule, severity, server) (max_over_time(kerno_finding[{}s]))",
            self.seconds
        )
    }

    fn findings_now(&self) -> String {
        format!("max by ({NODE}, rule, severity, server) (kerno_finding)")
    }

    fn findings_by_rule(&self) -> String {
        r#"count by (rule, server) (kerno_finding{severity!="info"})"#.to_owned()
    }

    fn failures(&self) -> String {
        self.sum("cause, server", "kerno_dns_failures_total")
    }

    fn lost_time(&self) -> String {
        self.sum("cause", "kerno_dns_lost_seconds_total")
    }

    fn queries(&self) -> String {
        let client = r#"kerno_dns_queries_total{role="client",outcome!="superseded"}"#;
        self.sum("server", client)
    }

    fn lookups(&self) -> String {
        self.sum("result", "kerno_dns_lookups_total")
    }

    /// The share of what an agent saw and whose end it does not know.
    fn losses(&self) -> String {
        let grew = |counter| format!("sum by ({NODE}) ({})", self.growth(counter));
        format!(
            "{} / ({} > 0)",
            grew("kerno_lost_total"),
            grew("kerno_queries_seen_total")
        )
    }

    fn verdicts(&self) -> String {
        "kerno_verdict == 1".to_owned()
    }

    fn workload_failures(&self) -> String {
        let sum = self.sum(
            &format!("cause, {WORKLOAD}"),
            "kerno_dns_workload_failures_total",
        );
        format!("topk({WORKLOADS_MAX}, {sum})")
    }

    /// Of the workloads that a regular expression for each label names.
    fn workload_queries(&self, suspects: &[String]) -> String {
        let of = |matchers: &String| {
            let counter = format!("kerno_dns_workload_queries_total{{{matchers}}}");
            self.sum(WORKLOAD, &counter)
        };
        suspects.iter().map(of).collect::<Vec<_>>().join(" or ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_was_born_with_a_value_counts() {
        let expressions = Expressions::of(Duration::from_secs(900));
        assert_eq!(
            expressions.failures(),
            "sum by (cluster, node, instance, cause, server) (((kerno_dns_failures_total unless \
             kerno_dns_failures_total offset 900s) > increase(kerno_dns_failures_total[900s]) or \
             increase(kerno_dns_failures_total[900s]) or (kerno_dns_failures_total unless \
             kerno_dns_failures_total offset 900s))) > 0"
        );
    }
}
