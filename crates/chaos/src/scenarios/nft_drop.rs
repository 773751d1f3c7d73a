//! `nft-drop`: a rule of the node discards one pod's queries, as a network
//! policy does. Another pod asks the same server.

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "nft-drop",
    rule: "dns_policy_drop",
    makes: "a rule of nftables that drops one pod's queries on their way",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.dns_pod("server")?;
    let denied = lab.pod("denied")?;
    let client = lab.pod("client")?;
    let queries = format!("ip saddr {} udp dport 53", denied.ip);
    lab.filter(None, "forward", &queries, "denied", "drop")?;
    lab.change(format!(
        "nftables on the node drops what {} forwards to UDP port 53",
        denied.ip
    ));
    lab.ask(&denied, Ask::broken("lab-batch", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
