//! Answers that come after the attempt was given up: they are told, not lost.

use std::net::SocketAddr;
use std::time::Duration;

use crate::ask::ask;
use crate::fake_server;
use crate::message;
use crate::site::SERVER_V4;
use crate::site::Site;

#[test]
fn root_an_answer_after_the_timeout_is_late() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    let takes = Duration::from_millis(1800);
    fake_server::serve(&site.server, server, move |query, _| {
        Some((takes, message::answer(query, 3)))
    });
    let mut watch = site.watch(&["--timeout", "1s"]);
    let name = site.name("late");
    ask(
        &site.client,
        server,
        &message::query(1234, &message::labels(&name), message::A),
    );

    let mut records = watch.records(4);
    records.extend(site.records(&mut watch));
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
    }
}
