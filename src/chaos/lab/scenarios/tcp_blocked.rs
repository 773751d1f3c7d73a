//! `tcp-blocked`: some answers are truncated, and the rule of the node that lets
//! DNS pass forgot TCP.

use anyhow::Result;

use crate::chaos::lab::Recipe;
use crate::chaos::lab::client::Ask;
use crate::chaos::lab::server::Does;
use crate::chaos::lab::server::Serve;
use crate::chaos::lab::site::Lab;

/// The scenario. What is broken is the truncated answers: of the connections
/// that were to follow no query was ever sent.
pub const TCP_BLOCKED: Recipe = Recipe::of(make);

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.pod("server")?;
    let client = lab.pod("client")?;
    let truncate = Does::Truncate;
    lab.serve(&server, Serve::badly("lab-dns", server.dns(), truncate))?;
    let rules = "table inet kerno {
            counter syn { }
            chain forward {
                type filter hook forward priority 0;
                tcp dport 53 counter name syn drop
            }
        }";
    lab.nft(rules, &[("kerno", "syn")])?;
    lab.change(format!(
        "{} truncates some answers, and nftables on the node drops what is forwarded to TCP port 53",
        server.dns()
    ));
    lab.ask(&client, Ask::broken("lab-txt", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
