//! `output-drop`: a rule in the pod itself discards queries as they are sent. The
//! program that sends is told (EPERM), and no packet leaves the pod.

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "output-drop",
    rule: "dns_policy_drop",
    makes: "a rule in a pod that drops its queries as they are sent",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.dns_pod("server")?;
    let denied = lab.pod("denied")?;
    let client = lab.pod("client")?;
    lab.filter(Some(&denied), "output", "udp dport 53", "denied", "drop")?;
    lab.change(format!(
        "nftables in the pod {} drops what it sends to UDP port 53",
        denied.name
    ));
    lab.ask(&denied, Ask::broken("lab-batch", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
