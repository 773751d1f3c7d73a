//! `storm`: a program asks the same again and again, so that a server which
//! limits itself leaves it and a neighbour without answers.

use std::num::NonZeroU32;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::client::Counts;
use crate::lab::recipe::Recipe;
use crate::lab::server::Limits;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

/// Queries a second: of the program, and that the server answers.
const STORM: NonZeroU32 = NonZeroU32::new(300).unwrap();
const LIMIT: NonZeroU32 = NonZeroU32::new(200).unwrap();

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "storm",
    rule: "dns_storm",
    makes: "a program that asks the same all the time, where the server limits itself",
    fault: Fault::Lab(Recipe {
        broken: Counts::hurt,
        ..Recipe::of(make)
    }),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.pod("server")?;
    let other = lab.dns_pod("other")?;
    let client = lab.pod("client")?;
    let neighbour = lab.pod("neighbour")?;
    let mut serve = Serve::well("lab-limited", server.dns());
    serve.limits = Limits {
        limit: Some(LIMIT),
        ..Limits::default()
    };
    lab.serve(&server, serve)?;
    lab.change(format!(
        "lab-storm asks {} {STORM} times a second for one name, and it answers {LIMIT}",
        server.dns()
    ));
    let mut storm = Ask::broken("lab-storm", server.dns());
    storm.rate = STORM;
    storm.names = 1;
    lab.ask(&client, storm)?;
    lab.ask(&neighbour, Ask::broken("lab-victim", server.dns()))?;
    lab.ask(&neighbour, Ask::healthy("lab-web", other.dns()))
}
