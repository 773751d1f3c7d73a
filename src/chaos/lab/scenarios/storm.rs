//! `storm`: a program asks the same again and again, so that a server which
//! limits itself leaves it and a neighbour without answers.

use std::num::NonZeroU32;

use anyhow::Result;

use crate::chaos::lab::Recipe;
use crate::chaos::lab::client::Ask;
use crate::chaos::lab::client::Counts;
use crate::chaos::lab::server::Habits;
use crate::chaos::lab::server::Serve;
use crate::chaos::lab::site::Lab;

/// Queries a second: of the program, and that the server answers.
const STORM: NonZeroU32 = NonZeroU32::new(300).unwrap();
const LIMIT: NonZeroU32 = NonZeroU32::new(200).unwrap();

/// The scenario.
pub const STORM_OF_QUERIES: Recipe = Recipe {
    broken: Counts::hurt,
    ..Recipe::of(make)
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.pod("server")?;
    let other = lab.pod("other")?;
    let client = lab.pod("client")?;
    let neighbour = lab.pod("neighbour")?;
    let mut serve = Serve::well("lab-limited", server.dns());
    serve.habits = Habits {
        limit: Some(LIMIT),
        ..Habits::default()
    };
    lab.serve(&server, serve)?;
    lab.serve(&other, Serve::well("lab-dns", other.dns()))?;
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
