//! Fleets as a Prometheus tells them.

use std::time::Duration;
use std::time::SystemTime;

use proptest::prelude::*;

use super::series::Series;
use super::table::Severity;
use super::table::Table;
use super::*;

const DNS: &str = "10.96.0.10:53";
const OLD: &str = "10.0.0.2:53";

/// A series with this value.
fn series(labels: &[(&str, &str)], value: f64) -> Series {
    let metric: serde_json::Map<_, _> = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).into()))
        .collect();
    let text = serde_json::json!({"metric": metric, "value": [0.0, value.to_string()]});
    serde_json::from_value(text).expect("a series")
}

/// Nodes `node-0` and so on, zones a, b and c in turn, who ask one server 1,000 times each.
struct Fleet {
    table: Table,
    nodes: usize,
}

impl Fleet {
    fn of(nodes: usize) -> Self {
        let mut table = Table::default();
        let agents: Vec<_> = (0..nodes)
            .map(|n| {
                let (node, zone) = (name(n), ["a", "b", "c"][n % 3]);
                let rack = format!("rack-{}", n / 2);
                series(
                    &[
                        ("node", &node),
                        ("instance", "x:9553"),
                        ("zone", zone),
                        ("rack", &rack),
                        ("version", "0.1.0"),
                    ],
                    1.0,
                )
            })
            .collect();
        table.add_agents(&agents);
        let mut fleet = Self { table, nodes };
        (0..nodes).for_each(|n| fleet.asks(n, DNS, 1_000.0));
        fleet
    }

    fn asks(&mut self, n: usize, server: &str, queries: f64) {
        let labels = [("node", &*name(n)), ("server", server)];
        self.table.add_queries(&series(&labels, queries));
    }

    fn has(&mut self, n: usize, rule: &str, severity: &str, server: Option<&str>) {
        let node = name(n);
        let mut labels = vec![("node", &*node), ("rule", rule), ("severity", severity)];
        labels.extend(server.map(|server| ("server", server)));
        self.table.add_open(&series(&labels, 1.0), false);
        self.table.add_open(&series(&labels, 1.0), true);
    }

    fn fails(&mut self, n: usize, cause: &str, server: &str, workload: &str) {
        self.has(n, cause, "critical", Some(server));
        let node = name(n);
        let labels = [("node", &*node), ("cause", cause), ("server", server)];
        self.table.add_failures(&series(&labels, 300.0));
        let labels = [("node", &*node), ("cause", cause), ("unit", workload)];
        self.table.add_blame(&series(&labels, 300.0));
        let labels = [("node", &*node), ("cause", cause)];
        self.table.add_lost_time(&series(&labels, 1_500.0));
        let labels = [("node", &*node), ("result", "failed")];
        self.table.add_lookups(&series(&labels, 100.0));
    }

    fn runs(&mut self, n: usize, workload: &str, queries: f64) {
        let labels = [("node", &*name(n)), ("unit", workload)];
        self.table.add_workload_queries(&series(&labels, queries));
    }

    fn report(self) -> Report {
        let to = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_770_000);
        Report::of(self.table, Vec::new(), to, Duration::from_secs(900))
    }

    /// Those in zone b.
    fn in_b(&self) -> Vec<usize> {
        (0..self.nodes).filter(|n| n % 3 == 1).collect()
    }
}

fn name(n: usize) -> String {
    format!("node-{n}")
}

fn place(report: &Report, at: usize) -> String {
    report.findings[at].place.told()
}

fn pretty(report: &Report) -> String {
    let mut out = Vec::new();
    let form = Form::Pretty {
        columns: 100,
        colours: true,
    };
    report.write(form, &mut out).expect("a Vec");
    anstream::adapter::strip_str(std::str::from_utf8(&out).expect("UTF-8")).to_string()
}

