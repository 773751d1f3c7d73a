//! What is asked for, as PromQL: what rules have recorded (deploy/prometheus/rules.yml), else
//! the counters themselves.

use std::time::Duration;

use super::workload::Workload;

/// By what a node is told apart: the scrape says it, and kerno does not.
const NODE: &str = "cluster, node, instance";
/// What each agent tells.
const AGENT: &str = "kerno_build_info";
/// By what a workload is (docs/metrics.md).
const WORKLOAD: &str = "namespace, pod, container, unit, comm";
/// Rows about workloads, those with most failures.
const WORKLOADS_MAX: usize = 2_000;
/// What the rules record for each agent, whatever it sees.
const RULE: &str = "node_result:kerno_dns_lookups:increase5m";
/// The time that each of their samples is about, in seconds.
const TILE: u64 = 300;
/// Samples that are put side by side: with more, the edges weigh little.
const TILES_MAX: u64 = 12;

/// The expressions, over a time of so many seconds.
pub(super) struct Expressions {
    seconds: u64,
    /// What rules have recorded is asked for, and not the counters themselves.
    from_rules: bool,
}

impl Expressions {
    pub(super) fn of(last: Duration) -> Self {
        Self {
            seconds: last.as_secs().max(1),
            from_rules: false,
        }
    }

    /// What is there only if the rules have been for the whole time, for each agent; if they fit
    /// a time of this length.
    pub(super) fn has_rules(&self) -> Option<String> {
        let s = self.seconds;
        if s < TILE || (!s.is_multiple_of(TILE) && s / TILE < TILES_MAX) {
            return None;
        }
        let without = |offset: String| {
            format!("(group by ({NODE}) ({AGENT}{offset}) unless on ({NODE}) {RULE}{offset})")
        };
        let begin = match s - TILE {
            0 => String::new(),
            offset => format!(" offset {offset}s"),
        };
        Some(format!(
            "count({RULE} and on ({NODE}) {AGENT}) unless on () ({} or {})",
            without(String::new()),
            without(begin)
        ))
    }

    pub(super) fn use_rules(&mut self, are_there: bool) {
        self.from_rules = are_there;
    }

