//! Packets that the client's or the server's own kernel discards.

use std::net::SocketAddr;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::time::Duration;

use crate::ask::connected;
use crate::ask::unconnected;
use crate::clients_libc::compile;
use crate::doctor::Doctor;
use crate::exchange::Side;
use crate::exchange::check_own;
use crate::fake_server;
use crate::fake_server::at_once;
use crate::firewall::Firewall;
use crate::message;
use crate::process::finish;
use crate::record::Record;
use crate::site::CLIENT_V4;
use crate::site::SERVER_V4;
use crate::site::SERVER_V6;
use crate::site::Site;

const BOTH: [std::net::IpAddr; 2] = [SERVER_V4, SERVER_V6];

/// No hook sees these queries leave: each is known from its drop alone, and once.
#[test]
fn root_glibc_asks_behind_a_firewall_that_lets_nothing_out() {
    let mut site = Site::new();
    let program = compile(&site.client, &["cc"], "ask-glibc");
    site.client.resolv_conf(&format!(
        "nameserver {SERVER_V4}\noptions attempts:2 timeout:1\n"
    ));
    let wall = Firewall::new(&site.client.namespace, "output", "udp dport 53", "drop");
    let mut watch = site.watch(&[]);
    let name = site.name("www");
    let client = finish(site.client.command(&program).arg(&name));
    assert!(!client.succeeded, "{}", client.output);

    let records = site.all_records(&mut watch, wall.packets());
    assert!(!records.is_empty());
    assert_eq!(records.len(), wall.packets(), "{records:#?}");
    let mut attempts: Vec<_> = records
        .iter()
        .map(|r| (r.client.port, r.id, r.attempt))
        .collect();
    attempts.sort_unstable();
    attempts.dedup();
    assert_eq!(attempts.len(), records.len(), "each once: {records:#?}");
    for record in &records {
        check(record, "client", "NETFILTER_DROP");
        assert_eq!(record.name.as_ref(), Some(&name), "{record:#?}");
        assert_eq!(record.server, SocketAddr::new(SERVER_V4, 53).into());
        assert_eq!(record.waited_ns, Some(0), "{record:#?}");
        assert!(record.query_bytes >= Some(12), "{record:#?}");
        Side::client(&client, &site.client, CLIENT_V4).check(record);
    }
}

#[test]
fn root_the_query_is_discarded_where_it_arrives() {
    let site = Site::new();
    let _wall = Firewall::new(&site.server.namespace, "input", "udp dport 53", "drop");
    let mut watch = site.watch(&[]);
    for ip in BOTH {
        let server = SocketAddr::new(ip, 53);
        let _silent = fake_server::silent(&site.server, server);
        let port = ask_in_vain(&site, &connected(&site.client, server));
        let record = site.the_only_record(&mut watch);
        check(&record, "client", "NETFILTER_DROP");
        assert_eq!(record.client.port, port, "{record:#?}");
        assert_eq!(record.server, server.into(), "{record:#?}");
        check_own(&record, &site.client);
    }
}

/// The server did its part.
#[test]
fn root_the_answer_is_discarded_where_it_arrives() {
    let site = Site::new();
    let _wall = Firewall::new(&site.client.namespace, "input", "udp sport 53", "drop");
    let mut watch = site.watch(&[]);
    for ip in BOTH {
        let server = SocketAddr::new(ip, 53);
        fake_server::serve(&site.server, server, |query, _| at_once(query));
        ask_in_vain(&site, &connected(&site.client, server));
        let records = site.all_records(&mut watch, 2);
        let [serving, asking] = &records[..] else {
            panic!("not two: {records:#?}")
        };
        assert_eq!((&*serving.role, &*serving.outcome), ("server", "answered"));
        check(asking, "client", "NETFILTER_DROP");
        assert_eq!(asking.id, Some(7), "{asking:#?}");
    }
}

/// No hook sees this answer leave, so the server's attempt ends with it too.
#[test]
fn root_the_answer_is_discarded_as_it_is_sent() {
    let site = Site::new();
    let _wall = Firewall::new(&site.server.namespace, "output", "udp sport 53", "drop");
    let mut watch = site.watch(&[]);
    for ip in BOTH {
        let server = SocketAddr::new(ip, 53);
        fake_server::serve(&site.server, server, |query, _| at_once(query));
        ask_in_vain(&site, &connected(&site.client, server));
        let mut records = site.all_records(&mut watch, 2);
        records.sort_by(|a, b| a.role.cmp(&b.role));
        let [asking, serving] = &records[..] else {
            panic!("not two: {records:#?}")
        };
        check(asking, "client", "NETFILTER_DROP");
        check(serving, "server", "NETFILTER_DROP");
        // A server is known by its answer, also by one that is not let out.
        assert_eq!(serving.pid, Some(std::process::id()), "{serving:#?}");
    }
}

