//! The options of `kerno watch` that choose what is told. What must not be told
//! is asked first: once the last of the rest is told, it will not come any more.

use std::net::SocketAddr;
use std::time::Duration;

use crate::ask::ask;
use crate::ask::connected;
use crate::fake_server;
use crate::fake_server::at_once;
use crate::message;
use crate::process::finish;
use crate::record::Record;
use crate::site::SERVER_V4;
use crate::site::Site;

#[test]
fn root_name_is_a_glob_without_regard_to_case() {
    let site = Site::new();
    let _unbound = site.unbound();
    let mut watch = site.watch(&["--name", &site.name("WW?")]);
    let mut any = site.watch(&["--name", &format!("*{}", &site.zone[2..])]);
    for label in ["nothing", "wwww", "ww", "a.www", "www", "wWx"] {
        ask_for(&site, label, 53);
    }
    assert_eq!(
        labels(&watch.records(4), &site),
        ["www", "www", "wWx", "wWx"]
    );
    assert_eq!(any.records(12).len(), 12);
}

#[test]
fn root_pid_and_comm_choose_a_process() {
    let site = Site::new();
    let unbound = site.unbound();
    let own_pid = std::process::id().to_string();
    let mut of_dig = site.watch(&["--comm", "dig"]);
    let mut of_test = site.watch(&["--pid", &own_pid]);
    let mut of_server = site.watch(&["--pid", &unbound.pid().to_string()]);
    ask_for(&site, "before", 53);
    dig(&site, "digged");
    ask_for(&site, "after", 53);

    let records = of_server.records(3);
    assert_eq!(labels(&records, &site), ["before", "digged", "after"]);
    assert!(records.iter().all(|r| r.role == "server"), "{records:#?}");
    let records = of_test.records(2);
    assert_eq!(labels(&records, &site), ["before", "after"]);
    assert!(records.iter().all(|r| r.role == "client"), "{records:#?}");
    dig(&site, "last");
    let records = of_dig.records(2);
    assert_eq!(labels(&records, &site), ["digged", "last"]);
}

#[test]
fn root_role_is_one_of_two() {
    let site = Site::new();
    let _unbound = site.unbound();
    for role in ["client", "server"] {
        let mut watch = site.watch(&["--role", role]);
        ask_for(&site, "first", 53);
        ask_for(&site, "second", 53);
        let records = watch.records(2);
        assert_eq!(labels(&records, &site), ["first", "second"]);
        assert!(records.iter().all(|r| r.role == role), "{records:#?}");
    }
    let mut watch = site.watch(&["--role", "both"]);
    ask_for(&site, "both", 53);
    let records = watch.records(2);
    assert_ne!(records[0].role, records[1].role, "{records:#?}");
}

#[test]
fn root_failed_is_neither_noerror_nor_nxdomain() {
    let site = Site::new();
    let _unbound = site.unbound();
    let mut watch = site.watch(&["--failed", "--timeout", "1s"]);
    ask_for(&site, "www", 53);
    ask_for(&site, "nothing", 53);
    let silent = message::query(1, &message::labels(&site.name("silent")), message::A);
    let server = SocketAddr::new(SERVER_V4, 53);
    connected(&site.client, server)
        .send(&silent)
        .expect("to ask");
    ask_for(&site, "refused", 53);

    let mut told = labels(&watch.records(4), &site);
    told.sort_unstable();
    assert_eq!(told, ["refused", "refused", "silent", "silent"]);
}

/// Answered or not: what has waited longer is told too.
#[test]
fn root_slower_than_is_about_the_time() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    fake_server::serve(&site.server, server, |query, _| {
        let wait = match message::first_label(query).as_str() {
            "slow" => 400,
            "silent" => return Vec::new(),
            _ => 0,
        };
        vec![(Duration::from_millis(wait), message::answer(query, 0))]
    });
    let mut watch = site.watch(&["--slower-than", "300ms", "--timeout", "1s"]);
    let silent = message::query(1, &message::labels(&site.name("silent")), message::A);
    connected(&site.client, server)
        .send(&silent)
        .expect("to ask");
    for label in ["fast", "slow", "fast"] {
        ask_for(&site, label, 53);
    }
    assert_eq!(
        labels(&watch.records(4), &site),
        ["slow", "slow", "silent", "silent"]
    );
}

#[test]
fn root_port_replaces_53() {
    let site = Site::new();
    for port in [53, 5399, 5400] {
        let server = SocketAddr::new(SERVER_V4, port);
        fake_server::serve(&site.server, server, |query, _| at_once(query));
    }
    let mut watch = site.watch(&["--port", "5399", "--port", "5400"]);
    for port in [53, 5399, 53, 5400] {
        ask_for(&site, &format!("at-{port}"), port);
    }
    let records = watch.records(4);
    assert_eq!(
        labels(&records, &site),
        ["at-5399", "at-5399", "at-5400", "at-5400"]
    );
    for pair in records.chunks(2) {
        assert_ne!(pair[0].role, pair[1].role, "{pair:#?}");
    }
}

#[test]
fn root_watch_ends_with_its_duration() {
    let site = Site::new();
    let mut watch = site.watch(&["--duration", "300ms"]);
    assert_eq!(watch.process.ended().code(), Some(0));
}

/// A query of the test's own, answered.
fn ask_for(site: &Site, label: &str, port: u16) {
    let query = message::query(1, &message::labels(&site.name(label)), message::A);
    ask(&site.client, SocketAddr::new(SERVER_V4, port), &query);
}

fn dig(site: &Site, label: &str) {
    let arguments = [format!("@{SERVER_V4}"), site.name(label)];
    finish(site.client.command("dig").args(arguments));
}

/// The first labels of what was asked, in the order of the records.
fn labels(records: &[Record], site: &Site) -> Vec<String> {
    let suffix = format!(".{}", site.zone);
    let name = |record: &Record| record.name.clone().expect("a name");
    records
        .iter()
        .map(|r| name(r).strip_suffix(&suffix).expect("the zone").to_owned())
        .collect()
}