#[test]
fn a_zone_is_where_it_sits() {
    let mut fleet = Fleet::of(120);
    for n in fleet.in_b() {
        // Two have not noticed yet.
        if n > 4 {
            fleet.fails(n, "dns_policy_drop", DNS, "nginx.service");
        }
    }
    let report = fleet.report();
    assert_eq!(report.verdict(), Verdict::Critical);
    assert_eq!(
        place(&report, 0),
        "38 of 40 nodes with zone b, 0 of 80 elsewhere"
    );
    let it = &report.findings[0];
    assert_eq!((it.queries_failed, it.lookups_failed), (38 * 300, 38 * 100));
    assert!(
        pretty(&report)
            .starts_with("DNS HURTS 38 OF 120 NODES. A firewall discards DNS queries on")
    );
}

#[test]
fn few_nodes_are_named_and_no_label_is_made_up() {
    let mut fleet = Fleet::of(120);
    // One of each zone.
    for n in [4, 17, 33] {
        fleet.fails(n, "dns_conntrack_full", DNS, "nginx.service");
    }
    let report = fleet.report();
    assert_eq!(
        place(&report, 0),
        "node-17, node-33 and node-4: 3 of all 120; no server, workload or label sets them apart"
    );
    let mut fleet = Fleet::of(120);
    fleet.fails(4, "dns_conntrack_full", DNS, "nginx.service");
    assert_eq!(
        place(&fleet.report(), 0),
        "node-4 alone, 0 of 119 elsewhere"
    );
}

#[test]
fn a_server_is_where_it_sits_if_others_are_well() {
    // Half of the nodes ask another server, and these queries are fine.
    let mut fleet = Fleet::of(60);
    for n in 0..60 {
        if n % 2 == 0 {
            fleet.asks(n, OLD, 500.0);
            fleet.fails(n, "dns_dead_server", OLD, "nginx.service");
        }
    }
    let report = fleet.report();
    assert_eq!(
        place(&report, 0),
        "30 of 30 nodes that ask the server 10.0.0.2:53, 0 of 30 elsewhere"
    );
    // All ask both.
    let mut fleet = Fleet::of(60);
    for n in 0..60 {
        fleet.asks(n, OLD, 500.0);
        fleet.fails(n, "dns_dead_server", OLD, "nginx.service");
    }
    assert_eq!(
        place(&fleet.report(), 0),
        "60 of 60 nodes that ask the server 10.0.0.2:53"
    );
    // All ask one server only: nothing to compare with.
    let mut fleet = Fleet::of(60);
    (0..60).for_each(|n| fleet.fails(n, "dns_dead_server", DNS, "nginx.service"));
    assert!(place(&fleet.report(), 0).starts_with("60 of 60 nodes that asked anything"));
}

#[test]
fn a_workload_is_where_it_sits_if_its_neighbours_are_well() {
    let mut fleet = Fleet::of(60);
    for n in 0..60 {
        if n % 2 == 0 {
            fleet.fails(n, "dns_send_denied", DNS, "shop.service");
            fleet.runs(n, "shop.service", 300.0);
        }
    }
    let report = fleet.report();
    assert_eq!(
        place(&report, 0),
        "30 of 30 nodes on which shop.service runs, 0 of 30 elsewhere"
    );
    // It is all that these nodes run.
    let mut fleet = Fleet::of(60);
    for n in fleet.in_b() {
        fleet.fails(n, "dns_send_denied", DNS, "shop.service");
        fleet.runs(n, "shop.service", 1_000.0);
    }
    assert_eq!(
        place(&fleet.report(), 0),
        "20 of 20 nodes with zone b, 0 of 40 elsewhere"
    );
}

#[test]
fn two_causes_are_two_findings_and_the_summary_is_none() {
    let mut fleet = Fleet::of(60);
    for n in fleet.in_b() {
        fleet.fails(n, "dns_policy_drop", DNS, "nginx.service");
        fleet.has(n, "dns_failure_rate", "critical", None);
    }
    fleet.fails(0, "dns_conntrack_full", DNS, "nginx.service");
    fleet.has(3, "dns_late_reader", "info", None);
    let report = fleet.report();
    let rules: Vec<_> = report.findings.iter().map(|it| &*it.rule).collect();
    assert_eq!(rules, ["dns_policy_drop", "dns_conntrack_full"]);
    assert_eq!(
        place(&report, 0),
        "20 of 20 nodes with zone b, 0 of 40 elsewhere"
    );
    assert!(place(&report, 1).starts_with("node-0 alone"));
}

