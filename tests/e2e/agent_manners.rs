//! `kerno agent` as a service: what it tells its manager, its log and a command of the
//! user's, and how it takes what happens to a service.

use std::io::BufRead as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::agent::Agent;
use crate::agent::Silent;
use crate::process::PATIENCE;
use crate::process::poll;

/// A service manager.
struct Manager {
    socket: UnixDatagram,
    name: String,
}

impl Manager {
    fn start(name: &str) -> Self {
        let name = format!("kerno-{name}-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let socket = UnixDatagram::bind_addr(&address).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Self {
            socket,
            name: format!("@{name}"),
        }
    }

    /// Waits until this is said; all that was said up to then.
    fn until(&self, said: &str) -> Vec<String> {
        let mut all = Vec::new();
        let mut octets = [0; 1000];
        while all.last().is_none_or(|it: &String| !it.starts_with(said)) {
            let len = self.socket.recv(&mut octets).expect(said);
            all.push(String::from_utf8(octets[..len].to_vec()).expect("UTF-8"));
        }
        all
    }
}

#[test]
fn root_an_agent_tells_its_manager_that_it_is_ready_lives_and_ends() {
    let manager = Manager::start("manners");
    let mut agent = Agent::start_with(
        &["--port", "10657"],
        // A child of somebody else's: it may not be for it.
        &[
            ("NOTIFY_SOCKET", &manager.name),
            ("WATCHDOG_USEC", "400000"),
        ],
    );
    assert_eq!(manager.until("READY=1"), ["READY=1"], "first of all");
    // Each has been through all that watches.
    for _ in 0..3 {
        manager.until("WATCHDOG=1");
    }
    // One that stands still is not alive.
    agent.process.signal(Signal::SIGSTOP);
    let patience = Duration::from_secs(1);
    manager
        .socket
        .set_read_timeout(Some(patience))
        .expect("a socket");
    let mut octets = [0; 100];
    while manager.socket.recv(&mut octets).is_ok() {}
    manager
        .socket
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket");
    agent.process.signal(Signal::SIGCONT);
    manager.until("WATCHDOG=1");
    agent.process.signal(Signal::SIGTERM);
    manager.until("STOPPING=1");
    assert_eq!(agent.process.ended().code(), Some(0));
}

#[test]
fn root_an_agent_tells_of_a_finding_once_in_its_log_and_to_a_command() {
    const PORT: u16 = 10_658;
    let folder = tempfile::tempdir().expect("a folder");
    let told = folder.path().join("told");
    let pids = folder.path().join("pids");
    let command = format!(
        "cat >> {}; echo $$ >> {}; exec sleep 1000",
        told.display(),
        pids.display()
    );
    let manager = Manager::start("finding");
    let port = PORT.to_string();
    let options = ["--port", &port, "--timeout", "100ms", "--log", "json"];
    let mut agent = Agent::start_with(
        &[&options[..], &["--on-finding", &command]].concat(),
        &[("NOTIFY_SOCKET", &manager.name)],
    );
    manager.until("READY=1");
    let silent = Silent::start(PORT);
    silent.ask(0..30);
    let status = manager.until("STATUS=DNS: critical");
    assert!(
        status.last().is_some_and(|it| it.contains("dns_")),
        "{status:?}"
    );
    let mut line = String::new();
    let mut opened = Vec::new();
    while opened.is_empty()
        || !opened
            .iter()
            .any(|it: &Value| it["rule"] == "dns_failure_rate")
    {
        line.clear();
        agent.messages.read_line(&mut line).expect("UTF-8");
        let object: Value = serde_json::from_str(&line).expect(&line);
        assert!(
            object["time"].is_string() && object["message"].is_string(),
            "{line}"
        );
        if object["event"] == "finding_opened" {
            opened.push(object);
        }
    }
    assert!(
        opened.iter().all(|it| it["severity"] == "critical"),
        "{opened:?}"
    );
    // The command has it too; it never ends, and holds up nobody.
    let all = poll("the command", || {
        let text = std::fs::read_to_string(&told).ok()?;
        let lines: Vec<Value> = text
            .lines()
            .map_while(|it| serde_json::from_str(it).ok())
            .collect();
        (lines.len() >= opened.len()).then_some(lines)
    });
    for object in &all {
        assert_eq!(object["schema"], "kerno.finding.v1");
        assert_eq!(object["event"], "opened");
        assert!(object["finding"]["evidence"].is_array(), "{object}");
    }
    let rule = |it: &Value| it["finding"]["rule"] == "dns_failure_rate";
    assert_eq!(all.iter().filter(|it| rule(it)).count(), 1, "{all:?}");
    let begin = Instant::now();
    agent.process.signal(Signal::SIGTERM);
    assert_eq!(agent.process.ended().code(), Some(0));
    assert!(
        begin.elapsed() < Duration::from_secs(3),
        "{:?}",
        begin.elapsed()
    );
    // None outlives it.
    let pids = std::fs::read_to_string(pids).expect("the commands");
    assert!(pids.lines().count() > 0);
    for pid in pids.lines() {
        let folder = std::path::Path::new("/proc").join(pid);
        assert!(!folder.exists(), "{pid} is left");
    }
}

