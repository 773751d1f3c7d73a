//! What a scenario is: what it makes, and the rule it must trip.

use super::lab::recipe::Recipe;
use super::lab::site::Lab;

/// What is done to the host. The commands match on it, so that a new row of the
/// table without its code does not compile.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// More lookups than the server can answer: `dns_flood`.
    DnsFlood,
    /// So many queries for each way that one can end: `dns_mix`.
    DnsMix,
    /// Something in network namespaces of its own: `lab`.
    Lab(Recipe),
}

impl Fault {
    /// A scenario of the lab of which nothing is particular but what it makes.
    /// The same whose finding must have these words.
    pub(crate) const fn telling(
        make: fn(&mut Lab) -> anyhow::Result<()>,
        says: &'static [&'static str],
    ) -> Self {
        let mut recipe = Recipe::of(make);
        recipe.says = says;
        Self::Lab(recipe)
    }

    pub(crate) const fn lab(make: fn(&mut Lab) -> anyhow::Result<()>) -> Self {
        Self::Lab(Recipe::of(make))
    }
}

/// The rule of a scenario without a fault: the doctor must have no finding that
/// is a warning or worse.
pub const NOTHING: &str = "nothing";

/// One row of the table.
#[derive(Debug)]
pub struct Scenario {
    /// What `--induce` takes.
    pub name: &'static str,
    /// The doctor's rule that must report it, or [`NOTHING`].
    pub rule: &'static str,
    /// What it makes, as one line that completes "it makes".
    pub makes: &'static str,
    /// The code behind it.
    pub fault: Fault,
}
