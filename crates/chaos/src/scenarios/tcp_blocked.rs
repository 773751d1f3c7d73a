//! `tcp-blocked`: some answers are truncated, and the rule of the node that lets
//! DNS pass forgot TCP.

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::server::Does;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

/// The scenario. What is broken is the truncated answers: of the connections
/// that were to follow no query was ever sent.
pub(crate) const SCENARIO: Scenario = Scenario {
    name: "tcp-blocked",
    rule: "dns_tcp_blocked",
    makes: "truncated answers where TCP to port 53 is dropped",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.pod("server")?;
    let client = lab.pod("client")?;
    let truncate = Does::Truncate;
    lab.serve(&server, Serve::badly("lab-dns", server.dns(), truncate))?;
    lab.filter(None, "forward", "tcp dport 53", "syn", "drop")?;
    lab.change(format!(
        "{} truncates some answers, and nftables on the node drops what is forwarded to TCP port 53",
        server.dns()
    ));
    lab.ask(&client, Ask::broken("lab-txt", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
