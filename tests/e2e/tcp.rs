//! DNS over TCP as it is cut into segments (RFC 7766 section 8).

use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::thread;

use crate::ask::dial;
use crate::ask::read_message;
use crate::message;
use crate::message::A;
use crate::message::TXT;
use crate::place::Place;
use crate::record::Record;
use crate::site::SERVER_V4;
use crate::site::SERVER_V6;
use crate::site::Site;

#[test]
fn root_a_length_in_a_segment_of_its_own() {
    let site = Site::new();
    let _unbound = site.unbound();
    let mut watch = site.watch(&[]);
    for to in [SERVER_V4, SERVER_V6] {
        let mut stream = dial(&site.client, SocketAddr::new(to, 53));
        // Twice, because the second must be found behind the first.
        for (id, label) in [(1, "www"), (2, "nothing")] {
            let query = query(&site, id, label, A);
            let (len, rest) = query.split_at(2);
            stream.write_all(len).expect("to write a length");
            stream.write_all(rest).expect("to write a query");
            read_message(&mut stream);
        }
        let records = site.records(&mut watch);
        check(
            &records,
            &[(1, "www", "A", "NOERROR"), (2, "nothing", "A", "NXDOMAIN")],
            &site,
        );
    }
}

#[test]
fn root_several_queries_in_one_segment() {
    let site = Site::new();
    let _unbound = site.unbound();
    let mut watch = site.watch(&[]);
    let mut stream = dial(&site.client, SocketAddr::new(SERVER_V4, 53));
    let all: Vec<u8> = (1..=8).flat_map(|id| query(&site, id, "www", A)).collect();
    stream.write_all(&all).expect("to ask");
    for _ in 1..=8 {
        read_message(&mut stream);
    }
    let asked: Vec<_> = (1..=8).map(|id| (id, "www", "A", "NOERROR")).collect();
    check(&site.records(&mut watch), &asked, &site);
}

#[test]
fn root_several_answers_in_one_segment() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    serve_in_batches(&site.server, server, 3);
    let mut watch = site.watch(&[]);
    let mut stream = dial(&site.client, server);
    for id in 1..=3 {
        stream
            .write_all(&query(&site, id, "batch", A))
            .expect("to ask");
    }
    for _ in 1..=3 {
        read_message(&mut stream);
    }
    let asked: Vec<_> = (1..=3).map(|id| (id, "batch", "A", "NOERROR")).collect();
    check(&site.records(&mut watch), &asked, &site);
}

/// The first answer fills more than one segment; the next is found behind it.
#[test]
fn root_an_answer_longer_than_a_segment() {
    let site = Site::new();
    let _unbound = site.unbound();
    let mut watch = site.watch(&[]);
    let mut stream = dial(&site.client, SocketAddr::new(SERVER_V4, 53));
    for (id, label, kind) in [(1, "big", TXT), (2, "www", A)] {
        stream
            .write_all(&query(&site, id, label, kind))
            .expect("to ask");
        let answer = read_message(&mut stream);
        assert!(
            kind != TXT || answer.len() > 2000,
            "{} octets",
            answer.len()
        );
    }
    let asked = [(1, "big", "TXT", "NOERROR"), (2, "www", "A", "NOERROR")];
    check(&site.records(&mut watch), &asked, &site);
}

fn query(site: &Site, id: u16, label: &str, kind: u16) -> Vec<u8> {
    message::with_length(&message::query(
        id,
        &message::labels(&site.name(label)),
        kind,
    ))
}

/// Answers when it has so many queries, all in one segment.
fn serve_in_batches(place: &Place, address: SocketAddr, size: usize) {
    let listener = place.enter(|| TcpListener::bind(address).expect("a listener"));
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let queries: Vec<_> = (0..size).map(|_| read_message(&mut stream)).collect();
        let answers = queries
            .iter()
            .map(|q| message::with_length(&message::answer(q, 0)));
        stream
            .write_all(&answers.flatten().collect::<Vec<u8>>())
            .expect("to answer");
        // Until the client has gone, for the end not to come with the answers.
        let _end = stream.peek(&mut [0]);
    });
}

/// Each was asked and answered once for each role, over TCP.
fn check(records: &[Record], asked: &[(u16, &str, &str, &str)], site: &Site) {
    for role in ["client", "server"] {
        let mut told: Vec<&Record> = records.iter().filter(|r| r.role == role).collect();
        told.sort_by_key(|r| r.id);
        assert_eq!(told.len(), asked.len(), "{role}: {records:#?}");
        for (record, (id, label, kind, rcode)) in told.iter().zip(asked) {
            assert_eq!(record.outcome, "answered", "{record:#?}");
            assert_eq!(record.transport, "tcp", "{record:#?}");
            assert_eq!(record.id, Some(*id), "{record:#?}");
            assert_eq!(record.name, Some(site.name(label)), "{record:#?}");
            assert_eq!(record.kind.as_deref(), Some(*kind), "{record:#?}");
            assert_eq!(record.rcode.as_deref(), Some(*rcode), "{record:#?}");
            assert_eq!(record.attempt, 1, "{record:#?}");
        }
    }
}
