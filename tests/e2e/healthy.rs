//! Odd things that are well: the doctor says nothing of them, or no more than a note. Each
//! test watches a port of its own, because a report is about the whole host.

use std::net::IpAddr;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::UdpSocket;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use kerno_chaos::testbed::client;
use kerno_chaos::testbed::server::Server;
use serde_json::Value;

use crate::ask::ask;
use crate::ask::connected;
use crate::ask::dial;
use crate::ask::read_message;
use crate::ask::unconnected;
use crate::ask::write_message;
use crate::doctor::Doctor;
use crate::fake_server;
use crate::fake_server::at_once;
use crate::message;
use crate::process::PATIENCE;
use crate::site::CLIENT_V4;
use crate::site::CLIENT_V6;
use crate::site::SERVER_V4;
use crate::site::SERVER_V4_TOO;
use crate::site::SERVER_V6;
use crate::site::Site;

const NXDOMAIN: u8 = 3;
const REFUSED: u8 = 5;

/// Both families.
const SERVERS: [IpAddr; 2] = [SERVER_V4, SERVER_V6];

fn query(site: &Site, id: u16, label: &str) -> Vec<u8> {
    message::query(id, &message::labels(&site.name(label)), message::A)
}

/// What the doctor says of what happens at this port.
fn report(port: u16, during: impl FnOnce()) -> Value {
    let port = port.to_string();
    let options = ["--port", &port, "--output", "json", "--all-hooks"];
    let doctor = Doctor::start(&options);
    during();
    let (_, report) = doctor.json();
    report
}

/// The rules of its notes, where there is nothing worse.
#[track_caller]
fn notes(report: &Value) -> Vec<String> {
    assert_eq!(report["verdict"], "healthy", "{}", report["findings"]);
    let findings = report["findings"].as_array().expect("findings");
    let rules = findings.iter().map(|finding| {
        assert_eq!(finding["severity"], "info", "{finding}");
        finding["rule"].as_str().expect("a rule").to_owned()
    });
    rules.collect()
}

/// One question and many answers over TCP (RFC 5936), and what is no question at all:
/// NOTIFY (RFC 1996) and UPDATE (RFC 2136).
#[test]
fn root_healthy_is_a_zone_transfer() {
    const PORT: u16 = 13_053;
    const AXFR: u16 = 252;
    const IXFR: u16 = 251;
    const MESSAGES: usize = 40;
    let site = Site::new();
    for ip in SERVERS {
        let answers = |octets: &[u8]| match octets[octets.len() - 3] as u16 {
            AXFR | IXFR => vec![(Duration::ZERO, message::answer(octets, 0)); MESSAGES],
            _ => at_once(octets),
        };
        fake_server::serve(&site.server, (ip, PORT).into(), move |it, _| answers(it));
    }
    let report = report(PORT, || {
        for (ip, kind) in SERVERS.into_iter().zip([AXFR, IXFR]) {
            let server = SocketAddr::new(ip, PORT);
            let zone = message::labels(&site.zone);
            let mut stream = dial(&site.client, server);
            write_message(&mut stream, &message::query(1, &zone, kind));
            for _ in 0..MESSAGES {
                read_message(&mut stream);
            }
            for opcode in [4, 5] {
                let mut other = message::query(2, &zone, message::A);
                other[2] = opcode << 3;
                ask(&site.client, server, &other);
            }
            for id in 0..30 {
                ask(&site.client, server, &query(&site, id, &format!("h{id}")));
            }
        }
    });
    assert_eq!(notes(&report), [""; 0]);
    let accounting = &report["accounting"];
    assert_eq!(accounting["lost"], 0, "{accounting}");
    assert_eq!(accounting["unparsed"], 0, "{accounting}");
    assert_eq!(accounting["stray_answers"], 0, "{accounting}");
}

