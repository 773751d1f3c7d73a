//! `reject`: a rule of the node rejects one pod's queries as if nobody listened,
//! as kube-proxy does for a service without endpoints. The kernel tells a client
//! so once a second; of the other queries it is silent.

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "reject",
    rule: "dns_nobody_listening",
    makes: "a rule of nftables that rejects one pod's queries as port unreachable",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.dns_pod("server")?;
    let denied = lab.pod("denied")?;
    let client = lab.pod("client")?;
    let queries = format!("ip saddr {} udp dport 53", denied.ip);
    lab.filter(
        None,
        "forward",
        &queries,
        "rejected",
        "reject with icmp port-unreachable",
    )?;
    lab.change(format!(
        "nftables on the node rejects what {} forwards to UDP port 53, as port unreachable",
        denied.ip
    ));
    lab.ask(&denied, Ask::broken("lab-batch", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
