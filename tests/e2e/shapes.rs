//! Queries and answers of unusual shape, that are ordinary all the same.

use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use crate::ask::ask;
use crate::ask::connected;
use crate::fake_server;
use crate::fake_server::at_once;
use crate::message;
use crate::process::finish;
use crate::record::Record;
use crate::site::CLIENT_V4;
use crate::site::SERVER_V4;
use crate::site::SERVER_V6;
use crate::site::Site;

/// An answer of three fragments: whole where it leaves and where it arrives.
#[test]
fn root_an_answer_in_fragments() {
    let site = Site::new();
    for to in [SERVER_V4, SERVER_V6] {
        let server = SocketAddr::new(to, 53);
        fake_server::serve(&site.server, server, |query, _| {
            let mut answer = message::answer(query, 0);
            answer.resize(4096, 0);
            vec![(Duration::ZERO, answer)]
        });
        let mut watch = site.watch(&[]);
        let query = message::query(1, &message::labels(&site.name("fragments")), message::TXT);
        ask(&site.client, server, &query);
        let records = site.records(&mut watch);
        both_roles(&records);
        for record in &records {
            assert_eq!(record.answer_bytes, Some(4096), "{record:#?}");
            assert_eq!(record.server, server.into(), "{record:#?}");
        }
    }
}

/// Java's clients and Go's servers: IPv6 sockets that speak IPv4.
#[test]
fn root_ipv6_sockets_that_speak_ipv4() {
    let site = Site::new();
    let everywhere = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 53);
    fake_server::serve(&site.server, everywhere, |query, _| at_once(query));
    let mut watch = site.watch(&[]);
    let IpAddr::V4(server) = SERVER_V4 else {
        unreachable!("it is IPv4")
    };
    let mapped = SocketAddr::new(server.to_ipv6_mapped().into(), 53);
    let query = message::query(1, &message::labels(&site.name("mapped")), message::A);
    ask(&site.client, mapped, &query);
    let records = site.records(&mut watch);
    both_roles(&records);
    for record in &records {
        assert_eq!(record.server.ip, SERVER_V4, "{record:#?}");
        assert_eq!(record.client.ip, CLIENT_V4, "{record:#?}");
    }
}

#[test]
fn root_dig_asks_in_another_class() {
    let site = Site::new();
    let _unbound = site.unbound();
    let mut watch = site.watch(&[]);
    let arguments = [&format!("@{SERVER_V4}"), "CH", "TXT", "version.server"];
    let client = finish(site.client.command("dig").args(arguments));
    let records = site.records(&mut watch);
    both_roles(&records);
    for record in &records {
        assert_eq!(
            record.class.as_deref(),
            Some("CH"),
            "{} {record:#?}",
            client.output
        );
        assert_eq!(
            record.name.as_deref(),
            Some("version.server"),
            "{record:#?}"
        );
    }
}

/// No question (RFC 7873 section 5.4 has such queries), and a name that points
/// at itself: what is not known is absent, and the rest is told.
#[test]
fn root_questions_that_cannot_be_read() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    fake_server::serve(&site.server, server, |query, _| {
        let mut answer = query.to_vec();
        answer[2] |= 0x80;
        vec![(Duration::ZERO, answer)]
    });
    let mut watch = site.watch(&[]);
    let header = [0, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut pointer = message::query(9, &Vec::new(), message::A);
    pointer.splice(12..13, [0xc0, 12]);
    let mut cut = message::query(9, &message::labels("cut.off"), message::A);
    cut.truncate(18);
    for query in [&header[..], &pointer, &cut] {
        ask(&site.client, server, query);
        let records = site.records(&mut watch);
        both_roles(&records);
        for record in &records {
            assert_eq!(record.id, Some(9), "{record:#?}");
            assert_eq!(record.name, None, "{record:#?}");
            assert_eq!(record.kind, None, "{record:#?}");
            assert_eq!(
                record.query_bytes,
                u32::try_from(query.len()).ok(),
                "{record:#?}"
            );
        }
    }
}

/// Too short for a header, or an answer that nobody asked for.
#[test]
fn root_what_is_no_query_is_not_told() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    let _listens = fake_server::silent(&site.server, server);
    let mut watch = site.watch(&["--timeout", "300ms"]);
    let socket = connected(&site.client, server);
    let unasked = message::answer(&message::query(1, &message::labels("un.asked"), 1), 0);
    for junk in [
        &[][..],
        &[0],
        &[0xff; 11],
        b"GET / HTTP/1.1\r\n\r\n",
        &unasked,
    ] {
        socket.send(junk).expect("to send junk");
    }
    // Longer than anything that kerno waits for.
    let query = message::query(2, &message::labels(&site.name("waits")), message::A);
    socket.send(&query).expect("to ask");
    let records = watch.records(2);
    assert!(records.iter().all(|r| r.id == Some(2)), "{records:#?}");
    assert!(site.records(&mut watch).is_empty());
}

/// `watch` is live. One of a few must make it on a machine that does other work
/// at the same time.
#[test]
fn root_an_answer_is_told_within_100_ms() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    fake_server::serve(&site.server, server, |query, _| at_once(query));
    let mut watch = site.watch(&["--role", "client"]);
    let took = (0..10).map(|id| {
        let query = message::query(id, &message::labels(&site.name("live")), message::A);
        ask(&site.client, server, &query);
        let answered = Instant::now();
        watch.records(1);
        answered.elapsed()
    });
    let fastest = took.min().expect("ten");
    assert!(fastest < Duration::from_millis(100), "{fastest:?}");
}

fn both_roles(records: &[Record]) {
    let told: Vec<_> = records.iter().map(|r| (&*r.role, &*r.outcome)).collect();
    assert_eq!(
        told,
        [("server", "answered"), ("client", "answered")],
        "{records:#?}"
    );
}
