//! `legacy-drop`: as `nft-drop`, by a rule of the older tables. The kernel names
//! no place for its verdict, so it looks like what connection tracking discards.

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;
use crate::testbed::tool::IPTABLES_LEGACY;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "legacy-drop",
    rule: "dns_policy_drop",
    makes: "a rule of iptables-legacy that drops one pod's queries on their way",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.dns_pod("server")?;
    let denied = lab.pod("denied")?;
    let client = lab.pod("client")?;
    let rule = format!("-w -A FORWARD -s {} -p udp --dport 53 -j DROP", denied.ip);
    lab.node.run(IPTABLES_LEGACY, &rule, "")?;
    // Connection tracking at work, and innocent.
    lab.nft(
        "table inet kerno {
            counter tracked { }
            chain forward {
                type filter hook forward priority -1;
                ct state new counter name tracked
            }
        }",
        &[("kerno", "tracked")],
    )?;
    lab.change(format!(
        "iptables-legacy on the node drops what {} forwards to UDP port 53",
        denied.ip
    ));
    lab.ask(&denied, Ask::broken("lab-batch", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
