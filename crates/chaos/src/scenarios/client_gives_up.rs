//! `client-gives-up`: the server answers some names after the client's patience
//! is over, when its socket is closed.

use std::time::Duration;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::server::Does;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

/// What the server takes, and what the client waits. Both are below any
/// timeout of a doctor, so that the answer and not the clock ends the attempt.
const SERVER_TAKES: Duration = Duration::from_millis(800);
const CLIENT_WAITS: Duration = Duration::from_millis(400);

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "client-gives-up",
    rule: "dns_client_gave_up",
    makes: "answers that come after the client's patience",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.pod("server")?;
    let client = lab.pod("client")?;
    let slow = Does::Delay(SERVER_TAKES);
    lab.serve(&server, Serve::badly("lab-dns", server.dns(), slow))?;
    lab.change(format!(
        "{} takes {} ms for some names, and who asks for them waits {} ms",
        server.dns(),
        SERVER_TAKES.as_millis(),
        CLIENT_WAITS.as_millis()
    ));
    let mut hasty = Ask::broken("lab-hasty", server.dns());
    hasty.patience = CLIENT_WAITS;
    lab.ask(&client, hasty)?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
