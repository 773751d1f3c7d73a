//! Queries that nobody answers, and those that are sent again.

use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::ask::connected;
use crate::ask::dial;
use crate::ask::write_message;
use crate::clients_libc::compile;
use crate::exchange::Side;
use crate::exchange::check_own;
use crate::fake_server;
use crate::fake_server::at_once;
use crate::message;
use crate::process::finish;
use crate::record::Endpoint;
use crate::record::Record;
use crate::router::ip;
use crate::site::CLIENT_V4;
use crate::site::CLIENT_V6;
use crate::site::SERVER_V4;
use crate::site::SERVER_V6;
use crate::site::Site;

#[test]
fn root_a_query_without_an_answer_is_unanswered() {
    let site = Site::new();
    let mut watch = site.watch(&["--timeout", "1s"]);
    let name = site.name("silence");
    for (id, from, to) in [(0, CLIENT_V4, SERVER_V4), (65535, CLIENT_V6, SERVER_V6)] {
        let server = SocketAddr::new(to, 53);
        let _listens = fake_server::silent(&site.server, server);
        let socket = connected(&site.client, server);
        let query = message::query(id, &message::labels(&name), message::A);
        socket.send(&query).expect("to ask");

        let records = watch.records(2);
        for record in &records {
            assert_eq!(record.outcome, "unanswered", "{record:#?}");
            assert_eq!(record.name.as_ref(), Some(&name), "{record:#?}");
            assert_eq!(record.id, Some(id), "{record:#?}");
            assert_eq!(record.attempt, 1, "{record:#?}");
            let local = socket.local_addr().expect("a port");
            assert_eq!(
                record.client,
                Endpoint {
                    ip: from,
                    port: local.port()
                },
                "{record:#?}"
            );
            assert_eq!(record.server, server.into(), "{record:#?}");
            let waited = Duration::from_nanos(record.waited_ns.expect("checked when read"));
            assert!(waited >= Duration::from_secs(1), "{record:#?}");
            assert!(waited < Duration::from_secs(3), "{record:#?}");
        }
        let asking = of_role(&records, "client");
        assert_eq!(asking.len(), 1, "{records:#?}");
        check_own(asking[0], &site.client);
        let serving = of_role(&records, "server");
        assert_eq!(serving.len(), 1, "{records:#?}");
        assert_eq!(
            serving[0].netns,
            Some(site.server.namespace.inode()),
            "{serving:#?}"
        );
    }
    assert!(site.records(&mut watch).is_empty());
}

/// unbound drops the query on purpose (its `deny` zones).
#[test]
fn root_dig_tries_again_from_a_new_port() {
    let site = Site::new();
    let _unbound = site.unbound();
    let mut watch = site.watch(&["--timeout", "1s"]);
    let name = site.name("silent");
    let at_server = format!("@{SERVER_V4}");
    finish(
        site.client
            .command("dig")
            .args([&at_server, "+tries=2", "+time=1", &name]),
    );

    let records = site.all_records(&mut watch, 4);
    assert_eq!(records.len(), 4, "{records:#?}");
    for role in ["client", "server"] {
        let tries = of_role(&records, role);
        assert_eq!(tries.len(), 2, "{records:#?}");
        assert_ne!(tries[0].client.port, tries[1].client.port, "{records:#?}");
        assert_eq!(tries[0].id, tries[1].id, "{records:#?}");
        for record in tries {
            assert_eq!(record.outcome, "unanswered", "{record:#?}");
            assert_eq!(record.attempt, 1, "the first of its socket: {record:#?}");
        }
    }
}

#[test]
fn root_a_query_sent_again_from_the_same_port_is_another_attempt() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    fake_server::serve(&site.server, server, |query, number| {
        if number == 1 {
            at_once(query)
        } else {
            Vec::new()
        }
    });
    let mut watch = site.watch(&[]);
    let name = site.name("again");
    let query = message::query(4711, &message::labels(&name), message::A);
    let socket = connected(&site.client, server);
    let between = Duration::from_millis(300);
    socket.send(&query).expect("to ask");
    thread::sleep(between);
    socket.send(&query).expect("to ask again");
    socket.recv(&mut [0; 512]).expect("an answer");

    let records = site.all_records(&mut watch, 4);
    assert_eq!(records.len(), 4, "{records:#?}");
    for role in ["client", "server"] {
        let [first, second] = of_role(&records, role)[..] else {
            panic!("{records:#?}")
        };
        assert_eq!(
            (&*first.outcome, first.attempt),
            ("unanswered", 1),
            "{first:#?}"
        );
        assert_eq!(
            (&*second.outcome, second.attempt),
            ("answered", 2),
            "{second:#?}"
        );
        let waited = Duration::from_nanos(first.waited_ns.expect("checked when read"));
        assert!(waited >= between, "until it was sent again: {first:#?}");
        // From the second sending, not the first.
        let latency = Duration::from_nanos(second.latency_ns.expect("checked when read"));
        assert!(latency < between, "{second:#?}");
        assert_eq!(first.id, Some(4711), "{first:#?}");
        assert_eq!(second.id, Some(4711), "{second:#?}");
    }
}

