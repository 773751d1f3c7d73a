//! `rp-filter`: a pod asks from a second address that the node would reach by
//! another cable, as with two networks and one default route. Strict
//! reverse-path filtering on the node discards that.

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::chaos::lab::Recipe;
use crate::chaos::lab::client::Ask;
use crate::chaos::lab::server::Serve;
use crate::chaos::lab::site::Lab;
use crate::chaos::lab::tool::IP;

/// The pod's address in its second network, which is not cabled here.
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 79, 1, 2);

/// The scenario.
pub const RP_FILTER: Recipe = Recipe::of(make);

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.pod("server")?;
    let twofold = lab.pod("twofold")?;
    let client = lab.pod("client")?;
    lab.serve(&server, Serve::well("lab-dns", server.dns()))?;
    let script = format!(
        "address add {SECOND}/24 dev lo\n\
         route replace default via {} src {SECOND}\n",
        twofold.gateway()
    );
    IP.run(&twofold.namespace, "-batch -", &script)?;
    // Or the node would not even answer who its neighbour is.
    twofold.namespace.set("ipv4/conf/eth0/arp_announce", "2")?;
    IP.run(&lab.node, &format!("route add {SECOND} dev client"), "")?;
    lab.node.set("ipv4/conf/twofold/rp_filter", "1")?;
    lab.change(format!(
        "pod {} asks from {SECOND}, which the node would reach by another interface, and the node \
         filters strictly (rp_filter = 1)",
        twofold.name
    ));
    lab.ask(&twofold, Ask::broken("lab-twofold", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
