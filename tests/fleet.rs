//! `kerno fleet` over a real Prometheus: fleets of 40 nodes as their agents would tell of them,
//! each scene two hours after the one before, and what is said of each.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use serde_json::Value;

const NODES: usize = 40;
/// Between two scrapes, in seconds; a scene has so many of them.
const SCRAPE: u64 = 15;
const SCRAPES: u64 = 80;
/// Scrapes from which a trouble is there.
const TROUBLE: u64 = 50;
/// Between the ends of two scenes.
const APART: u64 = 2 * 3600;

const DNS: &str = "10.96.0.10:53";
const OLD: &str = "10.0.0.2:53";

/// What a node has.
#[derive(Clone)]
struct Node {
    name: String,
    zone: &'static str,
    /// Rule, server and the workload that fails.
    trouble: Option<(&'static str, &'static str, &'static str)>,
    asks_old_too: bool,
    /// Its agent is there up to this scrape only.
    until: u64,
    /// Its agent is started anew at this scrape: all counters begin at 0.
    restarts: Option<u64>,
}

impl Node {
    fn of(n: usize) -> Self {
        Self {
            name: format!("node-{n}"),
            zone: ["a", "b", "c", "d"][n % 4],
            trouble: None,
            asks_old_too: false,
            until: SCRAPES,
            restarts: None,
        }
    }
}

/// A fleet, and what is to be said of it.
struct Scene {
    nodes: Vec<Node>,
    verdict: &'static str,
    /// Rule, dimension, values, affected, of.
    finding: Option<(
        &'static str,
        &'static str,
        &'static [&'static str],
        u64,
        u64,
    )>,
}

fn scene(
    change: impl Fn(usize, &mut Node),
    verdict: &'static str,
    finding: Option<(
        &'static str,
        &'static str,
        &'static [&'static str],
        u64,
        u64,
    )>,
) -> Scene {
    let nodes = (0..NODES).map(|n| {
        let mut node = Node::of(n);
        change(n, &mut node);
        node
    });
    Scene {
        nodes: nodes.collect(),
        verdict,
        finding,
    }
}

fn scenes() -> BTreeMap<&'static str, Scene> {
    let drop = Some(("dns_policy_drop", DNS, "nginx.service"));
    BTreeMap::from([
        ("all is well", scene(|_, _| {}, "healthy", None)),
        (
            "one node",
            scene(
                |n, node| node.trouble = drop.filter(|_| n == 7),
                "critical",
                Some(("dns_policy_drop", "node", &["node-7"], 1, 1)),
            ),
        ),
        (
            "one zone",
            scene(
                |_, node| node.trouble = drop.filter(|_| node.zone == "b"),
                "critical",
                Some(("dns_policy_drop", "zone", &["b"], 10, 10)),
            ),
        ),
        (
            "a server that half of the nodes ask too",
            scene(
                |n, node| {
                    node.asks_old_too = n < 20;
                    let dead = ("dns_dead_server", OLD, "nginx.service");
                    node.trouble = Some(dead).filter(|_| n < 20);
                },
                "critical",
                Some(("dns_dead_server", "server", &[OLD], 20, 20)),
            ),
        ),
        (
            "one workload, everywhere",
            scene(
                |n, node| {
                    let denied = ("dns_send_denied", DNS, "shop.service");
                    node.trouble = Some(denied).filter(|_| n % 2 == 0);
                },
                "critical",
                Some(("dns_send_denied", "workload", &["shop.service"], 20, 20)),
            ),
        ),
        (
            "everything",
            scene(
                |_, node| node.trouble = Some(("dns_conntrack_full", DNS, "nginx.service")),
                "critical",
                Some(("dns_conntrack_full", "all", &[], 40, 40)),
            ),
        ),
        (
            "agents that were started anew count from 0",
            scene(
                |n, node| {
                    node.restarts = Some(60);
                    node.trouble = drop.filter(|_| n == 3);
                },
                "critical",
                Some(("dns_policy_drop", "node", &["node-3"], 1, 1)),
            ),
        ),
        (
            "one that does not report",
            scene(
                |n, node| node.until = if n == 5 { 40 } else { SCRAPES },
                "unknown",
                None,
            ),
        ),
    ])
}

