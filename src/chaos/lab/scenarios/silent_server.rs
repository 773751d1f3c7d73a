//! `silent-server`: a server elsewhere never answers, there is no other, and
//! nothing on this host knows why.

use anyhow::Result;

use super::OUTSIDE;
use crate::chaos::lab::Recipe;
use crate::chaos::lab::client::Ask;
use crate::chaos::lab::server::Serve;
use crate::chaos::lab::site::Lab;
use crate::chaos::lab::site::dns_at;

/// The scenario.
pub const SILENT_SERVER: Recipe = Recipe::of(make);

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.pod("server")?;
    let lonely = lab.pod("lonely")?;
    let client = lab.pod("client")?;
    lab.serve(&server, Serve::well("lab-dns", server.dns()))?;
    lab.silent_world(OUTSIDE)?;
    lab.change(format!("{OUTSIDE} never answers"));
    lab.ask(&lonely, Ask::broken("lab-lonely", dns_at(OUTSIDE)))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
