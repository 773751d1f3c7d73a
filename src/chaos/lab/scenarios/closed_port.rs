//! `closed-port`: nobody listens where a program asks. It uses one of two
//! addresses, the other of which has a server.

use anyhow::Result;

use crate::chaos::lab::Recipe;
use crate::chaos::lab::client::Ask;
use crate::chaos::lab::server::Serve;
use crate::chaos::lab::site::Lab;

/// The scenario.
pub const CLOSED_PORT: Recipe = Recipe::of(make);

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.pod("server")?;
    let bare = lab.pod("bare")?;
    let client = lab.pod("client")?;
    lab.serve(&server, Serve::well("lab-dns", server.dns()))?;
    lab.change(format!("nobody listens on {}", bare.dns()));
    lab.ask(&client, Ask::broken("lab-misled", bare.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
