//! What `kerno counters` says of processes that know what they did.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::process::Stdio;
use std::thread;
use std::thread::JoinHandle;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::agent::Agent;
use crate::cgroup::Cgroup;
use crate::cgroup::mount_point;
use crate::metrics::free_port;
use crate::metrics::page;
use crate::place::Place;
use crate::process::Process;
use crate::process::poll;

/// Connects that fail, so many times; then it waits until it is let go.
const CONNECTS: &str = "
import socket, sys
port = socket.socket()
port.bind(('127.0.0.1', 0))
failed = 0
for _ in range(int(sys.argv[1])):
    with socket.socket() as client:
        try:
            client.connect(port.getsockname())
        except ConnectionRefusedError:
            failed += 1
print(failed, flush=True)
sys.stdin.read()
";

/// A running `kerno counters`, which counts until it is told to stop.
struct Counting {
    process: Process,
    figures: JoinHandle<String>,
    /// Kept open: kerno may have more to say.
    _messages: BufReader<std::process::ChildStderr>,
}

impl Counting {
    /// Returns when everything is attached.
    fn start(options: &[&str]) -> Self {
        let mut command = Place::host().command(env!("CARGO_BIN_EXE_kerno"));
        command
            .args(["-v", "counters", "--duration", "10m", "--output", "json"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command);
        let mut stdout = process.child.stdout.take().expect("piped");
        let figures = thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).expect("UTF-8");
            text
        });
        let mut messages = BufReader::new(process.child.stderr.take().expect("piped"));
        let mut line = String::new();
        while !line.contains("counting for") {
            line.clear();
            let read = messages.read_line(&mut line).expect("UTF-8");
            assert!(read > 0, "{command:?} ended before it was ready");
        }
        Self {
            process,
            figures,
            _messages: messages,
        }
    }

    /// Ends it as Ctrl-C does; what it prints must add up.
    fn json(mut self) -> Value {
        self.process.signal(Signal::SIGINT);
        assert_eq!(self.process.ended().code(), Some(0));
        let text = self.figures.join().expect("the reader");
        let found: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(found["schema"], "kerno.counters.v1");
        let count = |field: &str| found["accounting"][field].as_u64().expect(field);
        let placed = ["in_workloads", "processes", "unknown"].map(count);
        assert_eq!(placed.iter().sum::<u64>(), count("owners"), "{found:#}");
        found
    }
}

