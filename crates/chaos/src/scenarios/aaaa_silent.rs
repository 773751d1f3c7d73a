//! `aaaa-silent`: the server answers A and never AAAA of some names, each time.

use std::time::Duration;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::client::Types;
use crate::lab::server::Behaviour;
use crate::lab::server::Does;
use crate::lab::server::Of;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

/// So few that each is asked for several times, and so many that none is asked
/// for as often as a storm would.
const NAMES: u64 = 40;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "aaaa-silent",
    rule: "dns_aaaa_broken",
    makes: "a server that ignores AAAA and answers A",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.pod("server")?;
    let client = lab.pod("client")?;
    let mut serve = Serve::well("lab-dns", server.dns());
    serve.behaviours = vec![Behaviour::new(Of::Aaaa, Does::Silence)];
    lab.serve(&server, serve)?;
    lab.change(format!("{} ignores AAAA of some names", server.dns()));
    let mut ask = Ask::broken("lab-dual", server.dns());
    ask.types = Types::Both;
    ask.names = NAMES;
    // As glibc does on the same socket, with its 5 s cut short.
    ask.patience = Duration::from_millis(600);
    ask.resends = 1;
    lab.ask(&client, ask)?;
    let mut well = Ask::healthy("lab-web", server.dns());
    well.types = Types::Both;
    lab.ask(&client, well)
}
