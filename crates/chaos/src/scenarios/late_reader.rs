//! `late-reader`: DNS is fast, and a program reads its answers late.

use std::time::Duration;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::client::Counts;
use crate::lab::recipe::Recipe;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

/// How long the program is busy with something else.
const BUSY: Duration = Duration::from_millis(300);

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "late-reader",
    rule: "dns_late_reader",
    makes: "a program that reads its answers long after they came",
    fault: Fault::Lab(Recipe {
        broken: Counts::hurt,
        ..Recipe::of(make)
    }),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.dns_pod("server")?;
    let client = lab.pod("client")?;
    lab.change(format!(
        "lab-busy reads its answers {} ms after they came",
        BUSY.as_millis()
    ));
    let mut busy = Ask::broken("lab-busy", server.dns());
    busy.reads_late = BUSY;
    lab.ask(&client, busy)?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
