//! Three real agents, each on a node with a fault of its own or none, scraped by one Prometheus.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;

use crate::prometheus::Prometheus;

const KERNO: &str = env!("CARGO_BIN_EXE_kerno");
/// A fault lasts so long; whatever is waited for comes sooner.
const FAULT: &str = "120s";
const WAIT: Duration = Duration::from_secs(110);

/// A node (scripts/as-node), with whatever runs on it.
struct Node {
    group: String,
    running: Vec<Child>,
}

impl Node {
    /// Starts a command there, which ends with this test.
    fn start(&mut self, arguments: &[&str], said: &Path) {
        let servers = Path::new(env!("CARGO_TARGET_TMPDIR")).join("servers");
        let path = std::env::var("PATH").unwrap_or_default();
        let servers_path = servers.join("usr/sbin");
        let libraries = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "scripts/as-node", &self.group, KERNO])
            .args(arguments)
            .env(
                "PATH",
                format!("{path}:/usr/sbin:/sbin:{}", servers_path.display()),
            )
            .env("LD_LIBRARY_PATH", servers.join(libraries))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(said).expect("a file"))
            .spawn();
        self.running.push(child.expect("setpriv, of util-linux"));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for child in &mut self.running {
            // The lab undoes what it did when it is told to end.
            let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
            let _gone_already = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        }
        for child in &mut self.running {
            let _status = child.wait();
        }
        let group = groups().join(&self.group);
        // The last process may take a moment to leave.
        for _ in 0..100 {
            if fs::remove_dir(&group).is_ok() || !group.exists() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Where control groups of version 2 are.
fn groups() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "));
    let path = mount.and_then(|line| line.split(' ').nth(4));
    PathBuf::from(path.expect("control groups of version 2"))
}

fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").to_string()
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < WAIT, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn root_three_agents_with_a_fault_of_their_own_or_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let faults = ["nft-drop", "dead-server", "healthy"];
    let mut nodes = Vec::new();
    let mut targets = String::new();
    for number in 1..=faults.len() {
        let mut node = Node {
            group: format!("kerno-fleet-{}-{number}", std::process::id()),
            running: Vec::new(),
        };
        let listen = free_port();
        let socket = folder.join(format!("{number}.sock"));
        let said = folder.join(format!("agent-{number}"));
        // Of the lab's names alone: its resolver is also asked whether it is there yet.
        let arguments = [
            "agent",
            "--no-history",
            "--name",
            "*.lab.test",
            "--listen",
            &listen,
        ];
        let socket = ["--socket", socket.to_str().expect("UTF-8")];
        node.start(&[&arguments[..], &socket].concat(), &said);
        wait_for("an agent", || {
            let said = fs::read_to_string(&said).expect("a file");
            said.contains("watching").then_some(())
        });
        targets +=
            &format!("      - targets: ['{listen}']\n        labels: {{node: node-{number}}}\n");
        nodes.push(node);
    }
    let prometheus = Prometheus::start_with(
        folder,
        &format!(
            "global: {{scrape_interval: 2s}}\nscrape_configs:\n  - job_name: kerno\n    \
             static_configs:\n{targets}"
        ),
    );
    for (node, fault) in nodes.iter_mut().zip(faults) {
        let arguments = ["chaos", "--induce", fault, "--duration", FAULT];
        node.start(&arguments, &folder.join(format!("chaos-{fault}")));
    }
    let all_asked = "count(sum by (node) (kerno_dns_queries_total{role=\"client\"}) > 200)";
    let report = wait_for("both causes, and queries of all nodes", || {
        let asked = prometheus.now(all_asked);
        let number = asked.first()?["value"][1].as_str()?;
        let (_, told, _) = prometheus.fleet_now(&["--last", "1m", "--output", "json"]);
        let report: Value = serde_json::from_str(&told).ok()?;
        let found = report["findings"].as_array()?.len();
        (found >= 2 && number == "3").then_some(report)
    });
    let findings = report["findings"].as_array().expect("findings");
    let mut found: Vec<_> = findings
        .iter()
        .map(|it| (it["rule"].as_str(), &it["nodes"], &it["place"]["dimension"]))
        .map(|(rule, nodes, place)| (rule.expect("a rule"), nodes.to_string(), place.to_string()))
        .collect();
    found.sort();
    let expected = [("dns_dead_server", "node-2"), ("dns_policy_drop", "node-1")];
    let expected: Vec<_> = expected
        .map(|(rule, node)| (rule, format!("[\"{node}\"]"), "\"node\"".to_owned()))
        .into();
    assert_eq!(found, expected, "{report:#}");
    assert_eq!(report["verdict"], "critical");
    assert_eq!(report["nodes"]["seen"], 3);
}