#[test]
fn slow_answers_are_explained_by_the_servers_node() {
    let mut fleet = Fleet::of(60);
    fleet.has(5, "dns_server_throttled", "warning", Some("10.244.3.7:53"));
    for n in 0..60 {
        if n != 5 {
            fleet.has(n, "dns_high_latency", "critical", Some(DNS));
        }
    }
    let report = fleet.report();
    assert_eq!(report.findings.len(), 1, "{}", pretty(&report));
    let it = &report.findings[0];
    assert_eq!(
        (&*it.rule, it.severity),
        ("dns_server_throttled", Severity::Critical)
    );
    assert_eq!(it.explains[0].nodes.len(), 59);
    let page = pretty(&report);
    assert!(
        page.contains(
            "DNS HURTS ALL 60 NODES. A DNS server is stopped by its CPU limit on node-5."
        ),
        "{page}"
    );
    // Both name the server: it is sure. Two servers' nodes in trouble: nobody knows whose.
    let mut fleet = Fleet::of(60);
    fleet.has(5, "dns_server_throttled", "warning", Some(DNS));
    fleet.has(6, "dns_server_overflow", "warning", Some(OLD));
    for n in 10..60 {
        fleet.has(n, "dns_high_latency", "critical", Some(DNS));
    }
    let report = fleet.report();
    let throttled = report
        .findings
        .iter()
        .find(|it| it.rule == "dns_server_throttled");
    let explains = &throttled.expect("a finding").explains;
    assert_eq!(explains[0].server.as_deref(), Some(DNS));
}

#[test]
fn nobody_is_healthy_who_does_not_report() {
    let healthy = Fleet::of(60).report();
    assert_eq!(healthy.verdict(), Verdict::Healthy);
    assert!(pretty(&healthy).starts_with("DNS IS HEALTHY ON ALL NODES. 60 nodes report"));
    let mut fleet = Fleet::of(60);
    fleet.table.add_down(&series(&[("node", "node-7")], 0.0));
    fleet.table.add_known(&series(&[("node", "node-99")], 1.0));
    let report = fleet.report();
    assert_eq!(report.verdict(), Verdict::Unknown);
    assert!(report.missing[0].starts_with("2 nodes do not report: node-7 and node-99."));
    // One of a thousand is said, and hides nothing.
    let mut fleet = Fleet::of(1_000);
    fleet.table.add_down(&series(&[("node", "node-7")], 0.0));
    let report = fleet.report();
    assert_eq!(
        (report.verdict(), report.missing.len()),
        (Verdict::Healthy, 1)
    );
    // A node that was taken away is no gap.
    let mut fleet = Fleet::of(60);
    fleet.table.add_gone(&series(&[("node", "node-old")], 1.0));
    assert_eq!(fleet.report().verdict(), Verdict::Healthy);
    let mut table = Fleet::of(3).table;
    table.nodes.values_mut().for_each(|node| node.asked.clear());
    let to = SystemTime::UNIX_EPOCH;
    assert_eq!(
        Report::of(table, Vec::new(), to, Duration::from_secs(60)).verdict(),
        Verdict::NoTraffic
    );
}

#[test]
fn clusters_keep_their_nodes_apart() {
    let mut table = Table::default();
    let agents = ["one", "two"].map(|cluster| series(&[("cluster", cluster), ("node", "a")], 1.0));
    table.add_agents(&agents);
    assert_eq!(table.nodes.len(), 2);
    table.add_queries(&series(
        &[("cluster", "two"), ("node", "a"), ("server", DNS)],
        5.0,
    ));
    let asked: Vec<_> = table
        .nodes
        .iter()
        .map(|(name, node)| (&*name.0, node.queries()))
        .collect();
    assert_eq!(asked, [("one/a", 0.0), ("two/a", 5.0)]);
}

