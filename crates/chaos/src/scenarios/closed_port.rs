//! `closed-port`: nobody listens where a program asks. It uses one of two
//! addresses, the other of which has a server.

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::recipe::Recipe;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

/// The scenario.
pub(crate) const SCENARIO: Scenario = Scenario {
    name: "closed-port",
    rule: "dns_nobody_listening",
    makes: "a program that asks an address where nobody listens on the DNS port",
    fault: Fault::Lab(Recipe::of(make)),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.pod("server")?;
    let bare = lab.pod("bare")?;
    let client = lab.pod("client")?;
    lab.serve(&server, Serve::well("lab-dns", server.dns()))?;
    lab.change(format!("nobody listens on {}", bare.dns()));
    lab.ask(&client, Ask::broken("lab-misled", bare.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
