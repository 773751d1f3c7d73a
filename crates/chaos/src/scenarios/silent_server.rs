//! `silent-server`: a server elsewhere never answers, there is no other, and
//! nothing on this host knows why.

use anyhow::Result;

use super::OUTSIDE;
use crate::lab::client::Ask;
use crate::lab::site::Lab;
use crate::lab::site::dns_at;
use crate::scenario::Fault;
use crate::scenario::Scenario;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "silent-server",
    rule: "dns_unknown",
    makes: "a server elsewhere that never answers, for no reason seen here",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.dns_pod("server")?;
    let lonely = lab.pod("lonely")?;
    let client = lab.pod("client")?;
    lab.silent_outside(OUTSIDE)?;
    lab.change(format!("{OUTSIDE} never answers"));
    lab.ask(&lonely, Ask::broken("lab-lonely", dns_at(OUTSIDE)))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
