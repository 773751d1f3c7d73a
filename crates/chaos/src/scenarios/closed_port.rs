//! `closed-port`: nobody listens where a program asks. It uses one of two
//! addresses, the other of which has a server.

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "closed-port",
    rule: "dns_nobody_listening",
    makes: "a program that asks an address where nobody listens on the DNS port",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.dns_pod("server")?;
    let bare = lab.pod("bare")?;
    let client = lab.pod("client")?;
    lab.change(format!("nobody listens on {}", bare.dns()));
    lab.ask(&client, Ask::broken("lab-misled", bare.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