/// Windows are true, whatever stood still: what happens meanwhile is in one of them.
#[test]
fn root_an_agent_that_stood_still_says_what_happened_meanwhile() {
    const PORT: u16 = 10_659;
    let port = PORT.to_string();
    let agent = Agent::start(&["--port", &port, "--timeout", "100ms"]);
    let silent = Silent::start(PORT);
    silent.ask(0..10);
    agent.process.signal(Signal::SIGSTOP);
    silent.ask(10..40);
    agent.process.signal(Signal::SIGCONT);
    silent.ask(40..50);
    let report = poll("all of them", || {
        let report = agent.report(&["--last", "1h"]);
        (report["dns"]["unanswered"] == 50).then_some(report)
    });
    assert_eq!(report["accounting"]["lost"], 0, "{report:#}");
    let (from, to) = (&report["window"]["from"], &report["window"]["to"]);
    assert!(from.as_str() < to.as_str(), "{report:#}");
}

#[test]
fn root_a_thousand_connections_leave_an_agent_in_peace() {
    let mut agent = Agent::start(&["--port", "10660"]);
    let connections: Vec<UnixStream> = (0..1000).map(|_| agent.connect()).collect();
    let told = |agent: &Agent| agent.asked(&["history"]).succeeded;
    drop(connections);
    poll("an answer", || told(&agent).then_some(()));
    let pid = agent.process.pid();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("a process")
        .count();
    assert!(open < 200, "{open} descriptors");
    agent.process.signal(Signal::SIGTERM);
    assert_eq!(agent.process.ended().code(), Some(0));
}

/// A question that comes while a window is being closed is answered by one that has its moment.
#[test]
fn root_whoever_asks_an_agent_is_told_of_what_was_before() {
    const PORT: u16 = 10_661;
    let port = PORT.to_string();
    let agent = Agent::start(&["--port", &port, "--timeout", "50ms"]);
    let silent = Silent::start(PORT);
    let is_over = AtomicBool::new(false);
    /// Also where an answer is not as it must be.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    std::thread::scope(|threads| {
        // Others ask all the time.
        let asking = || {
            while !is_over.load(Ordering::Relaxed) {
                agent.asked(&["history"]);
            }
        };
        threads.spawn(asking);
        threads.spawn(asking);
        let _over = Over(&is_over);
        for n in 0..10_u16 {
            silent.ask(n * 10..n * 10 + 10);
            let seen = agent.report(&["--last", "1h"])["accounting"]["queries_seen"].clone();
            // Both ends, whether they have ended or wait.
            assert_eq!(seen, 2 * 10 * (u64::from(n) + 1));
        }
    });
}
