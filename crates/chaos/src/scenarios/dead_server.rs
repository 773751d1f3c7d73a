//! `dead-server`: the first of two nameservers never answers, so that each
//! lookup waits for it before the second one is asked. Another program of the
//! pod has the second one alone.

use anyhow::Result;

use super::OUTSIDE;
use crate::lab::client::Ask;
use crate::lab::site::Lab;
use crate::lab::site::dns_at;
use crate::scenario::Fault;
use crate::scenario::Scenario;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "dead-server",
    rule: "dns_dead_server",
    makes: "a first nameserver that never answers, before one that does",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.dns_pod("server")?;
    let client = lab.pod("client")?;
    lab.silent_outside(OUTSIDE)?;
    let dead = dns_at(OUTSIDE);
    lab.change(format!("{dead} never answers, {} does", server.dns()));
    let mut ask = Ask::broken("lab-slow", dead);
    ask.servers.push(server.dns());
    lab.ask(&client, ask)?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
