//! `answer-drop`: the server is asked and answers, and a rule of the node
//! discards the answers to one pod, as a policy with one direction does.

use anyhow::Result;

use crate::chaos::lab::Recipe;
use crate::chaos::lab::client::Ask;
use crate::chaos::lab::server::Serve;
use crate::chaos::lab::site::Lab;

/// The scenario.
pub const ANSWER_DROP: Recipe = Recipe::of(make);

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
                ip daddr {} udp sport 53 counter name denied drop
            }}
        }}",
        denied.ip
    );
    lab.nft(&rules, &[("kerno", "denied")])?;
    lab.change(format!(
        "nftables on the node drops what is forwarded to {} from UDP port 53",
        denied.ip
    ));
    lab.ask(&denied, Ask::broken("lab-batch", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
