//! `kerno agent`, and what is asked of it about the time behind. Each test watches a port
//! of its own, because windows are about the whole host.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ChildStderr;
use std::process::Stdio;
use std::thread;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::doctor::Doctor;
use crate::doctor::checked;
use crate::message;
use crate::place::Place;
use crate::process::Finished;
use crate::process::Process;
use crate::process::finish;
use crate::process::poll;
use crate::site::unique_loopback;
use crate::watch::Watch;

pub(crate) struct Agent {
    pub(crate) process: Process,
    pub(crate) socket: PathBuf,
    _folder: TempDir,
    /// Kept open: kerno may have more to say.
    pub(crate) messages: BufReader<ChildStderr>,
}

impl Agent {
    /// Starts it on the host, and returns when it watches.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_with(options, &[])
    }

    /// … with these variables.
    pub(crate) fn start_with(options: &[&str], variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("run/kerno.sock");
        let (process, messages) = begin(&socket, options, variables);
        Self {
            process,
            socket,
            _folder: folder,
            messages,
        }
    }

    /// Runs a command that asks it.
    pub(crate) fn asked(&self, arguments: &[&str]) -> Finished {
        let mut command = Place::host().command(env!("CARGO_BIN_EXE_kerno"));
        command.args(arguments).arg("--socket").arg(&self.socket);
        finish(&mut command)
    }

    /// The report of `doctor --last`; its books must add up.
    pub(crate) fn report(&self, arguments: &[&str]) -> Value {
        let all = [&["doctor", "--output", "json"], arguments].concat();
        let told = self.asked(&all);
        assert!(told.succeeded, "{}", told.output);
        checked(&told.output)
    }

    pub(crate) fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.socket).expect("the socket")
    }
}

fn begin(
    socket: &std::path::Path,
    options: &[&str],
    variables: &[(&str, &str)],
) -> (Process, BufReader<ChildStderr>) {
    let mut command = Place::host().command(env!("CARGO_BIN_EXE_kerno"));
    command
        .arg("agent")
        .args(options)
        .args((!options.contains(&"--history")).then_some("--no-history"))
        .envs(variables.iter().copied())
        .arg("--socket")
        .arg(socket)
        // Several agents run at one time.
        .env("KERNO_LISTEN", "none")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut process = Process::start(&mut command);
    let mut messages = BufReader::new(process.child.stderr.take().expect("piped"));
    let mut line = String::new();
    while !line.contains("watching") {
        line.clear();
        let read = messages.read_line(&mut line).expect("UTF-8");
        assert!(read > 0, "{command:?} ended before it was ready");
    }
    (process, messages)
}

/// A server that reads nothing, in a process of its own: what this one does is no evidence.
pub(crate) struct Silent {
    _process: Process,
    pub(crate) address: SocketAddr,
}

const SILENT: &str = "
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], int(sys.argv[2])))
print('bound', flush=True)
sys.stdin.read()
";

