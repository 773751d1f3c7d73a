//! `two-at-once`: two pods, each with a fault of its own, at the same time.

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

/// What the second pod's failures must be found as; the row of the table has the
/// first.
const SECOND: &str = "dns_policy_drop";

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "two-at-once",
    rule: "dns_nobody_listening",
    makes: "a closed port for one pod and a dropping rule for another (dns_policy_drop)",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.dns_pod("server")?;
    let bare = lab.pod("bare")?;
    let misled = lab.pod("misled")?;
    let denied = lab.pod("denied")?;
    let client = lab.pod("client")?;
    lab.change(format!("nobody listens on {}", bare.dns()));
    let queries = format!("ip saddr {} udp dport 53", denied.ip);
    lab.filter(None, "forward", &queries, "denied", "drop")?;
    lab.change(format!(
        "nftables on the node drops what {} forwards to UDP port 53",
        denied.ip
    ));
    lab.ask(&misled, Ask::broken("lab-misled", bare.dns()))?;
    let mut ask = Ask::broken("lab-batch", server.dns());
    ask.rule = Some(SECOND.to_owned());
    lab.ask(&denied, ask)?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
