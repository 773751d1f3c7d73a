//! Packets that a router on this host discards, with address translation and
//! without.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::Duration;

use crate::ask::connected;
use crate::ask::unconnected;
use crate::exchange::check_own;
use crate::fake_server;
use crate::fake_server::at_once;
use crate::firewall::Firewall;
use crate::firewall::nft;
use crate::message;
use crate::record::Record;
use crate::router::Route;
use crate::router::SERVER;
use crate::router::ip;
use crate::watch::Watch;

/// The cluster's DNS service, which no host has.
const SERVICE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 10));

/// As kube-proxy does it: the destination is translated, and the source too, here
/// to another port for sure.
fn translate(route: &Route) {
    let rules = format!(
        "add table ip nat; \
         add chain ip nat before {{ type nat hook prerouting priority -100; }}; \
         add chain ip nat after {{ type nat hook postrouting priority 100; }}; \
         add rule ip nat before ip daddr {SERVICE} dnat to {SERVER}; \
         add rule ip nat after udp dport 53 snat to 10.82.0.254:1024-2047"
    );
    nft(&route.router.namespace, &rules);
}

/// One query to an address, and the one record that says what became of it.
fn the_end_of(route: &Route, watch: &mut Watch, is_connected: bool, to: IpAddr) -> Record {
    let server = SocketAddr::new(to, 53);
    let name = route.name("in-vain");
    let query = message::query(7, &message::labels(&name), message::A);
    let port = if is_connected {
        let socket = connected(&route.client, server);
        socket.send(&query).expect("to ask");
        socket.local_addr().expect("a port").port()
    } else {
        let socket = unconnected(&route.client, to);
        socket.send_to(&query, server).expect("to ask");
        socket.local_addr().expect("a port").port()
    };
    let is_mine = |record: &Record| record.role == "client";
    let mut records = watch.until("the client's record", |seen| seen.iter().any(is_mine));
    records.extend(route.records(watch));
    records.retain(is_mine);
    let [record] = &records[..] else {
        panic!("not one: {records:#?}")
    };
    assert_eq!(record.name.as_ref(), Some(&name), "{record:#?}");
    assert_eq!(record.client.port, port, "{record:#?}");
    assert_eq!(record.server, server.into(), "{record:#?}");
    check_own(record, &route.client);
    record.clone()
}

#[track_caller]
fn check(record: &Record, reason: &str) {
    assert_eq!(record.outcome, "dropped", "{record:#?}");
    assert_eq!(record.reason.as_deref(), Some(reason), "{record:#?}");
    // Far below the timeout: it ended with its packet.
    assert!(record.waited_ns < Some(1_000_000_000), "{record:#?}");
}

#[test]
fn root_a_query_is_not_forwarded() {
    for is_translated in [false, true] {
        let route = Route::new();
        if is_translated {
            translate(&route);
        }
        let _wall = Firewall::new(&route.router.namespace, "forward", "udp dport 53", "drop");
        let mut watch = route.watch(&[]);
        let to = if is_translated { SERVICE } else { SERVER };
        for is_connected in [true, false] {
            let record = the_end_of(&route, &mut watch, is_connected, to);
            check(&record, "NETFILTER_DROP");
        }
    }
}

#[test]
fn root_an_answer_is_not_forwarded() {
    let route = Route::new();
    translate(&route);
    let _wall = Firewall::new(&route.router.namespace, "forward", "udp sport 53", "drop");
    fake_server::serve(&route.server, SocketAddr::new(SERVER, 53), |query, _| {
        at_once(query)
    });
    let mut watch = route.watch(&[]);
    for is_connected in [true, false] {
        let record = the_end_of(&route, &mut watch, is_connected, SERVICE);
        check(&record, "NETFILTER_DROP");
    }
}

/// Behind the router nothing is left of the client but the id and the question.
#[test]
fn root_a_query_is_discarded_behind_translation() {
    let route = Route::new();
    translate(&route);
    let _wall = Firewall::new(&route.server.namespace, "input", "udp dport 53", "drop");
    let mut watch = route.watch(&[]);
    for is_connected in [true, false] {
        let record = the_end_of(&route, &mut watch, is_connected, SERVICE);
        check(&record, "NETFILTER_DROP");
    }
}

#[test]
fn root_the_router_has_no_route() {
    let route = Route::new();
    let nowhere = Ipv4Addr::new(10, 99, 0, 1).into();
    let mut watch = route.watch(&[]);
    let record = the_end_of(&route, &mut watch, true, nowhere);
    check(&record, "IP_INNOROUTES");
}

#[test]
fn root_the_router_has_a_blackhole() {
    let route = Route::new();
    ip(&route.router.namespace, "route add blackhole 10.99.0.0/16");
    let nowhere = Ipv4Addr::new(10, 99, 0, 1).into();
    let mut watch = route.watch(&[]);
    let record = the_end_of(&route, &mut watch, true, nowhere);
    check(&record, "NOT_SPECIFIED");
}

/// Nobody has the address: known when the kernel has asked three times for it.
#[test]
fn root_the_server_has_no_link_address() {
    let route = Route::new();
    let nobody = Ipv4Addr::new(10, 82, 0, 99).into();
    let mut watch = route.watch(&["--timeout", "20s"]);
    let record = the_end_of(&route, &mut watch, true, nobody);
    assert_eq!(record.outcome, "dropped", "{record:#?}");
    assert_eq!(
        record.reason.as_deref(),
        Some("NEIGH_FAILED"),
        "{record:#?}"
    );
    let waited = Duration::from_nanos(record.waited_ns.expect("checked when read"));
    assert!(waited >= Duration::from_secs(1), "{record:#?}");
}
