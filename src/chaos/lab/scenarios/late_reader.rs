//! `late-reader`: DNS is fast, and a program reads its answers late.

use std::time::Duration;

use anyhow::Result;

use crate::chaos::lab::Recipe;
use crate::chaos::lab::client::Ask;
use crate::chaos::lab::client::Counts;
use crate::chaos::lab::server::Serve;
use crate::chaos::lab::site::Lab;

/// How long the program is busy with something else.
const BUSY: Duration = Duration::from_millis(300);

/// The scenario.
pub const LATE_READER: Recipe = Recipe {
    broken: Counts::hurt,
    ..Recipe::of(make)
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.pod("server")?;
    let client = lab.pod("client")?;
    lab.serve(&server, Serve::well("lab-dns", server.dns()))?;
    lab.change(format!(
        "lab-busy reads its answers {} ms after they came",
        BUSY.as_millis()
    ));
    let mut busy = Ask::broken("lab-busy", server.dns());
    busy.reads_late = BUSY;
    lab.ask(&client, busy)?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
