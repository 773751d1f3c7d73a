//! `answer-drop`: the server is asked and answers, and a rule of the node
//! discards the answers to one pod, as a policy with one direction does.

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "answer-drop",
    rule: "dns_policy_drop",
    makes: "a rule of nftables that drops the answers to one pod",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.dns_pod("server")?;
    let denied = lab.pod("denied")?;
    let client = lab.pod("client")?;
    let answers = format!("ip daddr {} udp sport 53", denied.ip);
    lab.filter(None, "forward", &answers, "denied", "drop")?;
    lab.change(format!(
        "nftables on the node drops what is forwarded to {} from UDP port 53",
        denied.ip
    ));
    lab.ask(&denied, Ask::broken("lab-batch", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
