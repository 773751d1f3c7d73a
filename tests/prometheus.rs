//! The rules and the dashboard fit the metrics: promtool (Debian's package prometheus) takes
//! every expression, and the rules say in their own tests when they ring and when not.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use kerno::attempt::Outcome;
use kerno::doctor::Rule;
use serde_json::Value;

const RULES: &str = "deploy/prometheus/rules.yml";

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn promtool(arguments: &[&str]) {
    let mut command = Command::new("promtool");
    let done = command.args(arguments).output();
    let done = done.expect("promtool, of the package prometheus in tests/packages.txt");
    assert!(done.status.success(), "{arguments:?}: {done:#?}");
}

/// Of the lines `key: value`.
fn values(yaml: &str, key: &str) -> Vec<String> {
    let lines = yaml.lines().map(|line| line.trim_start_matches([' ', '-']));
    let values = lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    values.map(|it| it.trim_matches('"').to_owned()).collect()
}

/// Every expression of the dashboards, as Grafana would ask it.
fn asked_by_dashboards() -> Vec<String> {
    let mut all = Vec::new();
    for name in ["kerno", "kerno-fleet"] {
        let text = read(&format!("deploy/grafana/{name}.json"));
        let dashboard: Value = serde_json::from_str(&text).expect("JSON");
        let panels = dashboard["panels"].as_array().expect("panels");
        let targets = panels
            .iter()
            .filter_map(|panel| panel["targets"].as_array())
            .flatten();
        all.extend(targets.map(|target| {
            let asked = target["expr"].as_str().expect("an expression");
            asked
                .replace("$instance", ".*")
                .replace("$cluster", ".*")
                .replace("$by", "zone")
                .replace("$__rate_interval", "1m")
                .replace("$__range", "1h")
        }));
    }
    all
}

/// Names of metrics in an expression.
fn metrics_in(expression: &str) -> BTreeSet<&str> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let words = expression.split(|c| !is_of_name(c));
    let of_kerno = |word: &&str| word.starts_with("kerno_") || word.starts_with("process_");
    words.filter(of_kerno).collect()
}

fn documented() -> BTreeSet<String> {
    let page = read("docs/metrics.md");
    let table = page.split("<!-- metrics -->").nth(1).expect("the table");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut names = BTreeSet::new();
    for row in rows {
        let name = row.split('`').next().expect("a name");
        names.insert(name.to_owned());
        if row.contains("| histogram |") {
            names.extend(["_bucket", "_sum", "_count"].map(|it| format!("{name}{it}")));
        }
    }
    names
}

#[test]
fn the_rules_are_sound_and_ring_when_they_should() {
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", RULES]);
    promtool(&["test", "rules", "deploy/prometheus/rules_test.yml"]);
    let rules = read(RULES);
    let tests = read("deploy/prometheus/rules_test.yml");
    for alert in values(&rules, "alert") {
        assert!(tests.contains(&format!("alertname: {alert}")), "{alert}");
    }
    let alerts = values(&rules, "alert").len();
    for key in ["summary", "description", "runbook_url"] {
        assert_eq!(values(&rules, key).len(), alerts, "{key}");
    }
}

#[test]
fn each_alert_leads_to_a_section() {
    let causes = read("docs/causes.md");
    let has_section = |anchor: &str| {
        let heading = |line: &str| {
            let heading = line.strip_prefix("### ").unwrap_or_default();
            heading.replace('`', "").to_lowercase() == anchor
        };
        causes.lines().any(heading) || causes.contains(&format!("<a id=\"{anchor}\"></a>"))
    };
    for url in values(&read(RULES), "runbook_url") {
        let anchor = url.strip_prefix("docs/causes.md#").expect("a section");
        match anchor {
            "{{ $labels.rule }}" => {
                for rule in Rule::all() {
                    assert!(has_section(rule.name()), "{}", rule.name());
                }
            }
            anchor => assert!(has_section(anchor), "{anchor}"),
        }
    }
}

#[test]
fn what_is_asked_for_is_told() {
    let documented = documented();
    let asked = asked_by_dashboards();
    assert!(asked.len() > 20);
    let records = values(&read(RULES), "record");
    for expression in values(&read(RULES), "expr").iter().chain(&asked) {
        let kernos = metrics_in(expression);
        let mut recorded = expression
            .split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | ':'))
            .filter(|word| word.contains(":kerno_"));
        assert!(
            recorded.all(|word| records.iter().any(|it| it == word)),
            "a rule that is not there: {expression}"
        );
        let unknown: Vec<_> = kernos
            .iter()
            .filter(|name| !name.contains(':') && !documented.contains(**name))
            .collect();
        assert!(unknown.is_empty(), "{unknown:?} in {expression}");
    }
}

#[test]
fn the_dashboards_ask_what_prometheus_understands() {
    let asked = asked_by_dashboards();
    let rule = |(n, expression): (usize, &String)| {
        let quoted = serde_json::to_string(expression).expect("a string");
        format!("      - record: asked:{n}\n        expr: {quoted}\n")
    };
    let rules: String = asked.iter().enumerate().map(rule).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dashboard.yml");
    fs::write(
        &path,
        format!("groups:\n  - name: dashboard\n    rules:\n{rules}"),
    )
    .expect("to write");
    promtool(&["check", "rules", path.to_str().expect("UTF-8")]);
}

/// The outcomes that rules and dashboard count as failed are those that are.
#[test]
fn what_counts_as_failed_is_in_one_list() {
    // Late answers move no count: their attempts are among those unanswered.
    let failed = [
        ("unanswered", Outcome::Unanswered),
        ("refused", Outcome::Refused),
        ("dropped", Outcome::Dropped),
    ];
    assert!(failed.iter().all(|(_, outcome)| outcome.is_failure()));
    assert!(Outcome::Late.is_failure());
    assert!(!Outcome::Answered.is_failure() && !Outcome::Superseded.is_failure());
    let list = failed.map(|(name, _)| name).join("|");
    let rules = values(&read(RULES), "expr");
    for expression in rules.iter().chain(&asked_by_dashboards()) {
        for part in expression.split("outcome=~\"").skip(1) {
            assert!(part.starts_with(&format!("{list}\"")), "{expression}");
        }
    }
}
