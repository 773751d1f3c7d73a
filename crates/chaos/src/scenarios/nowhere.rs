//! Programs that ask where no server is, or none that answers.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::lab::client::Ask;
use crate::lab::client::Style;
use crate::lab::pod::dns_at;
use crate::lab::recipe::Recipe;
use crate::lab::server::Serve;
use crate::scenario::Fault;
use crate::scenario::NOTHING;
use crate::scenario::Scenario;

/// A server outside (TEST-NET-3, RFC 5737), where no host has it.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 53);

pub(crate) const CLOSED_PORT: Scenario = Scenario {
    name: "closed-port",
    rule: "dns_nobody_listening",
    makes: "a program that asks an address where nobody listens on the DNS port",
    fault: Fault::lab(|lab| {
        let [server, bare, client] = lab.well_and("bare")?;
        lab.change(format!("nobody listens on {}", bare.dns()));
        lab.ask(&client, Ask::broken("lab-misled", bare.dns()))?;
        lab.ask(&client, Ask::healthy("lab-web", server.dns()))
    }),
};

/// The first of two nameservers never answers, so that each lookup waits for it
/// before the second one is asked. Another program of the pod has the second one
/// alone.
pub(crate) const DEAD_SERVER: Scenario = Scenario {
    name: "dead-server",
    rule: "dns_dead_server",
    makes: "a first nameserver that never answers, before one that does",
    fault: Fault::telling(
        |lab| {
            let server = lab.dns_pod("server")?;
            let client = lab.pod("client")?;
            lab.silent_outside(OUTSIDE)?;
            let dead = dns_at(OUTSIDE);
            lab.change(format!("{dead} never answers, {} does", server.dns()));
            let mut ask = Ask::broken("lab-slow", dead);
            ask.servers.push(server.dns());
            let list = format!("nameserver {OUTSIDE}\nnameserver {}\n", server.ip);
            ask.resolv_conf = Some(list);
            lab.ask(&client, ask)?;
            lab.ask(&client, Ask::healthy("lab-web", server.dns()))
        },
        &["is dead, and is still asked", "number 1 of 2 nameservers"],
    ),
};

/// Another one outside, so that what others find out of [`OUTSIDE`] is not said of it.
const SILENT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 54);

/// musl asks all nameservers at once, so nobody waits for one that never answers.
pub(crate) const NEVER_FIRST: Scenario = Scenario {
    name: "never-first",
    rule: NOTHING,
    makes: "nothing that hurts: a dead nameserver is asked beside a good one, as musl does",
    fault: Fault::telling(
        |lab| {
            let server = lab.dns_pod("server")?;
            let client = lab.pod("client")?;
            lab.silent_outside(SILENT)?;
            let dead = dns_at(SILENT);
            lab.change(format!("{dead} never answers, {} does", server.dns()));
            let mut ask = Ask::healthy("lab-musl", dead);
            ask.servers.push(server.dns());
            ask.style = Style::Musl;
            let list = format!("nameserver {SILENT}\nnameserver {}\n", server.ip);
            ask.resolv_conf = Some(list);
            lab.ask(&client, ask)
        },
        &["203.0.113.54:53 never answers; others that are asked at the same moment do"],
    ),
};

/// A program that runs for long has the server that was in resolv.conf when it began.
pub(crate) const OLD_SERVER: Scenario = Scenario {
    name: "old-server",
    rule: "dns_dead_server",
    makes: "a program that asks a server that is in its resolv.conf no more",
    fault: Fault::telling(
        |lab| {
            let server = lab.dns_pod("server")?;
            let client = lab.pod("client")?;
            lab.silent_outside(OUTSIDE)?;
            lab.change(format!(
                "lab-old asks {OUTSIDE}, which never answers; its resolv.conf has {} alone",
                server.ip
            ));
            let mut ask = Ask::broken("lab-old", dns_at(OUTSIDE));
            ask.resolv_conf = Some(format!("nameserver {}\n", server.ip));
            lab.ask(&client, ask)?;
            lab.ask(&client, Ask::healthy("lab-web", server.dns()))
        },
        &["not in resolv.conf (any more)"],
    ),
};

