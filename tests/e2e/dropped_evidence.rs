//! What is known of a discarded packet beyond the reason, which `kerno watch` tells:
//! the place in the kernel, connection tracking, the namespace, the addresses.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use kerno::attempt::Attempt;
use kerno::attempt::Conntrack;
use kerno::attempt::Outcome;
use kerno::attempt::Packet;
use kerno::attempt::PacketDrop;
use kerno::host::Host;
use kerno::kernel::Config;
use kerno::kernel::Wake;
use kerno::monitor::Message;
use kerno::monitor::Monitor;
use kerno_chaos::testbed::Namespace;

use crate::ask::connected;
use crate::fake_server;
use crate::fake_server::at_once;
use crate::firewall::Firewall;
use crate::firewall::nft;
use crate::message;
use crate::process::PATIENCE;
use crate::router::Route;
use crate::router::SERVER;
use crate::site::SERVER_V4;
use crate::site::Site;

/// The cluster's DNS service, which no host has.
const SERVICE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 10));

fn monitor() -> Monitor {
    let host = Host::probe().expect("a host that kerno can watch");
    let config = Config {
        ports: vec![53],
        wake: Wake::Each,
        count_plain: false,
        lookups: false,
        all_hooks: false,
    };
    Monitor::start(host, config, Duration::from_secs(5)).expect("the programs attach")
}

/// The client's attempt with this name, once it has ended.
fn attempt(monitor: &Monitor, name: &str) -> Attempt {
    let is_mine = |attempt: &Attempt| {
        let question = attempt.question.parse();
        question.is_some_and(|question| question.name == name)
            && attempt.role == kerno::attempt::Role::Client
    };
    let start = Instant::now();
    loop {
        let patience = PATIENCE.saturating_sub(start.elapsed());
        let message = monitor.messages().recv_timeout(patience);
        match message.expect("the attempt, or more of others") {
            Message::Ended(ended) => {
                if let Some(attempt) = ended.into_iter().find(is_mine) {
                    return attempt;
                }
            }
            Message::Finished(_) => panic!("it ended before the attempt"),
            _ => {} // of other tests
        }
    }
}

fn query(name: &str) -> Vec<u8> {
    message::query(7, &message::labels(name), message::A)
}

fn is_in(drop: &PacketDrop, namespace: &Namespace) -> bool {
    u64::from(drop.netns) == namespace.inode()
}

/// Sent into a wall in the sender's own stack, without connection tracking and with
/// it.
#[test]
fn root_evidence_of_a_query_that_was_not_let_out() {
    let site = Site::new();
    let monitor = monitor();
    let server = SocketAddr::new(SERVER_V4, 53);
    for (matches, conntrack) in [
        ("udp dport 53", Conntrack::Absent),
        ("ct state new udp dport 53", Conntrack::Unconfirmed),
    ] {
        let name = site.name("not-let-out");
        let wall = Firewall::new(&site.client.namespace, "output", matches, "drop");
        let socket = connected(&site.client, server);
        let _not_permitted = socket.send(&query(&name));
        let attempt = attempt(&monitor, &name);
        let drop = attempt.drop.as_deref().expect("evidence");
        assert_eq!(attempt.outcome, Outcome::Dropped);
        assert_eq!(&*drop.reason, "NETFILTER_DROP");
        assert_eq!(drop.location.as_deref(), Some("nft_do_chain"));
        assert_eq!((drop.packet, drop.when_sent), (Packet::Query, true));
        assert_eq!(drop.conntrack, Some(conntrack), "{matches}");
        assert!(is_in(drop, &site.client.namespace));
        assert_eq!(drop.source, socket.local_addr().expect("a port"));
        assert_eq!(drop.destination, server);
        wall.lift();
    }
}

#[test]
fn root_evidence_of_a_query_that_was_rejected() {
    let site = Site::new();
    let monitor = monitor();
    let server = SocketAddr::new(SERVER_V4, 53);
    for (place, hook) in [(&site.client, "output"), (&site.server, "input")] {
        let name = site.name(hook);
        let wall = Firewall::new(&place.namespace, hook, "udp dport 53", "reject");
        let socket = connected(&site.client, server);
        let _not_permitted = socket.send(&query(&name));
        let attempt = attempt(&monitor, &name);
        let drop = attempt.drop.as_deref().expect("evidence");
        assert_eq!(attempt.outcome, Outcome::Refused);
        assert_eq!(&*drop.reason, "NETFILTER_DROP");
        assert_eq!(drop.when_sent, hook == "output");
        assert!(is_in(drop, &place.namespace));
        wall.lift();
    }
}

/// Behind a service's address: connection tracking knows who answers.
#[test]
fn root_evidence_of_packets_that_were_not_forwarded() {
    let route = Route::new();
    let rules = format!(
        "add table ip nat; \
         add chain ip nat before {{ type nat hook prerouting priority -100; }}; \
         add rule ip nat before ip daddr {SERVICE} dnat to {SERVER}"
    );
    nft(&route.router.namespace, &rules);
    fake_server::serve(&route.server, SocketAddr::new(SERVER, 53), |query, _| {
        at_once(query)
    });
    let monitor = monitor();
    let socket = connected(&route.client, SocketAddr::new(SERVICE, 53));
    let client = socket.local_addr().expect("a port");
    let confirmed = Conntrack::Confirmed {
        reply_source: SERVER,
    };
    // The entry is made by the first query, and found by all that follow.
    for (label, matches, packet, conntrack) in [
        (
            "first",
            "udp dport 53",
            Packet::Query,
            Conntrack::Unconfirmed,
        ),
        ("answer", "udp sport 53", Packet::Answer, confirmed),
        ("second", "udp dport 53", Packet::Query, confirmed),
    ] {
        let name = route.name(label);
        let wall = Firewall::new(&route.router.namespace, "forward", matches, "drop");
        socket.send(&query(&name)).expect("to ask");
        let attempt = attempt(&monitor, &name);
        let drop = attempt.drop.as_deref().expect("evidence");
        assert_eq!(attempt.outcome, Outcome::Dropped, "{label}");
        assert_eq!((drop.packet, drop.when_sent), (packet, false), "{label}");
        assert_eq!(drop.conntrack, Some(conntrack), "{label}");
        assert!(is_in(drop, &route.router.namespace), "{label}");
        let server = SocketAddr::new(SERVER, 53);
        let ends = match packet {
            Packet::Query => (client, server),
            _ => (server, client),
        };
        assert_eq!((drop.source, drop.destination), ends, "{label}");
        wall.lift();
    }
}

/// The receive buffer of a server that reads nothing.
#[test]
fn root_evidence_of_a_full_receive_buffer() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    let _silent = fake_server::silent(&site.server, server);
    let monitor = monitor();
    let socket = connected(&site.client, server);
    for _ in 0..500 {
        socket.send(&query(&site.name("fills"))).expect("to ask");
    }
    let name = site.name("overflows");
    socket.send(&query(&name)).expect("to ask");
    let attempt = attempt(&monitor, &name);
    let drop = attempt.drop.as_deref().expect("evidence");
    assert_eq!(attempt.outcome, Outcome::Dropped);
    assert_eq!(&*drop.reason, "SOCKET_RCVBUFF");
    assert_eq!(drop.packet, Packet::Query);
    assert!(is_in(drop, &site.server.namespace), "{}", drop.netns);
    let location = drop.location.as_deref().expect("a function");
    assert!(location.contains("udp_queue_rcv"), "{location}");
}
