//! Answers that nobody waits for any more, or never did. One that comes after
//! its attempt was given up is told; the others are not news.

use std::net::SocketAddr;
use std::time::Duration;

use crate::ask::ask;
use crate::ask::connected;
use crate::fake_server;
use crate::fake_server::at_once;
use crate::message;
use crate::site::SERVER_V4;
use crate::site::Site;

#[test]
fn root_an_answer_after_the_timeout_is_late() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    let takes = Duration::from_millis(1800);
    fake_server::serve(&site.server, server, move |query, _| {
        vec![(takes, message::answer(query, 3))]
    });
    let mut watch = site.watch(&["--timeout", "1s"]);
    let name = site.name("late");
    ask(
        &site.client,
        server,
        &message::query(1234, &message::labels(&name), message::A),
    );

    let records = site.all_records(&mut watch, 4);
    assert_eq!(records.len(), 4, "{records:#?}");
    for role in ["client", "server"] {
        let of_role: Vec<_> = records.iter().filter(|r| r.role == role).collect();
        let [first, second] = of_role[..] else {
            panic!("{records:#?}")
        };
        assert_eq!(first.outcome, "unanswered", "{first:#?}");
        assert_eq!(second.outcome, "late", "{second:#?}");
        assert_eq!(second.rcode.as_deref(), Some("NXDOMAIN"), "{second:#?}");
        let latency = Duration::from_nanos(second.latency_ns.expect("checked when read"));
        assert!(latency >= takes, "since the query: {second:#?}");
        assert_eq!(first.id, Some(1234), "{first:#?}");
        assert_eq!(second.id, Some(1234), "{second:#?}");
        assert_eq!(first.name.as_ref(), Some(&name), "{first:#?}");
        assert_eq!(second.name.as_ref(), Some(&name), "{second:#?}");
        assert_eq!(first.kind, second.kind, "{records:#?}");
        assert_eq!(first.client, second.client, "{records:#?}");
        assert_eq!(first.server, second.server, "{records:#?}");
        assert_eq!(first.netns, second.netns, "{records:#?}");
        // The test asks and answers; a server is known by its answer.
        assert_eq!(second.pid, Some(std::process::id()), "{second:#?}");
    }
}

#[test]
fn root_a_second_answer_is_no_news() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    fake_server::serve(&site.server, server, |query, _| {
        [at_once(query), at_once(query)].concat()
    });
    let mut watch = site.watch(&[]);
    let name = site.name("twice");
    let socket = connected(&site.client, server);
    let query = message::query(1234, &message::labels(&name), message::A);
    socket.send(&query).expect("to ask");
    for _ in 0..2 {
        socket.recv(&mut [0; 512]).expect("an answer");
    }

    let records = site.records(&mut watch);
    let told: Vec<_> = records.iter().map(|r| (&*r.role, &*r.outcome)).collect();
    assert_eq!(
        told,
        [("server", "answered"), ("client", "answered")],
        "{records:#?}"
    );
}

/// Whoever guesses at an id must not end the attempt.
#[test]
fn root_an_answer_with_another_id_is_none() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    fake_server::serve(&site.server, server, |query, _| {
        let mut answer = message::answer(query, 0);
        answer[1] ^= 1;
        vec![(Duration::ZERO, answer)]
    });
    let mut watch = site.watch(&["--timeout", "1s"]);
    let query = message::query(2, &message::labels(&site.name("guess")), message::A);
    ask(&site.client, server, &query);

    let records = site.all_records(&mut watch, 2);
    assert_eq!(records.len(), 2, "{records:#?}");
    for record in &records {
        assert_eq!(record.outcome, "unanswered", "{record:#?}");
        assert_eq!(record.id, Some(2), "{record:#?}");
    }
}