impl Silent {
    pub(crate) fn start(port: u16) -> Self {
        let address = SocketAddr::new(unique_loopback(), port);
        let mut command = Place::host().command("/usr/bin/python3");
        command
            .args(["-I", "-S", "-c", SILENT])
            .args([address.ip().to_string(), port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Process::start(&mut command);
        let mut line = String::new();
        let stdout = process.child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("UTF-8");
        assert_eq!(line.trim(), "bound");
        Self {
            _process: process,
            address,
        }
    }

    pub(crate) fn ask(&self, ids: std::ops::Range<u16>) {
        let client = UdpSocket::bind("127.0.0.1:0").expect("the client");
        for id in ids {
            let query = message::query(id, &message::labels("silent.kerno.test"), message::A);
            client.send_to(&query, self.address).expect("to ask");
        }
    }
}

#[test]
fn root_an_agent_says_of_the_past_what_a_doctor_says() {
    const PORT: u16 = 10_653;
    let port = PORT.to_string();
    let options = ["--port", &port, "--timeout", "100ms"];
    let agent = Agent::start(&options);
    let doctor = Doctor::start(&[&options[..], &["--output", "json"]].concat());
    let mut watch = Watch::start(&options, |_| true);
    // In several windows: each question about now ends one.
    let silent = Silent::start(PORT);
    for n in 0..3 {
        silent.ask(n * 8..n * 8 + 8);
        // Both ends.
        watch.records(2 * 8);
        let so_far = agent.report(&["--last", "1h"]);
        assert!(so_far["accounting"]["queries_seen"].as_u64() <= Some(2 * 24));
    }
    // Their end is known to one kerno, and by that time to each.
    let (_, live) = doctor.json();
    let past = poll("the agent to know of all", || {
        let report = agent.report(&["--last", "1h"]);
        (report["dns"]["unanswered"] == 24).then_some(report)
    });
    for path in [
        "/verdict",
        "/dns/queries",
        "/dns/unanswered",
        "/accounting/failures_by_cause",
        "/accounting/unanswered",
        "/accounting/in_flight",
        "/accounting/lost",
        "/accounting/workloads/attributed",
    ] {
        assert_eq!(past.pointer(path), live.pointer(path), "{path}");
    }
    let findings = |report: &Value| {
        let all = report["findings"].as_array().expect("findings").iter();
        all.map(|it| {
            (
                it["rule"].clone(),
                it["severity"].clone(),
                it["queries"].clone(),
            )
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(findings(&past), findings(&live));
    assert!(!findings(&past).is_empty(), "{past:#}");
    assert!(
        past["window"]["from"].as_str() < past["window"]["to"].as_str(),
        "{past:#}"
    );

    // The same for a person, and by the exit code.
    let pretty = agent.asked(&["doctor", "--last", "1h", "--exit-code"]);
    assert!(
        !pretty.succeeded && pretty.output.contains("dns_failure_rate"),
        "{}",
        pretty.output
    );
    let history = agent.asked(&["history", "--output", "json"]);
    let history: Value = serde_json::from_str(&history.output).expect("JSON");
    let troubles = history.as_array().expect("times");
    let has_it = |it: &&Value| {
        it["rules"]
            .as_array()
            .is_some_and(|all| all.contains(&"dns_failure_rate".into()))
    };
    let trouble = troubles.iter().find(has_it);
    let trouble = trouble.unwrap_or_else(|| panic!("no silence in {history}"));
    assert!(["warning", "critical"].contains(&trouble["verdict"].as_str().expect("a verdict")));
    assert!(
        trouble["from"].as_str() <= trouble["to"].as_str(),
        "{history}"
    );
    let lines = agent.asked(&["history"]).output;
    assert!(lines.contains("dns_failure_rate"), "{lines}");
}

#[test]
fn root_an_agent_ends_well_and_there_is_one() {
    let mut agent = Agent::start(&["--port", "10654"]);
    let mode = std::fs::metadata(&agent.socket)
        .expect("the socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    let second = agent.asked(&["agent"]);
    assert!(
        !second.succeeded && second.output.contains("listens at"),
        "{}",
        second.output
    );
    agent.process.signal(Signal::SIGTERM);
    assert_eq!(agent.process.ended().code(), Some(0));
    assert!(!agent.socket.exists());
    let nobody = agent.asked(&["doctor", "--last", "10m"]);
    assert!(
        !nobody.succeeded && nobody.output.contains("kerno agent"),
        "{}",
        nobody.output
    );

    // One that was killed leaves its socket, and the next takes it.
    let (mut process, _messages) = begin(&agent.socket, &["--port", "10654"], &[]);
    process.signal(Signal::SIGKILL);
    process.ended();
    assert!(agent.socket.exists());
    let (process, _messages) = begin(&agent.socket, &["--port", "10654"], &[]);
    agent.process = process;
    assert!(agent.asked(&["history"]).succeeded);
}

#[test]
fn root_an_agent_is_not_held_up_by_who_asks() {
    let agent = Agent::start(&["--port", "10655"]);
    // Who connects and says nothing, many at once, and who says nonsense.
    let idle: Vec<UnixStream> = (0..20).map(|_| agent.connect()).collect();
    for nonsense in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"POST /v1/doctor HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n",
        b"GET /v1/doctor?from_ms=soon HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /etc/passwd HTTP/1.1\r\nhost: x\r\n\r\n",
        &[b'a'; 100_000],
    ] {
        let mut stream = agent.connect();
        // It may have hung up already.
        let _gone = stream.write_all(nonsense);
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let told = agent.asked(&["doctor", "--last", "1m"]);
    assert!(told.output.contains("NO DNS TRAFFIC"), "{}", told.output);
    // Those beyond its bound are closed, and the first ones are still there.
    let more: Vec<UnixStream> = (0..40).map(|_| agent.connect()).collect();
    drop((idle, more));
    poll("room for one more", || {
        agent.asked(&["history"]).succeeded.then_some(())
    });
}

/// Whatever is just on its way when a window ends: in the kernel, in the ring buffer, or told.
#[test]
fn root_the_books_add_up_in_the_midst_of_traffic() {
    const PORT: u16 = 10_656;
    let agent = Agent::start(&["--port", &PORT.to_string()]);
    let address = SocketAddr::new(unique_loopback(), PORT);
    let server = UdpSocket::bind(address).expect("the server");
    let client = UdpSocket::bind("127.0.0.1:0").expect("the client");
    client.connect(address).expect("a connected socket");
    let ask = |id: u16| {
        let query = message::query(id, &message::labels("busy.kerno.test"), message::A);
        let mut octets = [0; 512];
        client.send(&query).expect("to ask");
        let (len, from) = server.recv_from(&mut octets).expect("the query");
        let answer = message::answer(&octets[..len], 0);
        server.send_to(&answer, from).expect("to answer");
        client.recv(&mut octets).expect("the answer");
    };
    let (asked, seen) = thread::scope(|threads| {
        // So many for each report: the ring buffer has room for these, however busy this
        // machine is. It ends also where a report is not as it must be.
        let (go_on, turns) = crossbeam_channel::bounded::<()>(1);
        let asking = threads.spawn(move || {
            let mut asked: u64 = 0;
            for () in turns {
                (0..200).for_each(|id| ask(asked as u16 + id));
                asked += 200;
            }
            asked
        });
        // Each of them holds that each query that was seen has one place.
        let seen: Vec<u64> = (0..20)
            .map(|_| {
                go_on.send(()).expect("somebody who asks");
                agent.report(&["--last", "1h"])["accounting"]["queries_seen"].as_u64()
            })
            .map(|seen| seen.expect("a number"))
            .collect();
        drop(go_on);
        (asking.join().expect("no panic"), seen)
    });
    assert!(seen.is_sorted() && seen.last() > Some(&0), "{seen:?}");
    let whole = agent.report(&["--last", "1h"]);
    // Both ends.
    let books = &whole["accounting"];
    assert_eq!(books["queries_seen"], 2 * asked, "{books}");
    assert_eq!(books["answered"], 2 * asked, "{books}");
    assert_eq!(books["in_flight"], 0, "{books}");
}
