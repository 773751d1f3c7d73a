//! `servfail` and `refused`: the server answers some names with an error.

use anyhow::Result;

use crate::chaos::lab::Recipe;
use crate::chaos::lab::client::Ask;
use crate::chaos::lab::server::Does;
use crate::chaos::lab::server::Serve;
use crate::chaos::lab::site::Lab;

/// The scenario `servfail`.
pub const SERVFAIL: Recipe = Recipe::of(|lab| make(lab, 2, "SERVFAIL"));

/// The scenario `refused`.
pub const REFUSED: Recipe = Recipe::of(|lab| make(lab, 5, "REFUSED"));

fn make(lab: &mut Lab, rcode: u8, name: &str) -> Result<()> {
    let server = lab.pod("server")?;
    let client = lab.pod("client")?;
    let error = Does::Rcode(rcode);
    lab.serve(&server, Serve::badly("lab-dns", server.dns(), error))?;
    lab.change(format!("{} answers some names with {name}", server.dns()));
    lab.ask(&client, Ask::broken("lab-mail", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