#[test]
fn the_json_has_what_the_contract_names() {
    let mut fleet = Fleet::of(60);
    for n in fleet.in_b() {
        fleet.fails(n, "dns_policy_drop", DNS, "nginx.service");
    }
    let mut out = Vec::new();
    fleet.report().write(Form::Json, &mut out).expect("a Vec");
    let json: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(json["schema"], "kerno.fleet.v1");
    assert_eq!(json["verdict"], "critical");
    let it = &json["findings"][0];
    assert_eq!(
        (&it["rule"], &it["severity"]),
        (&"dns_policy_drop".into(), &"critical".into())
    );
    assert_eq!(
        it["place"],
        serde_json::json!({"dimension": "zone", "values": ["b"], "affected": 20, "of": 20, "elsewhere": 0, "elsewhere_of": 40})
    );
    assert_eq!(it["nodes"].as_array().map(Vec::len), Some(20));
    assert_eq!(
        (&it["lookups_failed"], &it["seconds_lost"]),
        (&2_000.into(), &30_000.0.into())
    );
    assert_eq!(json["missing"], serde_json::json!([]));
}

/// Names of workloads come from strangers: they stay text in each form.
#[test]
fn a_page_and_markdown_say_the_same() {
    let mut fleet = Fleet::of(60);
    for n in fleet.in_b() {
        fleet.fails(n, "dns_policy_drop", DNS, "<script>@all|`.service");
    }
    let report = fleet.report();
    let told = |form| {
        let mut out = Vec::new();
        report
            .write(form, &mut out)
            .expect("a Vec takes everything");
        String::from_utf8(out).expect("UTF-8")
    };
    let (page, markdown) = (told(Form::Html), told(Form::Markdown));
    insta::assert_snapshot!("markdown", markdown);
    let xml = page.strip_prefix("<!DOCTYPE html>\n").expect("HTML");
    let (before, script) = xml.rsplit_once("<script>").expect("the script");
    let (_, behind) = script.split_once("</script>").expect("its end");
    let xml = format!("{before}{behind}");
    let document = roxmltree::Document::parse(&xml).expect("well-formed");
    let scripts = document
        .descendants()
        .filter(|it| it.has_tag_name("script"));
    let data: Vec<_> = scripts.filter_map(|it| it.text()).collect();
    assert_eq!(data.len(), 1);
    let json: serde_json::Value = serde_json::from_str(data[0]).expect("JSON");
    let as_json: serde_json::Value = serde_json::from_str(&told(Form::Json)).expect("JSON");
    assert_eq!(json, as_json);
    let texts = document.descendants().filter(|it| it.is_text());
    let text: String = texts.filter_map(|it| it.text()).collect();
    for words in [
        "DNS HURTS 20 OF 60 NODES.",
        "20 of 20 nodes with zone b",
        "<script>@all|`.service",
    ] {
        assert!(text.contains(words), "{words}");
    }
}

proptest! {
    /// Whatever is affected: the figures of a place add up, and no name breaks a line.
    #[test]
    fn places_add_up(affected in proptest::collection::btree_set(0..40_usize, 1..40), odd in "\\PC{0,20}") {
        let mut fleet = Fleet::of(40);
        for n in &affected {
            fleet.fails(*n, "dns_policy_drop", DNS, &format!("{odd}.service"));
        }
        let report = fleet.report();
        let it = &report.findings[0];
        prop_assert_eq!(it.place.affected + it.place.elsewhere, affected.len() as u64);
        prop_assert_eq!(it.place.of + it.place.elsewhere_of, 40);
        prop_assert!(it.place.affected <= it.place.of && it.place.elsewhere <= it.place.elsewhere_of);
        prop_assert!(!pretty(&report).is_empty());
    }
}
