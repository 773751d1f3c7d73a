//! One tenant takes all it can get; its neighbours, in control groups of their own, are
//! seen nevertheless.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::ErrorKind;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use crate::ask::connected;
use crate::ask::dial;
use crate::ask::read_message;
use crate::cgroup::Cgroup;
use crate::doctor::Doctor;
use crate::fake_server;
use crate::message;
use crate::place::Place;
use crate::process::PATIENCE;
use crate::process::Process;
use crate::record::Record;
use crate::site::SERVER_V4;
use crate::site::SERVER_V4_TOO;
use crate::site::SERVER_V6;
use crate::site::Site;

const QUERIES: u16 = 20;

/// A tenant that does no good, in a namespace and a control group of its own, until
/// it is dropped.
struct Tenant {
    _process: Process,
    _place: Place,
}

impl Tenant {
    /// Returns when it says that it has taken what it can get.
    fn start(script: &str) -> Self {
        let place = elsewhere();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/greedy.py");
        let mut python = place.command("/usr/bin/python3");
        python.args([path, script]).stdout(Stdio::piped());
        let mut process = Process::start(&mut python);
        let stdout = process.child.stdout.take().expect("piped");
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdout).read_line(&mut line);
            let _gone = sender.send(read.map(|_| line));
        });
        let line = receiver
            .recv_timeout(PATIENCE)
            .expect("a word from the tenant");
        assert_eq!(line.expect("to read"), "full\n");
        Self {
            _process: process,
            _place: place,
        }
    }
}

/// A place whose control group shares nothing with the test's own: room is shared by
/// 256 hashes of their ids (`share_of()` in bpf/record.h).
fn elsewhere() -> Place {
    let share = |group: &Cgroup| group.id().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56;
    let own = share(&Cgroup::own());
    let mut places = std::iter::repeat_with(Place::new);
    let found = places.find(|place| share(&place.cgroup) != own);
    found.expect("a group of another share")
}

#[track_caller]
fn check(records: &[Record], role: &str, outcome: &str) {
    let told = records.iter().filter(|r| r.role == role);
    let told: Vec<_> = told.filter(|r| r.outcome == outcome).collect();
    assert_eq!(
        told.len(),
        usize::from(QUERIES),
        "{role} {outcome}: {records:#?}"
    );
}

/// Unanswered queries fill the tenant's part of the room, and are lost from then on.
#[test]
fn root_neighbours_of_a_flood_are_seen() {
    let site = Site::new();
    let silent = SocketAddr::new(SERVER_V4_TOO, 53);
    let _listens = fake_server::silent(&site.server, silent);
    // Each refusal is to be told: else one in a second (icmp(7)).
    let unlimited = site.server.namespace.set("ipv4/icmp_ratelimit", "0");
    unlimited.expect("a setting");
    let doctor = Doctor::start(&["--timeout", "2s", "--output", "json"]);
    let pattern = format!("*.{}", site.zone);
    let mut watch = site.watch(&["--timeout", "2s", "--name", &pattern]);
    let _tenant = Tenant::start("flood");
    let mut records = Vec::new();
    let long = &["long-label"; 6].join(".");
    for label in ["www", long] {
        // Not one name for both: a discarded packet is known by its id and question.
        let [at_closed, at_silent] = ["closed", "silent"]
            .map(|first| message::labels(&site.name(&format!("{first}.{label}"))));
        let closed = connected(&site.client, SocketAddr::new(SERVER_V4, 53));
        let waiting = connected(&site.client, silent);
        for id in 1..=QUERIES {
            let query = message::query(id, &at_silent, message::A);
            waiting.send(&query).expect("to ask");
            let query = message::query(id, &at_closed, message::A);
            closed.send(&query).expect("to ask");
            let error = closed.recv(&mut [0; 512]).expect_err("a refusal");
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        }
        records.extend(watch.records(3 * usize::from(QUERIES)));
    }
    let (_, report) = doctor.json();
    for records in records.chunks(3 * usize::from(QUERIES)) {
        check(records, "client", "refused");
        check(records, "client", "unanswered");
        check(records, "server", "unanswered");
    }
    let lost = &report["accounting"]["lost_by"]["inflight_full"];
    assert!(lost.as_u64() > Some(0), "{}", report["accounting"]);
}

/// Connections that nothing is said on fill the tenant's part of the room.
#[test]
fn root_neighbours_of_idle_connections_are_seen() {
    let site = Site::new();
    let _unbound = site.unbound();
    let mute = SocketAddr::new(SERVER_V4_TOO, 53);
    let _listens = site
        .server
        .enter(|| TcpListener::bind(mute).expect("a listener"));
    let mut watch = site.watch(&["--timeout", "1s"]);
    let _tenant = Tenant::start("idle");
    let name = message::labels(&site.name("www"));
    let query = |id| message::with_length(&message::query(id, &name, message::A));
    for server in [SERVER_V4, SERVER_V6] {
        for id in 1..=QUERIES {
            let mut stream = dial(&site.client, SocketAddr::new(server, 53));
            stream.write_all(&query(id)).expect("to ask");
            read_message(&mut stream);
        }
        let records = site.records(&mut watch);
        check(&records, "client", "answered");
        check(&records, "server", "answered");
    }
    let mut open = Vec::new();
    for id in 1..=QUERIES {
        let mut stream = dial(&site.client, mute);
        stream.write_all(&query(id)).expect("to ask");
        open.push(stream);
    }
    let records = watch.until("all of them", |seen| {
        let clients = seen.iter().filter(|r| r.role == "client");
        clients.count() >= usize::from(QUERIES)
    });
    check(&records, "client", "unanswered");
}
