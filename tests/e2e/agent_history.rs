//! What `kerno agent` writes to disk, and what is known of it later. Each test watches a port
//! of its own.

use std::fs;
use std::io::Read as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Instant;

use kerno_chaos::testbed::server::Server;
use nix::mount::MntFlags;
use nix::mount::MsFlags;
use nix::mount::mount;
use nix::mount::umount2;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::agent::Agent;
use crate::agent::Silent;
use crate::message;
use crate::process::PATIENCE;
use crate::process::poll;
use crate::site::unique_loopback;

fn start(port: u16, history: &Path) -> Agent {
    let port = port.to_string();
    let history = history.to_str().expect("UTF-8");
    Agent::start(&["--port", &port, "--timeout", "100ms", "--history", history])
}

/// Asks in vain, and waits until the agent knows.
pub(crate) fn fail(agent: &Agent, port: u16, ids: std::ops::Range<u16>) {
    let before = unanswered(agent);
    let silent = Silent::start(port);
    let number = ids.len() as u64;
    silent.ask(ids);
    poll("the agent to know of all", || {
        (unanswered(agent) >= before + number).then_some(())
    });
}

pub(crate) fn unanswered(agent: &Agent) -> u64 {
    let told = agent.asked(&["doctor", "--last", "1h", "--output", "json"]);
    let report: Value = serde_json::from_str(&told.output).unwrap_or_default();
    report["dns"]["unanswered"].as_u64().unwrap_or(0)
}

pub(crate) fn end(agent: &mut Agent) {
    agent.process.signal(Signal::SIGTERM);
    assert_eq!(agent.process.ended().code(), Some(0));
}

pub(crate) fn status(agent: &Agent) -> Value {
    told(agent, "/v1/status")
}

/// What its socket says.
pub(crate) fn told(agent: &Agent, path: &str) -> Value {
    let mut stream = agent.connect();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: kerno\r\n\r\n").expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let body = answer.split("\r\n\r\n").nth(1).expect("a body");
    serde_json::from_str(body).expect("JSON")
}

#[test]
fn root_a_later_agent_tells_what_a_former_one_saw() {
    const PORT: u16 = 10_667;
    let folder = tempfile::tempdir().expect("a folder");
    let history = folder.path().join("kerno");
    let mut first = start(PORT, &history);
    fail(&first, PORT, 0..24);
    // It ends within a second, and writes the minute that is open.
    end(&mut first);

    let shown = history.to_str().expect("UTF-8");
    let nobody = first.asked(&["history", "--history", shown]);
    assert!(nobody.succeeded, "{}", nobody.output);
    assert!(
        nobody.output.contains("dns_failure_rate"),
        "{}",
        nobody.output
    );

    let mut second = start(PORT, &history);
    fail(&second, PORT, 100..108);
    // The books of both runs add up in one report.
    let report = second.report(&["--last", "1h"]);
    assert_eq!(report["dns"]["unanswered"], 32);
    let lines = second.asked(&["history"]).output;
    assert!(lines.contains("dns_failure_rate"), "{lines}");
    let told = status(&second);
    assert!(told["history"].get("fault").is_none(), "{told}");
    assert!(told["history"]["windows"].as_u64() >= Some(1), "{told}");
    end(&mut second);
}

/// Somebody asks all the time, also while it ends.
#[test]
fn root_an_agent_that_ends_amid_traffic_has_written_what_it_saw() {
    const PORT: u16 = 10_674;
    const SOME: u64 = 500;
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = start(PORT, folder.path());
    let address = SocketAddr::new(unique_loopback(), PORT);
    let server = Server::start(&[address], kerno_chaos::testbed::server::well(None));
    let server = server.expect("the server");
    let (asked, goes_on) = (AtomicU64::new(0), AtomicBool::new(true));
    thread::scope(|threads| {
        threads.spawn(|| {
            let client = UdpSocket::bind("127.0.0.1:0").expect("the client");
            let query = message::query(7, &message::labels("busy.kerno.test"), message::A);
            let mut octets = [0; 512];
            // Also where the agent never ends, this does.
            client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            let begin = Instant::now();
            while goes_on.load(Relaxed) && begin.elapsed() < 2 * PATIENCE {
                client.send_to(&query, address).expect("to ask");
                client.recv(&mut octets).expect("the answer");
                asked.fetch_add(1, Relaxed);
            }
        });
        poll("some answers", || {
            (asked.load(Relaxed) >= SOME).then_some(())
        });
        first.process.signal(Signal::SIGTERM);
        let code = first.process.ended().code();
        goes_on.store(false, Relaxed);
        assert_eq!(code, Some(0));
    });
    drop(server);
    let second = start(PORT, folder.path());
    // Both ends; how many of those that were asked meanwhile is nobody's to say.
    let report = second.report(&["--last", "1h"]);
    let seen = report["accounting"]["queries_seen"].as_u64();
    let seen = seen.expect("a number");
    assert!(
        (2 * SOME..=2 * asked.load(Relaxed)).contains(&seen),
        "{seen}"
    );
}

/// Unmounts a small file system.
struct Small<'a>(&'a Path);

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _gone = umount2(self.0, MntFlags::MNT_DETACH);
    }
}

#[test]
fn root_a_full_disk_is_told_and_written_to_when_there_is_room() {
    const PORT: u16 = 10_668;
    let folder = tempfile::tempdir().expect("a folder");
    let options = Some("size=4m");
    mount(
        Some("tmpfs"),
        folder.path(),
        Some("tmpfs"),
        MsFlags::empty(),
        options,
    )
    .expect("a small file system");
    let _small = Small(folder.path());
    let filler = folder.path().join("filler");
    let mut file = fs::File::create(&filler).expect("a file");
    while file.write_all(&[0; 4_096]).is_ok() {}

    let mut agent = start(PORT, folder.path());
    fail(&agent, PORT, 0..24);
    let told = status(&agent);
    let fault = told["history"]["fault"].as_str().expect("a sentence");
    assert!(fault.contains("no room"), "{told}");
    assert_eq!(told["history"]["failures"], 1);
    fs::remove_file(&filler).expect("room");
    drop(file);
    end(&mut agent);
    let again = start(PORT, folder.path());
    assert_eq!(unanswered(&again), 24);
}