/// A filter denies names, gives none an address, and refuses a few.
#[test]
fn root_healthy_is_a_blocklist() {
    const PORT: u16 = 13_054;
    let site = Site::new();
    for ip in SERVERS {
        fake_server::serve(&site.server, (ip, PORT).into(), |octets, _| {
            let rcode = match &*message::first_label(octets) {
                "ads" => NXDOMAIN,
                "evil" => REFUSED,
                _ => 0,
            };
            vec![(Duration::ZERO, message::answer(octets, rcode))]
        });
    }
    let report = report(PORT, || {
        for ip in SERVERS {
            for id in 0..90 {
                let label = match id {
                    0..3 => "evil",
                    3..13 => "ads",
                    _ => "www",
                };
                let query = query(&site, id, &format!("{label}.n{id}"));
                ask(&site.client, (ip, PORT).into(), &query);
            }
        }
    });
    assert!(
        notes(&report)
            .iter()
            .all(|rule| rule == "dns_refused_rcode"),
        "{report}"
    );
    assert_eq!(report["dns"]["rcodes"]["REFUSED"], 6);
}

/// One query of two hundred meets a closed port.
#[test]
fn root_healthy_is_a_restart() {
    for (port, ip) in (13_055..).zip(SERVERS) {
        let site = Site::new();
        let address = SocketAddr::new(ip, port);
        let start = || {
            let server = || Server::start(&[address], |it| at_once(it.octets));
            site.server.enter(|| server().expect("the server"))
        };
        let ask_often = |from: u16| {
            for id in from..from + 100 {
                ask(&site.client, address, &query(&site, id, &format!("h{id}")));
            }
        };
        let server = start();
        let report = report(port, || {
            ask_often(0);
            server.stop();
            let socket = connected(&site.client, address);
            socket.send(&query(&site, 7, "lost")).expect("to ask");
            let refused = socket.recv(&mut [0; 512]).expect_err("nobody is there");
            assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
            let again = start();
            ask_often(100);
            again.stop();
        });
        let findings = &report["findings"];
        assert_eq!(notes(&report), ["dns_nobody_listening"], "{findings}");
        let title = findings[0]["title"].as_str().expect("a title");
        assert!(title.starts_with("Nobody listened at"), "{title}");
        assert_eq!(findings[0]["queries"], 1);
    }
}

/// An old resolver asks from the port of DNS itself.
#[test]
fn root_healthy_are_two_ends_of_one_port() {
    const PORT: u16 = 13_057;
    let site = Site::new();
    for ip in SERVERS {
        fake_server::serve(&site.server, (ip, PORT).into(), |it, _| at_once(it));
    }
    let report = report(PORT, || {
        for (own, ip) in [CLIENT_V4, CLIENT_V6].into_iter().zip(SERVERS) {
            let bind = || UdpSocket::bind((own, PORT)).expect("the client");
            let socket = site.client.enter(bind);
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            for id in 0..30 {
                let query = query(&site, id, &format!("h{id}"));
                socket.send_to(&query, (ip, PORT)).expect("to ask");
                socket.recv(&mut [0; 512]).expect("an answer");
            }
        }
    });
    assert_eq!(notes(&report), [""; 0]);
    assert_eq!(report["dns"]["answered"], 60, "{}", report["dns"]);
    assert_eq!(report["dns"]["server_side"]["answered"], 60);
}

