//! `dead-server`: the first of two nameservers never answers, so that each
//! lookup waits for it before the second one is asked. Another program of the
//! pod has the second one alone.

use anyhow::Result;

use super::OUTSIDE;
use crate::chaos::lab::Recipe;
use crate::chaos::lab::client::Ask;
use crate::chaos::lab::server::Serve;
use crate::chaos::lab::site::Lab;
use crate::chaos::lab::site::dns_at;

/// The scenario.
pub const DEAD_SERVER: Recipe = Recipe::of(make);

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.pod("server")?;
    let client = lab.pod("client")?;
    lab.serve(&server, Serve::well("lab-dns", server.dns()))?;
    lab.silent_world(OUTSIDE)?;
    let dead = dns_at(OUTSIDE);
    lab.change(format!("{dead} never answers, {} does", server.dns()));
    let mut ask = Ask::broken("lab-slow", dead);
    ask.servers.push(server.dns());
    lab.ask(&client, ask)?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
