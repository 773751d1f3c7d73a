//! `no-route`: the node knows no way to the nameserver. It says so with ICMP
//! "network unreachable", of which no UDP client is told (RFC 1122 section
//! 4.2.3.9 calls it a soft error), so the lookup waits all the same.

use anyhow::Result;

use super::OUTSIDE;
use crate::lab::client::Ask;
use crate::lab::site::Lab;
use crate::lab::site::dns_at;
use crate::scenario::Fault;
use crate::scenario::Scenario;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "no-route",
    rule: "dns_no_route",
    makes: "a node that has no route to the nameserver",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.dns_pod("server")?;
    let client = lab.pod("client")?;
    lab.change(format!("the node has no route to {OUTSIDE}"));
    lab.ask(&client, Ask::broken("lab-lost", dns_at(OUTSIDE)))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
