//! `wrong-source`: a server with two addresses answers some queries from the
//! one that was not asked. A connected socket does not take such an answer.

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::server::Does;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::lab::site::dns_at;
use crate::scenario::Fault;
use crate::scenario::Scenario;
use crate::testbed::tool::IP;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "wrong-source",
    rule: "dns_wrong_source",
    makes: "answers from another address than was asked",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.pod("server")?;
    let client = lab.pod("client")?;
    let [a, b, c, _] = server.ip.octets();
    let other = Ipv4Addr::new(a, b, c, 3);
    let add = format!("address add {other}/24 dev eth0");
    server.namespace.run(IP, &add, "")?;
    let elsewhere = Does::From(dns_at(other));
    lab.serve(&server, Serve::badly("lab-dns", server.dns(), elsewhere))?;
    lab.change(format!(
        "{} answers some names from {}",
        server.dns(),
        dns_at(other)
    ));
    lab.ask(&client, Ask::broken("lab-app", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
