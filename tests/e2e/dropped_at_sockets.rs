//! Packets that find no socket, or one that is full.

use std::net::SocketAddr;
use std::net::UdpSocket;
use std::time::Duration;

use kerno_chaos::testbed::Namespace;
use nix::sys::signal::Signal;

use crate::ask::connected;
use crate::fake_server;
use crate::message;
use crate::process::poll;
use crate::record::Record;
use crate::site::SERVER_V4;
use crate::site::Site;

/// A client that does not wait: its socket is gone when the answer comes.
#[test]
fn root_an_answer_finds_no_socket() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    let takes = Duration::from_millis(300);
    fake_server::serve(&site.server, server, move |query, _| {
        vec![(takes, message::answer(query, 0))]
    });
    let mut watch = site.watch(&[]);
    ask_and_go(&site, server);
    let records = site.all_records(&mut watch, 2);
    let [serving, asking] = &records[..] else {
        panic!("not two: {records:#?}")
    };
    assert_eq!((&*serving.role, &*serving.outcome), ("server", "answered"));
    assert_eq!(asking.outcome, "dropped", "{asking:#?}");
    assert_eq!(asking.reason.as_deref(), Some("NO_SOCKET"), "{asking:#?}");
    let waited = Duration::from_nanos(asking.waited_ns.expect("checked when read"));
    assert!(waited >= takes, "until the answer came: {asking:#?}");
}

/// The same after it has been reported as unanswered: late, with what it said.
#[test]
fn root_a_late_answer_finds_no_socket() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    let takes = Duration::from_millis(1500);
    fake_server::serve(&site.server, server, move |query, _| {
        vec![(takes, message::answer(query, 3))]
    });
    let mut watch = site.watch(&["--timeout", "500ms", "--role", "client"]);
    ask_and_go(&site, server);
    let records = watch.records(2);
    let [unanswered, late] = &records[..] else {
        panic!("not two: {records:#?}")
    };
    assert_eq!(unanswered.outcome, "unanswered", "{unanswered:#?}");
    assert_eq!(late.outcome, "late", "{late:#?}");
    assert_eq!(late.rcode.as_deref(), Some("NXDOMAIN"), "{late:#?}");
    assert_eq!(late.client, unanswered.client, "{records:#?}");
    assert_eq!(late.name, unanswered.name, "{records:#?}");
    assert!(late.latency_ns > Some(1_400_000_000), "{late:#?}");
}

fn ask_and_go(site: &Site, server: SocketAddr) {
    let query = message::query(7, &message::labels(&site.name("gone")), message::A);
    connected(&site.client, server)
        .send(&query)
        .expect("to ask");
}

/// A server that stands still: what its receive buffer does not take is dropped at
/// both ends, as many as its socket counts, and the rest is answered.
#[test]
fn root_a_receive_buffer_overflows() {
    const ASKED: u16 = 600;
    let site = Site::new();
    let unbound = site.unbound();
    let server = SocketAddr::new(SERVER_V4, 53);
    let before = drops(&site.server.namespace);
    let mut watch = site.watch(&["--timeout", "20s"]);
    unbound.signal(Signal::SIGSTOP);
    let name = message::labels(&site.name("www"));
    let socket = connected(&site.client, server);
    for id in 0..ASKED {
        let query = message::query(id, &name, message::A);
        socket.send(&query).expect("to ask");
    }
    // The drops are counted when they happen: in the sender's own context, or soon.
    let mut last = 0;
    let dropped = poll("the last drop", || {
        let now = drops(&site.server.namespace) - before;
        let is_last = now > 0 && now == last;
        last = now;
        is_last.then_some(now)
    });
    unbound.signal(Signal::SIGCONT);
    take(&socket, usize::from(ASKED) - dropped);

    let records = site.all_records(&mut watch, 2 * usize::from(ASKED));
    assert_eq!(records.len(), 2 * usize::from(ASKED));
    for role in ["client", "server"] {
        let of = |outcome: &str| {
            let fits = |r: &&Record| r.role == role && r.outcome == outcome;
            records.iter().filter(fits).collect::<Vec<_>>()
        };
        assert_eq!(of("dropped").len(), dropped, "{role}");
        assert_eq!(of("answered").len(), usize::from(ASKED) - dropped, "{role}");
        for record in of("dropped") {
            assert_eq!(record.reason.as_deref(), Some("SOCKET_RCVBUFF"));
            assert!(record.waited_ns < Some(1_000_000_000), "{record:#?}");
        }
    }
}

fn take(socket: &UdpSocket, answers: usize) {
    for _ in 0..answers {
        socket.recv(&mut [0; 512]).expect("an answer");
    }
}

/// What the sockets on port 53 have dropped, as proc(5) has it.
fn drops(namespace: &Namespace) -> usize {
    // /proc/net is that of the thread which looks, under its own name only.
    let table = namespace.enter(|| std::fs::read_to_string("/proc/thread-self/net/udp"));
    let table = table.expect("to enter a namespace");
    let table = table.expect("/proc/thread-self/net/udp");
    let of_dns = |line: &&str| {
        let local = line.split_ascii_whitespace().nth(1);
        local.is_some_and(|local| local.ends_with(":0035"))
    };
    let dropped = |line: &str| line.split_ascii_whitespace().last()?.parse::<usize>().ok();
    table.lines().filter(of_dns).filter_map(dropped).sum()
}