/// The series of a node at a scrape, with what they count since the agent's start.
fn told(node: &Node, scrape: u64) -> Vec<(&'static str, String, u64)> {
    let is_up = scrape < node.until;
    let mut all = vec![("up", String::new(), u64::from(is_up))];
    if !is_up {
        return all;
    }
    let begin = node.restarts.filter(|at| scrape >= *at).unwrap_or(0);
    let since = scrape - begin;
    let broken = match node.trouble {
        Some(_) if scrape >= TROUBLE => scrape - TROUBLE.max(begin) + 1,
        _ => 0,
    };
    let server = |server: &str, outcome: &str| {
        format!(r#",role="client",server="{server}",outcome="{outcome}""#)
    };
    all.extend([
        (
            "kerno_build_info",
            r#",version="0.1.0",commit="c""#.to_owned(),
            1,
        ),
        (
            "kerno_dns_queries_total",
            server(DNS, "answered"),
            since * 100,
        ),
        (
            "kerno_dns_lookups_total",
            r#",result="ok""#.to_owned(),
            since * 50,
        ),
        (
            "kerno_dns_workload_queries_total",
            r#",unit="nginx.service",result="ok""#.to_owned(),
            since * 80,
        ),
    ]);
    if node.asks_old_too {
        all.push((
            "kerno_dns_queries_total",
            server(OLD, "unanswered"),
            broken * 30,
        ));
    }
    let Some((rule, at, unit)) = node.trouble else {
        return all;
    };
    // Of 30 failures, if it is not one unit's own trouble, another has 10.
    let shares = match unit {
        "shop.service" => vec![(unit, 30)],
        unit => vec![(unit, 20), ("cron.service", 10)],
    };
    for (unit, share) in &shares {
        let labels = format!(r#",unit="{unit}",result="failed""#);
        all.push(("kerno_dns_workload_queries_total", labels, broken * share));
    }
    if broken == 0 {
        return all;
    }
    all.extend([
        (
            "kerno_finding",
            format!(r#",rule="{rule}",severity="critical",server="{at}""#),
            1,
        ),
        (
            "kerno_finding",
            r#",rule="dns_failure_rate",severity="critical""#.to_owned(),
            1,
        ),
        (
            "kerno_dns_failures_total",
            format!(r#",cause="{rule}",server="{at}""#),
            broken * 30,
        ),
        (
            "kerno_dns_lost_seconds_total",
            format!(r#",cause="{rule}""#),
            broken * 60,
        ),
        (
            "kerno_dns_lookups_total",
            r#",result="failed""#.to_owned(),
            broken * 10,
        ),
    ]);
    for (unit, share) in shares {
        let labels = format!(r#",cause="{rule}",unit="{unit}""#);
        all.push(("kerno_dns_workload_failures_total", labels, broken * share));
    }
    all
}

/// All scenes as OpenMetrics with times.
fn exposition(scenes: &BTreeMap<&str, Scene>, first_end: u64) -> String {
    let mut families: BTreeMap<&str, String> = BTreeMap::new();
    for (number, scene) in scenes.values().enumerate() {
        let end = first_end + number as u64 * APART;
        for (n, node) in scene.nodes.iter().enumerate() {
            for scrape in 0..SCRAPES {
                let at = end - (SCRAPES - 1 - scrape) * SCRAPE;
                for (name, labels, value) in told(node, scrape) {
                    let target = format!(
                        r#"job="kerno",instance="10.1.0.{n}:9553",node="{}",zone="{}""#,
                        node.name, node.zone
                    );
                    let family = families.entry(name).or_default();
                    writeln!(family, "{name}{{{target}{labels}}} {value} {at}").expect("a String");
                }
            }
        }
    }
    let mut text = String::new();
    for (name, series) in families {
        let (family, kind) = match name.strip_suffix("_total") {
            Some(family) => (family, "counter"),
            None => (name, "gauge"),
        };
        write!(text, "# TYPE {family} {kind}\n{series}").expect("a String");
    }
    text + "# EOF\n"
}

/// A Prometheus with what was told, which ends with it.
struct Prometheus {
    child: Child,
    url: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Prometheus {
    fn start(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = port.local_addr().expect("bound").to_string();
        drop(port);
        let configuration = folder.join("prometheus.yml");
        fs::write(&configuration, "global: {}\n").expect("written");
        let said = fs::File::create(folder.join("said")).expect("a file");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg("--storage.tsdb.retention.time=100y")
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .expect("prometheus, of tests/packages.txt");
        let mut started = Self {
            child,
            url: format!("http://{address}"),
        };
        let patience = Instant::now() + Duration::from_secs(60);
        while !is_ready(&address) {
            let status = started.child.try_wait().expect("a child");
            let said = || fs::read_to_string(folder.join("said")).unwrap_or_default();
            assert!(
                status.is_none() && Instant::now() < patience,
                "{status:?}: {}",
                said()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        started
    }
}

fn is_ready(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return false;
    };
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n");
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains(" 200 ")
}

fn fleet(prometheus: &Prometheus, at: u64, more: &[&str]) -> (i32, String) {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
    let at = humantime::format_rfc3339_seconds(at).to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kerno"));
    command.args([
        "fleet",
        "--prometheus",
        &prometheus.url,
        "--at",
        &at,
        "--exit-code",
    ]);
    let done = command.args(more).output().expect("kerno starts");
    let said = String::from_utf8(done.stderr).expect("UTF-8");
    assert_eq!(said, "");
    let told = String::from_utf8(done.stdout).expect("UTF-8");
    (done.status.code().expect("an exit code"), told)
}

#[test]
fn cause_and_place_are_right_in_every_scene() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenes = scenes();
    // A whole hour, some days ago.
    let first_end = 1_764_244_800;
    let text = folder.path().join("metrics");
    fs::write(&text, exposition(&scenes, first_end)).expect("written");
    let done = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&text, &folder.path().join("data")])
        .output()
        .expect("promtool, of tests/packages.txt");
    assert!(done.status.success(), "{done:?}");
    let prometheus = Prometheus::start(folder.path());

    for (number, (name, scene)) in scenes.iter().enumerate() {
        let at = first_end + number as u64 * APART;
        let (code, told) = fleet(&prometheus, at, &["--output", "json"]);
        let report: Value = serde_json::from_str(&told).expect("JSON");
        let findings = report["findings"].as_array().expect("findings");
        assert_eq!(report["verdict"], scene.verdict, "{name}: {told}");
        let expected_code = [("critical", 2), ("unknown", 1), ("healthy", 0)];
        assert!(
            expected_code.contains(&(scene.verdict, code)),
            "{name}: {code}"
        );
        let (_, page) = fleet(&prometheus, at, &[]);
        let Some((rule, dimension, values, affected, of)) = scene.finding else {
            assert_eq!(findings.len(), 0, "{name}: {page}");
            continue;
        };
        let [finding] = &findings[..] else {
            panic!("{name}: {page}")
        };
        let place = &finding["place"];
        assert_eq!(finding["rule"], rule, "{name}: {page}");
        assert_eq!(place["dimension"], dimension, "{name}: {page}");
        assert_eq!(place["values"], serde_json::json!(values), "{name}: {page}");
        assert_eq!(
            (&place["affected"], &place["of"]),
            (&affected.into(), &of.into()),
            "{name}: {page}"
        );
        assert_eq!(place["elsewhere"], 0, "{name}: {page}");
        // 30 scrapes with 30 failures each; increase() extrapolates, and knows restarts.
        let each = finding["queries_failed"].as_u64().expect("a count") / affected;
        assert!((800..=1_000).contains(&each), "{name}: {each} {page}");
        let since = finding["since"].as_str().expect("a time");
        let began = humantime::parse_rfc3339(since).expect(since);
        let began = began
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("late enough")
            .as_secs();
        let truly = at - (SCRAPES - 1 - TROUBLE) * SCRAPE;
        assert!(began.abs_diff(truly) <= 60, "{name}: {since}");
        assert!(
            page.contains(rule) && page.starts_with("DNS HURTS"),
            "{name}: {page}"
        );
    }
}