/// Where systemd-resolved listens, on a host that has it.
const STUB: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);

/// The host's resolv.conf was copied into a container.
pub(crate) const STUB_ADDRESS: Scenario = Scenario {
    name: "stub-address",
    rule: "dns_nobody_listening",
    makes: "a container that asks 127.0.0.53, where only its host has a server",
    fault: Fault::telling(
        |lab| {
            let host = lab.pod("host")?;
            let container = lab.pod("container")?;
            let stub = dns_at(STUB);
            lab.serve(&host, Serve::well("lab-stub", stub))?;
            lab.change(format!(
                "{stub} is served in pod host, and asked in pod container"
            ));
            lab.ask(&container, Ask::broken("lab-app", stub))?;
            lab.ask(&host, Ask::healthy("lab-web", stub))
        },
        &["in a container", "In other network namespaces"],
    ),
};

/// From the end of the old server to the start of the new one.
const RESTART: Duration = Duration::from_millis(500);

pub(crate) const RESTART_OF_SERVER: Scenario = Scenario {
    name: "restart",
    rule: "dns_nobody_listening",
    makes: "a server that ends, and half a second later another process in its place",
    fault: Fault::Lab(Recipe {
        during: Some(|lab| lab.restart("server", RESTART)),
        says: &["Nobody listened at", "restarted", "gave the next one"],
        ..Recipe::of(|lab| {
            let [server, client] = [lab.dns_pod("server")?, lab.pod("client")?];
            lab.change(format!(
                "the server at {} ends, and starts again {} ms later",
                server.dns(),
                RESTART.as_millis()
            ));
            lab.ask(&client, Ask::broken("lab-app", server.dns()))
        })
    }),
};

pub(crate) const SILENT_SERVER: Scenario = Scenario {
    name: "silent-server",
    rule: "dns_unknown",
    makes: "a server elsewhere that never answers, for no reason seen here",
    fault: Fault::lab(|lab| {
        let [server, lonely, client] = lab.well_and("lonely")?;
        lab.silent_outside(OUTSIDE)?;
        lab.change(format!("{OUTSIDE} never answers"));
        lab.ask(&lonely, Ask::broken("lab-lonely", dns_at(OUTSIDE)))?;
        lab.ask(&client, Ask::healthy("lab-web", server.dns()))
    }),
};

/// The node knows no way to the nameserver. It says so with ICMP "network
/// unreachable", of which no UDP client is told (RFC 1122 section 4.2.3.9 calls it a
/// soft error), so the lookup waits all the same.
pub(crate) const NO_ROUTE: Scenario = Scenario {
    name: "no-route",
    rule: "dns_no_route",
    makes: "a node that has no route to the nameserver",
    fault: Fault::lab(|lab| {
        let server = lab.dns_pod("server")?;
        let client = lab.pod("client")?;
        lab.change(format!("the node has no route to {OUTSIDE}"));
        lab.ask(&client, Ask::broken("lab-lost", dns_at(OUTSIDE)))?;
        lab.ask(&client, Ask::healthy("lab-web", server.dns()))
    }),
};

/// The nameserver's address is in a network of the node, and no host has it. The
/// node says so with ICMP "host unreachable", of which no UDP client is told.
pub(crate) const DEAD_NEIGHBOUR: Scenario = Scenario {
    name: "dead-neighbour",
    rule: "dns_no_route",
    makes: "a nameserver's address that no host of its network has",
    fault: Fault::lab(|lab| {
        let server = lab.dns_pod("server")?;
        let client = lab.pod("client")?;
        // Between two of the node's three questions for the neighbour. By default it
        // is 1 s, and the queries that wait are dropped after 3 s, which is longer
        // than the doctors of a lab watch a query.
        let retransmission = format!("ipv4/neigh/{}/retrans_time_ms", server.name);
        lab.node.set(&retransmission, "200")?;
        let nobody = server.neighbour(9);
        lab.change(format!("no host has {nobody}, in a network of the node"));
        lab.ask(&client, Ask::broken("lab-lost", dns_at(nobody)))?;
        lab.ask(&client, Ask::healthy("lab-web", server.dns()))
    }),
};