/// musl asks all its nameservers at once: one that is dead costs nothing.
#[test]
fn root_healthy_is_a_dead_nameserver_that_nobody_waits_for() {
    const PORT: u16 = 13_058;
    let site = Site::new();
    let [dead, other, well] = [SERVER_V4_TOO, SERVER_V6, SERVER_V4].map(|ip| (ip, PORT).into());
    let _silent = [dead, other].map(|it| fake_server::silent(&site.server, it));
    fake_server::serve(&site.server, well, |it, _| at_once(it));
    let report = report(PORT, || {
        for id in 0..60 {
            let socket = unconnected(&site.client, dead.ip());
            let query = query(&site, id, &format!("h{id}"));
            for server in [dead, well] {
                socket.send_to(&query, server).expect("to ask");
            }
            socket.recv(&mut [0; 512]).expect("an answer");
        }
    });
    assert_eq!(notes(&report), ["dns_dead_server"]);
    let told = report["findings"][0]["evidence"][0].as_str();
    let told = told.expect("a sentence");
    assert!(
        told.starts_with("60 queries to it were answered by another server first, and none by"),
        "{told}"
    );
    let dns = &report["dns"];
    assert_eq!(
        (&dns["answered"], &dns["superseded"]),
        (&60.into(), &60.into())
    );
}

/// One that is only slower answers too: at a socket that is open, and at one that is closed by
/// then.
#[test]
fn root_healthy_is_a_nameserver_that_comes_second() {
    const LATER: Duration = Duration::from_millis(30);
    const LAST: u16 = 29;
    for (port, is_closed) in [(13_071, false), (13_072, true)] {
        let site = Site::new();
        let [slower, well] = [SERVER_V4_TOO, SERVER_V4].map(|ip| (ip, port).into());
        fake_server::serve(&site.server, slower, |it, _| {
            vec![(LATER, message::answer(it, 0))]
        });
        fake_server::serve(&site.server, well, |it, _| at_once(it));
        let report = report(port, || {
            for id in 0..=LAST {
                let socket = unconnected(&site.client, slower.ip());
                let query = query(&site, id, &format!("h{id}"));
                for server in [slower, well] {
                    socket.send_to(&query, server).expect("to ask");
                }
                // Its answers come in order: with the last one all have come.
                let mut answers = if is_closed && id != LAST { 1 } else { 2 };
                while answers > 0 {
                    socket.recv(&mut [0; 512]).expect("an answer");
                    answers -= 1;
                }
            }
        });
        assert_eq!(notes(&report), [""; 0], "{is_closed}");
        assert_eq!(report["dns"]["superseded"], 30, "{is_closed}");
    }
}

/// A cache keeps its connection, which the server closes when it is idle: the next question
/// is answered with a reset, and asked again at once.
#[test]
fn root_healthy_is_a_connection_that_was_closed_meanwhile() {
    for (port, ip) in (13_059..).zip(SERVERS) {
        let site = Site::new();
        let address = SocketAddr::new(ip, port);
        let listen = || TcpListener::bind(address).expect("the server");
        let listener = site.server.enter(listen);
        let (closed, is_closed) = mpsc::channel();
        // Each connection is good for two questions.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                for _ in 0..2 {
                    // A connection that was closed by the client.
                    let Ok(query) = client::read_message(&mut stream) else {
                        break;
                    };
                    let answer = message::answer(&query, 0);
                    client::write_message(&mut stream, &answer).expect("to answer");
                }
                drop(stream);
                closed.send(()).expect("the test");
            }
        });
        let report = report(port, || {
            for round in 0..10 {
                let ask = |stream: &mut _, id: u16| {
                    let query = query(&site, id, &format!("r{round}n{id}"));
                    write_message(stream, &query);
                };
                let mut stream = dial(&site.client, address);
                for id in 0..2 {
                    ask(&mut stream, id);
                    read_message(&mut stream);
                }
                is_closed.recv().expect("the server");
                ask(&mut stream, 3);
                client::read_message(&mut stream).expect_err("a reset");
                let mut again = dial(&site.client, address);
                ask(&mut again, 4);
                read_message(&mut again);
                again.shutdown(Shutdown::Both).expect("to close");
                is_closed.recv().expect("the server");
            }
        });
        // 30 were answered, and 10 were reset on the way to an answer.
        notes(&report);
        let dns = &report["dns"];
        assert_eq!(
            (&dns["answered"], &dns["refused"]),
            (&30.into(), &10.into()),
            "{dns}"
        );
    }
}