/// The error is what the client knows, and wins.
#[test]
fn root_a_connected_socket_is_rejected() {
    let site = Site::new();
    for (place, hook) in [(&site.client, "output"), (&site.server, "input")] {
        let wall = Firewall::new(&place.namespace, hook, "udp dport 53", "reject");
        let mut watch = site.watch(&[]);
        for ip in BOTH {
            let _silent = fake_server::silent(&site.server, SocketAddr::new(ip, 53));
            let socket = connected(&site.client, SocketAddr::new(ip, 53));
            ask_in_vain(&site, &socket);
            let record = site.the_only_record(&mut watch);
            assert_eq!(record.outcome, "refused", "{hook}: {record:#?}");
            assert_eq!(record.reason.as_deref(), Some("ECONNREFUSED"));
            check_own(&record, &site.client);
        }
        wall.lift();
    }
}

/// musl's socket is told of nothing.
#[test]
fn root_an_unconnected_socket_is_rejected() {
    let site = Site::new();
    for (place, hook) in [(&site.client, "output"), (&site.server, "input")] {
        let wall = Firewall::new(&place.namespace, hook, "udp dport 53", "reject");
        let mut watch = site.watch(&[]);
        let server = SocketAddr::new(SERVER_V4, 53);
        let _silent = fake_server::silent(&site.server, server);
        let socket = unconnected(&site.client, SERVER_V4);
        let query = message::query(7, &message::labels(&site.name("in-vain")), message::A);
        let _not_permitted = socket.send_to(&query, server);
        let record = site.the_only_record(&mut watch);
        check(&record, "client", "NETFILTER_DROP");
        assert_eq!(record.server, server.into(), "{record:#?}");
        wall.lift();
    }
}

/// TCP sends the SYN again, in a timer's context: one attempt, its client's.
#[test]
fn root_a_connection_is_discarded_as_it_is_opened() {
    connect_in_vain("output", true);
}

#[test]
fn root_a_connection_is_discarded_where_it_arrives() {
    connect_in_vain("input", false);
}

fn connect_in_vain(hook: &str, at_client: bool) {
    let site = Site::new();
    let place = if at_client {
        &site.client
    } else {
        &site.server
    };
    let wall = Firewall::new(&place.namespace, hook, "tcp dport 53", "drop");
    let mut watch = site.watch(&["--timeout", "1s"]);
    for ip in BOTH {
        let server = SocketAddr::new(ip, 53);
        let before = wall.packets();
        // The SYN comes again after one second.
        let connect = || TcpStream::connect_timeout(&server, Duration::from_millis(1500));
        assert!(site.client.enter(connect).is_err());
        assert!(wall.packets() > before + 1, "it was sent again");
        let record = site.the_only_record(&mut watch);
        check(&record, "client", "NETFILTER_DROP");
        assert_eq!(record.transport, "tcp", "{record:#?}");
        assert_eq!((record.id, record.name.as_ref()), (None, None));
        assert_eq!(record.server, server.into(), "{record:#?}");
        check_own(&record, &site.client);
    }
}

/// Sends a query; whether that succeeds depends on the firewall. Returns the port.
fn ask_in_vain(site: &Site, socket: &UdpSocket) -> u16 {
    let query = message::query(7, &message::labels(&site.name("in-vain")), message::A);
    let _not_permitted = socket.send(&query);
    socket.local_addr().expect("a port").port()
}

/// What is known from its drop alone stands in the books, once.
#[test]
fn root_the_books_of_the_doctor_add_up() {
    const PORT: u16 = 10054;
    const ASKED: u64 = 50;
    let site = Site::new();
    let matches = format!("udp dport {PORT}");
    let wall = Firewall::new(&site.client.namespace, "output", &matches, "drop");
    let port = PORT.to_string();
    let doctor = Doctor::start(&["--port", &port, "--output", "json"]);
    let server = SocketAddr::new(SERVER_V4, PORT);
    let socket = connected(&site.client, server);
    for _ in 0..ASKED {
        ask_in_vain(&site, &socket);
    }
    // Also one that comes through to nobody, and one that the server's kernel discards.
    wall.lift();
    ask_in_vain(&site, &socket);
    let _wall = Firewall::new(&site.server.namespace, "input", &matches, "drop");
    ask_in_vain(&site, &connected(&site.client, server));
    let (_, report) = doctor.json(); // which checks the sum

    let books = &report["accounting"];
    assert_eq!(books["dropped"], ASKED + 1, "{books}");
    assert_eq!(books["refused"], 1, "{books}");
    assert_eq!(books["queries_seen"], ASKED + 2, "{books}");
    assert_eq!(books["drops_unjoined"], 0, "{books}");
}

fn check(record: &Record, role: &str, reason: &str) {
    assert_eq!(record.role, role, "{record:#?}");
    assert_eq!(record.outcome, "dropped", "{record:#?}");
    assert_eq!(record.reason.as_deref(), Some(reason), "{record:#?}");
}