/// A process that has failed to connect so often, and is still there.
fn who_failed(place: &Place, times: u64) -> Process {
    let mut command = place.command("/usr/bin/python3");
    command
        // Without `site` it asks nobody for its user's home. Where HOME is not set, that is a
        // connect to nscd, and so it is in a shell that starts it for somebody.
        .args(["-I", "-S", "-c", CONNECTS, &times.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut process = Process::start(&mut command);
    let mut line = String::new();
    let stdout = process.child.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("UTF-8");
    assert_eq!(line.trim(), times.to_string());
    process
}

fn rows(found: &Value, is_it: impl Fn(&Value) -> bool) -> Vec<&Value> {
    let all = found["workloads"].as_array().expect("workloads");
    all.iter().filter(|row| is_it(row)).collect()
}

fn sum(figure: &Value) -> u64 {
    let slots = figure["log2_ns"].as_array().expect("a histogram");
    slots
        .iter()
        .map(|slot| slot.as_u64().expect("a count"))
        .sum()
}

#[test]
fn root_failed_connects_are_told_under_their_process() {
    let place = Place::new();
    let counting = Counting::start(&["--programs", "syscall,net", "--calls", "connect"]);
    let process = who_failed(&place, 500);
    let found = counting.json();
    let names: Vec<&Value> = found["programs"]
        .as_array()
        .expect("programs")
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["net", "syscall"]);
    let mine = rows(&found, |row| row["pid"] == process.pid());
    let [mine] = mine[..] else {
        panic!("{} rows of {}: {found:#}", mine.len(), process.pid());
    };
    assert_eq!(mine["kind"], "process");
    assert!(
        mine["name"]
            .as_str()
            .expect("a name")
            .starts_with("python3"),
        "{mine:#}"
    );
    assert_eq!(mine["net"]["tcp_failed_connects"], 500, "{mine:#}");
    let calls = &mine["syscall"];
    assert_eq!(calls["connect.calls"], 500, "{mine:#}");
    assert_eq!(calls["connect.errors.ECONNREFUSED"], 500, "{mine:#}");
    assert_eq!(sum(&calls["connect.latency"]), 500, "{mine:#}");
    // It opened files and made sockets, too, which nobody asked for.
    let other = |name: &&String| !name.starts_with("connect.");
    let counted = calls.as_object().expect("figures").keys();
    assert_eq!(counted.filter(other).count(), 0, "{mine:#}");
    assert_eq!(found["picture"]["complete"], true, "{found:#}");
}

#[test]
fn root_processes_of_one_unit_are_one_workload() {
    let group = Cgroup::below(&mount_point(), "system.slice/shop.service");
    let place = Place::in_group(group);
    let counting = Counting::start(&["--programs", "net"]);
    let _processes = [who_failed(&place, 20), who_failed(&place, 30)];
    let found = counting.json();
    let unit = rows(&found, |row| row["unit"] == "shop.service");
    let [unit] = unit[..] else {
        panic!("{} rows: {found:#}", unit.len());
    };
    assert_eq!(
        (&unit["kind"], &unit["name"]),
        (&"unit".into(), &"shop.service".into())
    );
    assert_eq!(unit["net"]["tcp_failed_connects"], 50, "{unit:#}");
    assert_eq!(unit["processes"], 2, "{unit:#}");
}

/// A script that starts a program again and again.
#[test]
fn root_many_that_have_ended_are_one_crowd() {
    let place = Place::new();
    let counting = Counting::start(&["--programs", "proc"]);
    let mut command = place.command("sh");
    command.args(["-c", "for n in $(seq 40); do sleep 0; done; read -r _"]);
    command.stdin(Stdio::piped());
    let mut script = Process::start(&mut command);
    // It reads when all have ended.
    let mut stdin = script.child.stdin.take().expect("piped");
    stdin.write_all(b"\n").expect("to write a line");
    script.ended();
    let found = counting.json();
    let group = place.cgroup.id();
    let crowd = rows(&found, |row| {
        row["cgroup_id"] == group && row["name"] == "sleep"
    });
    let [crowd] = crowd[..] else {
        panic!("{} rows: {found:#}", crowd.len());
    };
    assert_eq!(crowd["processes"], 40, "{crowd:#}");
    assert_eq!(crowd["proc"]["execs"], 40, "{crowd:#}");
    assert_eq!(
        (&crowd["ended"], &crowd["kind"]),
        (&true.into(), &"process".into())
    );
    assert!(crowd.get("pid").is_none(), "{crowd:#}");
}

#[test]
fn root_a_reader_that_goes_away_is_no_failure() {
    let mut command = Place::host().command(env!("CARGO_BIN_EXE_kerno"));
    command
        .args(["counters", "--duration", "100ms", "--programs", "proc"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = Process::start(&mut command);
    drop(process.child.stdout.take());
    let status = poll("its end", || process.child.try_wait().expect("wait"));
    let mut said = String::new();
    let mut stderr = process.child.stderr.take().expect("piped");
    stderr.read_to_string(&mut said).expect("UTF-8");
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
}

/// An agent that is asked for it tells the same of each workload, and forgets nothing of those
/// who have ended.
#[test]
fn root_an_agent_tells_counters_as_metrics() {
    let group = Cgroup::below(&mount_point(), "system.slice/counted.service");
    let place = Place::in_group(group);
    let listen = free_port();
    let at = listen.to_string();
    let _agent = Agent::start(&["--port", "10663", "--listen", &at, "--counters"]);
    let failed = |number: u64| {
        poll("what was counted", || {
            let (_, text) = page(listen, "/metrics", "");
            let line = format!(
                "kerno_kernel_events_total{{unit=\"counted.service\",program=\"net\",\
                 counter=\"tcp_failed_connects\"}} {number}"
            );
            text.lines().any(|it| it == line).then_some(text)
        })
    };
    let mut processes = vec![who_failed(&place, 20), who_failed(&place, 30)];
    let text = failed(50);
    for program in ["cpu_sched", "mem", "net"] {
        let line = format!("kerno_kernel_program_active{{program=\"{program}\"}} 1.0");
        assert!(text.contains(&line), "{line}");
    }
    let waited = "kerno_kernel_seconds_total{unit=\"counted.service\",program=\"cpu_sched\"";
    assert!(text.contains(waited), "{waited}");
    assert!(
        !text.contains("program=\"syscall\""),
        "that costs every call"
    );
    // Both end, and what they had stays.
    processes.clear();
    processes.push(who_failed(&place, 5));
    failed(55);
}
