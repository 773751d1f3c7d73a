//! Programs that ask where no server is, or none that answers.

use std::net::Ipv4Addr;

use crate::lab::client::Ask;
use crate::lab::site::dns_at;
use crate::scenario::Fault;
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
    fault: Fault::lab(|lab| {
        let server = lab.dns_pod("server")?;
        let client = lab.pod("client")?;
        lab.silent_outside(OUTSIDE)?;
        let dead = dns_at(OUTSIDE);
        lab.change(format!("{dead} never answers, {} does", server.dns()));
        let mut ask = Ask::broken("lab-slow", dead);
        ask.servers.push(server.dns());
        lab.ask(&client, ask)?;
        lab.ask(&client, Ask::healthy("lab-web", server.dns()))
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
