//! `rp-filter`: a pod asks from a second address that the node would reach by
//! another link, as with two networks and one default route. Strict
//! reverse-path filtering on the node discards that.

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;
use crate::testbed::tool::IP;

/// The pod's address in its second network, which is not cabled here.
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 79, 1, 2);

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "rp-filter",
    rule: "dns_kernel_drop",
    makes: "a pod that asks by another way than its answers would take",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.dns_pod("server")?;
    let twofold = lab.pod("twofold")?;
    let client = lab.pod("client")?;
    let script = format!(
        "address add {SECOND}/24 dev lo\n\
         route replace default via {} src {SECOND}\n",
        twofold.gateway()
    );
    twofold.namespace.run(IP, "-batch -", &script)?;
    // Or the node would not even answer who its neighbour is.
    twofold.namespace.set("ipv4/conf/eth0/arp_announce", "2")?;
    lab.node
        .run(IP, &format!("route add {SECOND} dev client"), "")?;
    lab.node.set("ipv4/conf/twofold/rp_filter", "1")?;
    lab.change(format!(
        "pod {} asks from {SECOND}, which the node would reach by another interface, and the node \
         filters strictly (rp_filter = 1)",
        twofold.name
    ));
    lab.ask(&twofold, Ask::broken("lab-twofold", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