    /// The growth that a rule has recorded of each five minutes, put side by side; over a long
    /// time, at whole multiples of five minutes by the clock.
    fn recorded(&self, by: &str, rule: &str) -> String {
        let tiles = self.seconds / TILE;
        if tiles > TILES_MAX {
            let s = self.seconds;
            return format!("sum by ({NODE}, {by}) (sum_over_time({rule}[{s}s:{TILE}s])) > 0");
        }
        let tile = |n: u64| match n {
            0 => format!(r#"label_replace({rule}, "tile", "0", "", "")"#),
            n => {
                let offset = n * TILE;
                format!(r#"label_replace({rule} offset {offset}s, "tile", "{n}", "", "")"#)
            }
        };
        let all: Vec<_> = (0..tiles).map(tile).collect();
        format!("sum by ({NODE}, {by}) ({}) > 0", all.join(" or "))
    }

    fn growth_by(&self, by: &str, counter: &str, rule: &str) -> String {
        match self.from_rules {
            true => self.recorded(by, rule),
            false => self.sum(by, counter),
        }
    }

    /// What a counter grew by. One that is born with a value has no rate: it grew by what it has;
    /// unless its agent was started anew since, and it grew by more. If the agent is new here,
    /// and not just started (its node was renamed, say), what it counted before is not told.
    fn growth(&self, counter: &str) -> String {
        let s = self.seconds;
        let known = format!("kerno_build_info offset {s}s");
        let started = format!("process_start_time_seconds > time() - {s} and on ({NODE}) {AGENT}");
        let known = format!("(group by ({NODE}) ({known}) or group by ({NODE}) ({started}))");
        let born = format!("({counter} unless {counter} offset {s}s) and on ({NODE}) {known}");
        let grew = format!("increase({counter}[{s}s])");
        // The greater of both: each is evaluated once only.
        let told =
            |how: &str, of: String| format!(r#"label_replace({of}, "how", "{how}", "", "")"#);
        let (born, grew) = (told("born", born), told("grew", grew));
        format!("max without (how) ({born} or {grew})")
    }

    fn sum(&self, by: &str, counter: &str) -> String {
        format!("sum by ({NODE}, {by}) ({}) > 0", self.growth(counter))
    }

    pub(super) fn agents(&self) -> String {
        format!("last_over_time(kerno_build_info[{}s])", self.seconds)
    }

    /// Targets of the jobs that have agents.
    pub(super) fn down(&self) -> String {
        let agents = format!("last_over_time(kerno_build_info[{}s])", self.seconds);
        format!("up == 0 and on (job) group by (job) ({agents})")
    }

    /// Agents that told something in the hour before, and nothing since.
    pub(super) fn gone(&self) -> String {
        let s = self.seconds;
        format!(
            "group by ({NODE}) (last_over_time(kerno_build_info[1h] offset {s}s)) unless on ({NODE}) \
             group by ({NODE}) (last_over_time(kerno_build_info[{s}s]))"
        )
    }

    /// Of kube-state-metrics, if it is there.
    pub(super) fn known_nodes(&self) -> String {
        "group by (cluster, node) (kube_node_info)".to_owned()
    }

    /// Of kube-state-metrics, if it is told to tell them.
    pub(super) fn node_labels(&self) -> String {
        "kube_node_labels".to_owned()
    }

    pub(super) fn findings(&self) -> String {
        format!(
            "max by ({NODE}, rule, severity, server) (max_over_time(kerno_finding[{}s]))",
            self.seconds
        )
    }

    pub(super) fn findings_now(&self) -> String {
        format!("max by ({NODE}, rule, severity, server) (kerno_finding)")
    }

    pub(super) fn findings_by_rule(&self) -> String {
        r#"count by (rule, server) (kerno_finding{severity!="info"})"#.to_owned()
    }

    pub(super) fn failures(&self) -> String {
        let rule = "node_cause_server:kerno_dns_failures:increase5m";
        self.growth_by("cause, server", "kerno_dns_failures_total", rule)
    }

    pub(super) fn lost_time(&self) -> String {
        let rule = "node_cause:kerno_dns_lost_seconds:increase5m";
        self.growth_by("cause", "kerno_dns_lost_seconds_total", rule)
    }

    pub(super) fn queries(&self) -> String {
        let client = r#"kerno_dns_queries_total{role="client",outcome!="superseded"}"#;
        self.growth_by("server", client, "node_server:kerno_dns_queries:increase5m")
    }

    pub(super) fn lookups(&self) -> String {
        self.growth_by("result", "kerno_dns_lookups_total", RULE)
    }

    /// The share of what an agent saw and whose end it does not know.
    pub(super) fn losses(&self) -> String {
        let grew = |counter| format!("sum by ({NODE}) ({})", self.growth(counter));
        format!(
            "{} / ({} > 0)",
            grew("kerno_lost_total"),
            grew("kerno_queries_seen_total")
        )
    }

    pub(super) fn verdicts(&self) -> String {
        "kerno_verdict == 1".to_owned()
    }

    pub(super) fn workload_failures(&self) -> String {
        let sum = self.growth_by(
            &format!("cause, {WORKLOAD}"),
            "kerno_dns_workload_failures_total",
            "node_cause_workload:kerno_dns_failures:increase5m",
        );
        format!("topk({WORKLOADS_MAX}, {sum})")
    }

    /// On which nodes these workloads run, and about how much they ask there: without what makes
    /// the other counts exact, for their series are many.
    pub(super) fn workload_queries(&self, suspects: &[Workload]) -> String {
        let of = |workload: &Workload| {
            let counter = format!(
                "kerno_dns_workload_queries_total{{{}}}",
                workload.matchers()
            );
            // Its pods may be many.
            let by = match workload {
                Workload::Namespace(_) => "namespace",
                _ => WORKLOAD,
            };
            let s = self.seconds;
            format!("sum by ({NODE}, {by}) (increase({counter}[{s}s]) or {counter}) > 0")
        };
        suspects.iter().map(of).collect::<Vec<_>>().join(" or ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seconds: u64) -> Expressions {
        Expressions::of(Duration::from_secs(seconds))
    }

    #[test]
    fn a_counter_that_was_born_with_a_value_counts() {
        let growth = of(900).failures();
        assert!(growth.starts_with("sum by (cluster, node, instance, cause, server) (max "));
        let born = "(kerno_dns_failures_total unless kerno_dns_failures_total offset 900s)";
        assert_eq!(growth.matches(born).count(), 1, "{growth}");
        assert_eq!(growth.matches("increase(").count(), 1, "{growth}");
    }

    #[test]
    fn what_rules_recorded_covers_the_time_once() {
        for seconds in [30, 299, 301, 450, 3_500] {
            assert_eq!(of(seconds).has_rules(), None, "{seconds}");
        }
        for (seconds, tiles, is_long) in [
            (300, 1, false),
            (900, 3, false),
            (3_600, 12, false),
            (3_900, 0, true),
        ] {
            let mut expressions = of(seconds);
            assert!(expressions.has_rules().is_some(), "{seconds}");
            expressions.use_rules(true);
            let asked = expressions.failures();
            assert_eq!(asked.matches("label_replace").count(), tiles, "{asked}");
            assert_eq!(asked.contains("[3900s:300s]"), is_long, "{asked}");
            assert!(!asked.contains("_total"), "{asked}");
        }
    }
}
