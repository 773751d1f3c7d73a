//! Queries that the kernel discards without telling of it, or telling something else
//! than of their like.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;

use kerno_chaos::testbed::tool::IP;
use serde_json::Value;

use crate::ask::connected;
use crate::doctor::Doctor;
use crate::message;
use crate::process::poll;
use crate::record::Record;
use crate::router::Route;
use crate::router::ip;
use crate::watch::Watch;

/// In the network of the router and the server, and of no host.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 82, 0, 99));
/// The router's end of the server's cable.
const LINK: &str = "to-10.82.0";

/// A router that gives up on a link address after 0.3 s, not 3.
fn impatient() -> Route {
    let route = Route::new();
    let settings = format!("ntable change name arp_cache dev {LINK} retrans 100");
    ip(&route.router.namespace, &settings);
    route
}

fn ask(route: &Route, queries: u16) {
    let socket = connected(&route.client, SocketAddr::new(NOBODY, 53));
    for id in 0..queries {
        let query = message::query(id, &message::labels(&route.name("in-vain")), message::A);
        socket.send(&query).expect("to ask");
    }
}

fn ends(watch: &mut Watch, queries: u16) -> Vec<Record> {
    watch.records(queries.into())
}

/// Asks until the kernel has told that it discarded some for want of a link address.
/// There are contexts in which it tells nothing. Returns how many were asked.
fn ask_until_told(route: &Route, watch: &mut Watch) -> u64 {
    const BATCH: u16 = 6;
    for batch in 1..=10 {
        ask(route, BATCH);
        let ends = ends(watch, BATCH);
        if ends.iter().any(|end| end.outcome == "dropped") {
            return batch * u64::from(BATCH);
        }
    }
    panic!("the kernel tells nothing");
}

#[track_caller]
fn check_no_route(report: &Value, queries: u64) {
    let causes = &report["accounting"]["failures_by_cause"];
    assert_eq!(causes, &serde_json::json!({ "dns_no_route": queries }));
}

/// Sixteen queries vanish without a word, between others that are told of. A link
/// address that no host has does to them what the kernel does where it runs no
/// tracing program.
#[test]
fn root_a_batch_that_is_not_told_has_the_cause_of_its_like() {
    const UNSEEN: u16 = 16;
    let route = impatient();
    let zone = format!("*.{}", route.zone);
    let doctor = Doctor::start(&["--output", "json", "--timeout", "2s", "--name", &zone]);
    let mut watch = route.watch(&["--timeout", "2s"]);

    let mut asked = ask_until_told(&route, &mut watch);
    let router = &route.router.namespace;
    let neighbour = format!("neigh replace {NOBODY} dev {LINK} lladdr 02:00:00:00:00:77");
    ip(router, &format!("{neighbour} nud permanent"));
    ask(&route, UNSEEN);
    let ends = ends(&mut watch, UNSEEN);
    assert!(
        ends.iter().all(|end| end.outcome == "unanswered"),
        "{ends:#?}"
    );
    ip(router, &format!("neigh delete {NOBODY} dev {LINK}"));
    asked += u64::from(UNSEEN) + ask_until_told(&route, &mut watch);

    let (_, report) = doctor.json();
    check_no_route(&report, asked);
    let unseen = report["accounting"]["drops_unseen"].as_u64();
    assert!(unseen >= Some(UNSEEN.into()), "{}", report["accounting"]);
}

/// The queue of those that wait for a link address is emptied, when the kernel forgets
/// the neighbour: the reason says nothing of a neighbour.
#[test]
fn root_a_queue_that_is_emptied_is_one_of_a_neighbour() {
    let route = Route::new(); // patient: they wait
    let zone = format!("*.{}", route.zone);
    let doctor = Doctor::start(&["--output", "json", "--timeout", "10s", "--name", &zone]);
    let mut watch = route.watch(&["--timeout", "10s"]);
    let router = &route.router.namespace;
    let incomplete = || {
        let neighbours = router.run(IP, "neigh show", "").expect("ip");
        let line = neighbours
            .lines()
            .find(|it| it.starts_with(&NOBODY.to_string()));
        line.filter(|it| it.contains("INCOMPLETE")).map(|_| ())
    };
    ask(&route, 6);
    poll("queries that wait", incomplete);
    ip(
        router,
        &format!("link set {LINK} address 02:00:00:00:00:99"),
    );
    let ends = ends(&mut watch, 6);
    let reasons: Vec<_> = ends.iter().map(|end| end.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("QUEUE_PURGE"); 6]);
    let (_, report) = doctor.json();
    check_no_route(&report, 6);
}
