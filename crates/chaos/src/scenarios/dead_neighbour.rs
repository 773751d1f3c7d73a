//! `dead-neighbour`: the nameserver's address is in a network of the node, and
//! no host has it. The node says so with ICMP "host unreachable", of which no
//! UDP client is told.

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::site::Lab;
use crate::lab::site::dns_at;
use crate::scenario::Fault;
use crate::scenario::Scenario;

/// Between two of the node's three questions for the neighbour. By default it is
/// 1 s, and the queries that wait are dropped after 3 s, which is longer than
/// the doctors of a lab watch a query.
const ASK_EACH_MS: &str = "200";

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "dead-neighbour",
    rule: "dns_no_route",
    makes: "a nameserver's address that no host of its network has",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.dns_pod("server")?;
    let client = lab.pod("client")?;
    let retransmission = format!("ipv4/neigh/{}/retrans_time_ms", server.name);
    lab.node.set(&retransmission, ASK_EACH_MS)?;
    let [a, b, c, _] = server.ip.octets();
    let nobody = Ipv4Addr::new(a, b, c, 9);
    lab.change(format!("no host has {nobody}, in a network of the node"));
    lab.ask(&client, Ask::broken("lab-lost", dns_at(nobody)))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
