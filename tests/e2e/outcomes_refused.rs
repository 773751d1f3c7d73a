//! Servers that are not there: the query is refused, by ICMP or by a reset.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::thread;

use crate::ask::connected;
use crate::ask::dial;
use crate::ask::unconnected;
use crate::ask::write_message;
use crate::clients_libc::compile;
use crate::exchange::Side;
use crate::exchange::check_own;
use crate::message;
use crate::process::finish;
use crate::record::Endpoint;
use crate::record::Record;
use crate::site::CLIENT_V4;
use crate::site::CLIENT_V6;
use crate::site::SERVER_V4;
use crate::site::SERVER_V6;
use crate::site::Site;

/// The kernel tells a connected socket; and it tells where the query arrived.
/// That must not make two of one.
#[test]
fn root_a_connected_socket_is_refused() {
    refused(|site, server, query| {
        let socket = connected(&site.client, server);
        socket.send(query).expect("to ask");
        assert!(socket.recv(&mut [0; 512]).is_err());
        socket.local_addr().expect("a port").port()
    });
}

/// musl's socket: nobody tells it, it waits in vain.
#[test]
fn root_an_unconnected_socket_is_refused() {
    refused(|site, server, query| {
        let socket = unconnected(&site.client, server.ip());
        socket.send_to(query, server).expect("to ask");
        socket.local_addr().expect("a port").port()
    });
}

fn refused(ask: impl Fn(&Site, SocketAddr, &[u8]) -> u16) {
    let site = Site::new();
    let mut watch = site.watch(&[]);
    let name = site.name("nobody");
    let query = message::query(815, &message::labels(&name), message::A);
    let here = Ipv4Addr::LOCALHOST.into();
    for (ip, to) in [(CLIENT_V4, SERVER_V4), (CLIENT_V6, SERVER_V6), (here, here)] {
        let port = ask(&site, SocketAddr::new(to, 53), &query);
        let record = &site.the_only_record(&mut watch);
        check_refused(record, "ECONNREFUSED");
        assert_eq!(record.name.as_ref(), Some(&name), "{record:#?}");
        assert_eq!(record.id, Some(815), "{record:#?}");
        assert_eq!(record.client, Endpoint { ip, port }, "{record:#?}");
        assert_eq!(record.server, Endpoint { ip: to, port: 53 }, "{record:#?}");
        check_own(record, &site.client);
    }
}

#[test]
fn root_dig_is_refused() {
    let site = Site::new();
    let mut watch = site.watch(&[]);
    let name = site.name("nobody");
    let at_server = format!("@{SERVER_V4}");
    let client = finish(
        site.client
            .command("dig")
            .args([&at_server, "+tries=1", &name]),
    );
    assert!(
        client.output.contains("connection refused"),
        "{}",
        client.output
    );

    let record = &site.the_only_record(&mut watch);
    check_refused(record, "ECONNREFUSED");
    Side::client(&client, &site.client, CLIENT_V4).check(record);
}

/// glibc may learn of the first refusal before it sends its second query, so
/// how many it sends is not known; but each is refused, and told once.
#[test]
fn root_glibc_is_refused() {
    let mut site = Site::new();
    let program = compile(&site.client, &["cc"], "ask-glibc");
    let mut watch = site.watch(&[]);
    site.client
        .resolv_conf(&format!("nameserver {SERVER_V4}\noptions attempts:1\n"));
    let name = site.name("nobody");
    let client = finish(site.client.command(&program).arg(&name));
    assert!(!client.succeeded, "{}", client.output);

    let records = site.all_records(&mut watch, 1);
    let mut attempts: Vec<_> = records
        .iter()
        .map(|r| (r.client.port, r.id, r.attempt))
        .collect();
    attempts.sort_unstable();
    attempts.dedup();
    assert_eq!(attempts.len(), records.len(), "each once: {records:#?}");
    for record in &records {
        check_refused(record, "ECONNREFUSED");
        assert_eq!(record.name.as_ref(), Some(&name), "{record:#?}");
        Side::client(&client, &site.client, CLIENT_V4).check(record);
    }
}

/// A connection that is refused had a query that was never sent: no name.
#[test]
fn root_a_tcp_connection_is_refused() {
    let site = Site::new();
    let mut watch = site.watch(&[]);
    for (ip, to) in [(CLIENT_V4, SERVER_V4), (CLIENT_V6, SERVER_V6)] {
        let server = SocketAddr::new(to, 53);
        let refusal = site.client.enter(|| std::net::TcpStream::connect(server));
        assert!(refusal.is_err());

        let record = &site.the_only_record(&mut watch);
        check_refused(record, "ECONNREFUSED");
        assert_eq!(record.transport, "tcp", "{record:#?}");
        assert_eq!(record.name, None, "{record:#?}");
        assert_eq!(record.id, None, "{record:#?}");
        assert_eq!(record.server, server.into(), "{record:#?}");
        assert_eq!(record.client.ip, ip, "{record:#?}");
        check_own(record, &site.client);
    }
}

/// The server accepts, and closes without having read the query: a reset.
#[test]
fn root_a_tcp_connection_is_reset_with_a_query_on_it() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    let listener = site
        .server
        .enter(|| TcpListener::bind(server).expect("a listener"));
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        stream.peek(&mut [0; 3]).expect("a query");
    });
    let mut watch = site.watch(&["--role", "client"]);
    let name = site.name("reset");
    let query = message::query(99, &message::labels(&name), message::A);
    let mut stream = dial(&site.client, server);
    write_message(&mut stream, &query);

    let records = watch.records(1);
    check_refused(&records[0], "ECONNRESET");
    assert_eq!(records[0].name.as_ref(), Some(&name), "{records:#?}");
    assert_eq!(records[0].id, Some(99), "{records:#?}");
    assert_eq!(records[0].transport, "tcp", "{records:#?}");
}

fn check_refused(record: &Record, reason: &str) {
    assert_eq!(record.role, "client", "{record:#?}");
    assert_eq!(record.outcome, "refused", "{record:#?}");
    assert_eq!(record.reason.as_deref(), Some(reason), "{record:#?}");
}
