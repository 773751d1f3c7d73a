//! What is particular about a scenario of the lab.

use anyhow::Result;

use super::client::Counts;
use super::site::Lab;

/// A scenario of the lab, as its file writes it.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Builds the site, starts its servers, breaks it, and names its clients.
    pub(crate) make: fn(&mut Lab) -> Result<()>,
    /// What happens to it while clients ask, when a quarter of the time is over.
    pub(crate) during: Option<fn(&mut Lab) -> Result<()>>,
    /// How many attempts of a client that is hurt count as broken.
    pub(crate) broken: fn(&Counts) -> u64,
    /// The rule that must explain what is answered slowly, where slowness is no fault of its
    /// own but goes with it.
    pub(crate) slow_rule: Option<&'static str>,
    /// Whether those with which a server dealt badly on purpose count, too: what
    /// no client of the lab counts, because a real resolver sent it.
    pub(crate) at_servers: bool,
    /// Whether the queries of another host are broken, all of them.
    pub(crate) of_strangers: bool,
    /// Its failures are calls without a packet, so that no name is known: the
    /// doctor finds them by the process of this name.
    pub(crate) asker: Option<&'static str>,
    /// What it breaks never was a query: no finding can say how many there are.
    pub(crate) uncounted: bool,
    /// Words that its finding must have: what tells its fault from others of the same rule.
    pub(crate) says: &'static [&'static str],
    /// What it touches outside its own namespaces, to complete "it touches";
    /// then it needs `--yes`.
    pub(crate) outside: Option<&'static str>,
    /// It needs the CPUs for itself.
    pub(crate) alone: bool,
    /// Its node is there for some seconds more, as a node is when a doctor ends: what that
    /// finds is in the node's tables.
    pub(crate) node_stays: bool,
}

impl Recipe {
    /// One that stays in its namespaces, and breaks every attempt that fails.
    pub(crate) const fn of(make: fn(&mut Lab) -> Result<()>) -> Self {
        Self {
            make,
            during: None,
            broken: Counts::failed,
            slow_rule: None,
            at_servers: false,
            of_strangers: false,
            asker: None,
            uncounted: false,
            says: &[],
            outside: None,
            alone: false,
            node_stays: false,
        }
    }

    /// The same where an attempt that is answered slowly is broken, too.
    pub(crate) const fn slowing(make: fn(&mut Lab) -> Result<()>) -> Self {
        Self {
            broken: Counts::hurt,
            ..Self::of(make)
        }
    }

    /// Option and value with which the doctor sees the scenario's queries alone.
    pub fn filter(&self, zone: &str) -> (&'static str, String) {
        match self.asker {
            Some(comm) => ("--comm", comm.to_owned()),
            None => ("--name", format!("*.{zone}")),
        }
    }

    /// Whether no finding can say how many it breaks.
    pub fn is_uncounted(&self) -> bool {
        self.uncounted
    }

    /// Words that its finding must have.
    pub fn says(&self) -> &'static [&'static str] {
        self.says
    }

    /// Whether no other scenario is to run at the same time.
    pub fn is_alone(&self) -> bool {
        self.alone || self.outside.is_some()
    }
}