/// glibc sends both queries again on the same socket, after its timeout.
#[test]
fn root_glibc_asks_a_silent_server_twice() {
    let mut site = Site::new();
    let program = compile(&site.client, &["cc"], "ask-glibc");
    let _unbound = site.unbound();
    let mut watch = site.watch(&["--timeout", "2s", "--role", "client"]);
    site.client.resolv_conf(&format!(
        "nameserver {SERVER_V4}\noptions timeout:1 attempts:2\n"
    ));
    let name = site.name("silent");
    let client = finish(site.client.command(&program).arg(&name));
    assert!(!client.succeeded, "{}", client.output);

    let mut records = watch.records(4);
    records.sort_by_key(|r| (r.kind.clone(), r.attempt));
    let told: Vec<_> = records
        .iter()
        .map(|r| (r.kind.as_deref(), r.attempt, &*r.outcome))
        .collect();
    let (a, aaaa) = (Some("A"), Some("AAAA"));
    let unanswered = "unanswered";
    let all = [
        (a, 1, unanswered),
        (a, 2, unanswered),
        (aaaa, 1, unanswered),
        (aaaa, 2, unanswered),
    ];
    assert_eq!(told, all, "{records:#?}");
    for record in &records {
        Side::client(&client, &site.client, CLIENT_V4).check(record);
        assert_eq!(
            record.client.port, records[0].client.port,
            "one socket: {records:#?}"
        );
    }
}

/// Over TCP: accepted, read, and nothing more.
#[test]
fn root_a_query_over_tcp_without_an_answer_is_unanswered() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    let bind = || TcpListener::bind(server).expect("a listener");
    let _listens = site.server.enter(bind);
    let mut watch = site.watch(&["--timeout", "1s"]);
    let name = site.name("silence");
    let query = message::query(3, &message::labels(&name), message::A);
    let mut stream = dial(&site.client, server);
    write_message(&mut stream, &query);

    let records = site.all_records(&mut watch, 2);
    assert_eq!(records.len(), 2, "{records:#?}");
    for record in &records {
        assert_eq!(record.outcome, "unanswered", "{record:#?}");
        assert_eq!(record.transport, "tcp", "{record:#?}");
        assert_eq!(record.name.as_ref(), Some(&name), "{record:#?}");
    }
    check_own(of_role(&records, "client")[0], &site.client);
}

/// Lost where no kernel tells of it, here behind a link that has no such neighbour
/// (to this kernel the frame is somebody else's): what would have been asked is not
/// known, but that somebody wanted to ask is.
#[test]
fn root_a_tcp_connection_that_is_never_accepted_is_unanswered() {
    let site = Site::new();
    let neighbour = "neigh add 10.77.0.9 lladdr 02:00:00:00:00:09 dev cable nud permanent";
    ip(&site.client.namespace, neighbour);
    let mut watch = site.watch(&["--timeout", "1s"]);
    let server = SocketAddr::from(([10, 77, 0, 9], 53));
    let patience = Duration::from_secs(4);
    let connect = || TcpStream::connect_timeout(&server, patience);
    assert!(site.client.enter(connect).is_err());

    let record = &site.the_only_record(&mut watch);
    assert_eq!(record.role, "client", "{record:#?}");
    assert_eq!(record.outcome, "unanswered", "{record:#?}");
    assert_eq!(record.transport, "tcp", "{record:#?}");
    assert_eq!(record.name, None, "{record:#?}");
    assert_eq!(record.server, server.into(), "{record:#?}");
    check_own(record, &site.client);
}

fn of_role<'a>(records: &'a [Record], role: &str) -> Vec<&'a Record> {
    records
        .iter()
        .filter(|record| record.role == role)
        .collect()
}
