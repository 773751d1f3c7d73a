//! A real Prometheus scrapes a real agent while one fault is made after the other: each opens
//! its alert and closes it, what is well opens none, and the dashboard has something to show.

use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use serde_json::Value;

use crate::agent::Agent;
use crate::agent::Silent;
use crate::fake_server;
use crate::message;
use crate::metrics::ask;
use crate::metrics::free_port;
use crate::metrics::page;
use crate::place::Place;
use crate::process::Process;
use crate::site::unique_loopback;

/// A window takes ten seconds, a finding stays open for thirty more, and so do rates.
const WAIT: Duration = Duration::from_secs(100);

fn await_it<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < WAIT, "waited for {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

struct Prometheus {
    address: SocketAddr,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// With the rules of deploy/, at the pace of a test: 30 seconds for 5 minutes, and alerts
    /// that ring after 2.
    fn start(agent: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rules = fs::read_to_string("deploy/prometheus/rules.yml").expect("the rules");
        rules = rules
            .replace("[5m]", "[30s]")
            .replace("offset 5m", "offset 30s");
        for minutes in ["2m", "5m", "10m"] {
            rules = rules.replace(&format!("for: {minutes}"), "for: 2s");
        }
        fs::write(folder.path().join("rules.yml"), rules).expect("to write");
        let configuration = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: [rules.yml]\n\
             scrape_configs: [{{job_name: kerno, static_configs: [{{targets: ['{agent}']}}]}}]\n"
        );
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, configuration).expect("to write");
        let address = free_port();
        let mut command = Place::host().command("prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .stdin(Stdio::null());
        let process = Process::start(&mut command);
        await_it("Prometheus", || std::net::TcpStream::connect(address).ok());
        Self {
            address,
            _process: process,
            _folder: folder,
        }
    }

    fn asked(&self, path: &str, parameters: &[(&str, &str)]) -> Vec<Value> {
        let encoded = parameters.iter().map(|(name, value)| {
            let value: String = value.bytes().map(|octet| format!("%{octet:02x}")).collect();
            format!("{name}={value}")
        });
        let query = encoded.collect::<Vec<_>>().join("&");
        let (status, body) = page(self.address, &format!("/api/v1/{path}?{query}"), "");
        if status == 503 {
            // It has just begun.
            return Vec::new();
        }
        assert_eq!(status, 200, "{parameters:?}: {body}");
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        answer["data"]["result"]
            .as_array()
            .expect("a result")
            .clone()
    }

    fn now(&self, expression: &str) -> Vec<Value> {
        self.asked("query", &[("query", expression)])
    }

    /// Alerts that ring, as `name` or `name rule`.
    fn rings(&self) -> Vec<String> {
        let all = self.now("ALERTS{alertstate=\"firing\"}");
        let name = |alert: &Value| {
            let label = |name: &str| {
                alert["metric"][name]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            };
            format!("{} {}", label("alertname"), label("rule"))
                .trim()
                .to_owned()
        };
        all.iter().map(name).collect()
    }

    fn opens(&self, alert: &str) {
        await_it(alert, || {
            self.rings().contains(&alert.to_owned()).then_some(())
        });
    }
}

#[test]
fn root_faults_open_their_alerts_and_close_them() {
    const PORT: u16 = 10_662;
    let listen = free_port();
    let (at, port) = (listen.to_string(), PORT.to_string());
    let _agent = Agent::start(&["--port", &port, "--timeout", "200ms", "--listen", &at]);
    let begin = SystemTime::now();
    let prometheus = Prometheus::start(listen);
    let host = Place::host();
    let server = || SocketAddr::new(unique_loopback(), PORT);
    let (good, slow, closed) = (server(), server(), server());
    fake_server::serve(&host, good, |query, _| fake_server::at_once(query));
    fake_server::serve(&host, slow, |query, _| {
        vec![(Duration::from_millis(700), message::answer(query, 0))]
    });
    let silent = Silent::start(PORT);

    // What is well.
    ask(good, 50, true);
    await_it("what is well", || {
        let answered = "sum(kerno_dns_queries_total{role=\"client\", outcome=\"answered\"}) == 50";
        (!prometheus.now(answered).is_empty()).then_some(())
    });
    await_it("no alert", || prometheus.rings().is_empty().then_some(()));

    // One fault after the other.
    silent.ask(0..40);
    prometheus.opens("KernoDnsFailing");
    prometheus.opens("KernoFinding dns_failure_rate");
    ask(closed, 40, false);
    prometheus.opens("KernoFinding dns_nobody_listening");
    prometheus.opens("KernoDnsServerDown");
    ask(slow, 60, true);
    await_it("what is slow", || {
        let slow = "sum(kerno_dns_workload_queries_total{result=\"slow\"}) == 60";
        (!prometheus.now(slow).is_empty()).then_some(())
    });
    prometheus.opens("KernoDnsSlow");
    prometheus.opens("KernoFinding dns_high_latency");
    await_it("the end of all alerts and findings", || {
        let is_over = prometheus.rings().is_empty() && prometheus.now("kerno_finding").is_empty();
        is_over.then_some(())
    });

    // What failed, each with one cause.
    let failed = "sum(kerno_dns_failures_total) == sum(kerno_dns_queries_total{role=\"client\", \
                  outcome=~\"unanswered|refused|dropped\"}) == 80";
    assert_eq!(prometheus.now(failed).len(), 1);

    // Every query of the dashboard has had something to show.
    let text = fs::read_to_string("deploy/grafana/kerno.json").expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let seconds = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        since.expect("a time").as_secs().to_string()
    };
    let (from, to) = (seconds(begin), seconds(SystemTime::now()));
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array());
    for target in targets.flatten() {
        let asked = target["expr"].as_str().expect("an expression");
        let asked = asked
            .replace("$instance", ".*")
            .replace("$__rate_interval", "30s")
            .replace("$__range", "1h");
        let range = [
            ("query", asked.as_str()),
            ("start", &from),
            ("end", &to),
            ("step", "1"),
        ];
        let series = prometheus.asked("query_range", &range);
        assert!(!series.is_empty(), "nothing is there for {asked}");
    }
}
