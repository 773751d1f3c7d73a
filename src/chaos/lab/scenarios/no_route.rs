//! `no-route`: the node knows no way to the nameserver. It says so with ICMP
//! "network unreachable", of which no UDP client is told (RFC 1122 section
//! 4.2.3.9 calls it a soft error), so the lookup waits all the same.

use anyhow::Result;

use super::OUTSIDE;
use crate::chaos::lab::Recipe;
use crate::chaos::lab::client::Ask;
use crate::chaos::lab::server::Serve;
use crate::chaos::lab::site::Lab;
use crate::chaos::lab::site::dns_at;

/// The scenario.
pub const NO_ROUTE: Recipe = Recipe::of(make);

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.pod("server")?;
    let client = lab.pod("client")?;
    lab.serve(&server, Serve::well("lab-dns", server.dns()))?;
    lab.change(format!("the node has no route to {OUTSIDE}"));
    lab.ask(&client, Ask::broken("lab-lost", dns_at(OUTSIDE)))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
