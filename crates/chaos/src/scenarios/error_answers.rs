//! `servfail` and `refused`: the server answers some names with an error.

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::server::Does;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

/// The scenario `servfail`.
pub(crate) const SERVFAIL: Scenario = Scenario {
    name: "servfail",
    rule: "dns_servfail",
    makes: "a server that answers some names with SERVFAIL",
    fault: Fault::lab(|lab| make(lab, 2, "SERVFAIL")),
};

/// The scenario `refused`.
pub(crate) const REFUSED: Scenario = Scenario {
    name: "refused",
    rule: "dns_refused_rcode",
    makes: "a server that answers some names with REFUSED",
    fault: Fault::lab(|lab| make(lab, 5, "REFUSED")),
};

fn make(lab: &mut Lab, rcode: u8, name: &str) -> Result<()> {
    let server = lab.pod("server")?;
    let client = lab.pod("client")?;
    let error = Does::Rcode(rcode);
    lab.serve(&server, Serve::badly("lab-dns", server.dns(), error))?;
    lab.change(format!("{} answers some names with {name}", server.dns()));
    lab.ask(&client, Ask::broken("lab-mail", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
