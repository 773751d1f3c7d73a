//! A real Prometheus (Debian's package) with the rules of `deploy/`, at the pace of a test.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use serde_json::Value;

use crate::metrics::free_port;
use crate::metrics::page;
use crate::place::Place;
use crate::process::Process;

/// A window takes ten seconds; a finding is open until the minute behind has been without it
/// for three looks.
const WAIT: Duration = Duration::from_secs(200);

/// In seconds since 1970, as Prometheus has times.
pub(crate) fn now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("a time").as_secs_f64()
}

/// Asks until there is something.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < WAIT, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// The rules of `deploy/` with their times divided: 10 seconds for 5 minutes, and alerts that
/// ring when they have been true for 2. `promtool test rules` holds the times as they are.
fn rules() -> String {
    let rules = fs::read_to_string("deploy/prometheus/rules.yml").expect("the rules");
    let mut rules = rules
        .replace("[5m]", "[10s]")
        .replace("offset 5m", "offset 10s")
        .replace("* 300", "* 10")
        .replace("/ 300", "/ 10");
    for minutes in ["2m", "5m", "10m"] {
        rules = rules.replace(&format!("for: {minutes}\n"), "for: 2s\n");
    }
    let times = rules.lines().filter_map(|line| line.split_once("for: "));
    let all: Vec<_> = times.map(|(_, time)| time).collect();
    assert!(
        all.len() >= 6 && all.iter().all(|time| *time == "2s"),
        "{all:?}"
    );
    rules
}

pub(crate) struct Prometheus {
    address: SocketAddr,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Returns when it has scraped the agent and no alert waits.
    pub(crate) fn start(agent: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("rules.yml"), rules()).expect("to write");
        let configuration = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: [rules.yml]\n\
             scrape_configs: [{{job_name: kerno, static_configs: [{{targets: ['{agent}']}}]}}]\n"
        );
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, configuration).expect("to write");
        let address = free_port();
        let data = folder.path().join("data");
        let mut command = Place::host().command("prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .stdin(Stdio::null());
        let started = Self {
            address,
            _process: Process::start(&mut command),
            _folder: folder,
        };
        wait_for("Prometheus", || TcpStream::connect(address).ok());
        wait_for("a scrape", || {
            let is_there = !started.now("kerno_build_info").is_empty();
            (is_there && started.now("ALERTS").is_empty()).then_some(())
        });
        started
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
        let result = &answer["data"]["result"];
        result.as_array().expect("a result").clone()
    }

    /// The series that there are now.
    pub(crate) fn now(&self, expression: &str) -> Vec<Value> {
        self.asked("query", &[("query", expression)])
    }

    /// The only one, as a number.
    pub(crate) fn number(&self, expression: &str) -> Option<f64> {
        let series = self.now(expression);
        let value = series.first()?["value"][1].as_str()?;
        value.parse().ok()
    }

    /// The series of each second since then.
    pub(crate) fn since(&self, begin: f64, expression: &str) -> Vec<Value> {
        let (begin, end) = (begin.to_string(), now().to_string());
        let range = [
            ("query", expression),
            ("start", &begin),
            ("end", &end),
            ("step", "1"),
        ];
        self.asked("query_range", &range)
    }

    /// Alerts that were in this state since then, as `name` or `name rule`, and when first.
    pub(crate) fn alerts(&self, begin: f64, state: &str) -> BTreeMap<String, f64> {
        let all = self.since(begin, &format!("ALERTS{{alertstate=~\"{state}\"}}"));
        let mut first = BTreeMap::new();
        for series in all {
            let label = |name: &str| series["metric"][name].as_str().unwrap_or_default();
            let name = format!("{} {}", label("alertname"), label("rule"));
            let time = series["values"][0][0].as_f64().expect("a time");
            let known = first.entry(name.trim().to_owned()).or_insert(time);
            *known = known.min(time);
        }
        first
    }
}
