//! `nft-drop`: a rule of the node discards one pod's queries, as a network
//! policy does. Another pod asks the same server.

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::recipe::Recipe;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

/// The scenario.
pub(crate) const SCENARIO: Scenario = Scenario {
    name: "nft-drop",
    rule: "dns_policy_drop",
    makes: "a rule of nftables that drops one pod's queries on their way",
    fault: Fault::Lab(Recipe::of(make)),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.pod("server")?;
    let denied = lab.pod("denied")?;
    let client = lab.pod("client")?;
    lab.serve(&server, Serve::well("lab-dns", server.dns()))?;
    let rules = format!(
        "table inet kerno {{
            counter denied {{ }}
            chain forward {{
                type filter hook forward priority 0;
                ip saddr {} udp dport 53 counter name denied drop
            }}
        }}",
        denied.ip
    );
    lab.nft(&rules, &[("kerno", "denied")])?;
    lab.change(format!(
        "nftables on the node drops what {} forwards to UDP port 53",
        denied.ip
    ));
    lab.ask(&denied, Ask::broken("lab-batch", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
