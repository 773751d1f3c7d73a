//! The fault lab: real faults in network namespaces of their own.
//!
//! A scenario joins pods by a node that routes, starts DNS servers and clients
//! in them, and breaks something with real means. Some of the clients are hurt
//! by it and some are not, so that the doctor has to point at the right ones.
//! Everything is held by processes of kerno and goes with them, even after
//! SIGKILL; what lies outside the namespaces is the janitor's (`undo`).

mod client;
mod group;
mod namespace;
mod part;
mod report;
mod resolver;
mod scenarios;
mod server;
mod site;
mod tool;
mod undo;
mod world;

use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use crossbeam_channel::after;
use crossbeam_channel::never;
use crossbeam_channel::select;
use crossbeam_channel::unbounded;
use nix::sys::prctl;

use super::scenario::Scenario;
use crate::stop::Stop;
use client::Counts;
use client::Go;
pub use part::COMMAND;
pub use part::run as run_part;
pub use report::Report;
pub use scenarios::*;
use site::Lab;

/// What is particular about a scenario of the lab.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Builds the site, starts its servers, breaks it, and names its clients.
    make: fn(&mut Lab) -> Result<()>,
    /// What happens to it while clients ask, when a quarter of the time is over.
    during: Option<fn(&mut Lab) -> Result<()>>,
    /// How many attempts of a client that is hurt count as broken.
    broken: fn(&Counts) -> u64,
    /// Whether those with which a server dealt badly on purpose count, too: what
    /// no client of the lab counts, because a real resolver sent it.
    at_servers: bool,
    /// Its failures are calls without a packet, so that no name is known: the
    /// doctor finds them by the process of this name.
    asker: Option<&'static str>,
    /// What it touches outside its own namespaces, to complete "it touches";
    /// then it needs `--yes`.
    outside: Option<&'static str>,
    /// It needs the CPUs for itself.
    alone: bool,
}

impl Recipe {
    /// One that stays in its namespaces, and breaks every attempt that fails.
    const fn of(make: fn(&mut Lab) -> Result<()>) -> Self {
        Self {
            make,
            during: None,
            broken: Counts::failed,
            at_servers: false,
            asker: None,
            outside: None,
            alone: false,
        }
    }

    /// Option and value with which the doctor sees the scenario's queries alone.
    pub fn filter(&self, zone: &str) -> (&'static str, String) {
        match self.asker {
            Some(comm) => ("--comm", comm.to_owned()),
            None => ("--name", format!("*.{zone}")),
        }
    }

    /// Whether no other scenario is to run at the same time.
    pub fn is_alone(&self) -> bool {
        self.alone || self.outside.is_some()
    }
}

/// What the command line can say about a scenario of the lab.
#[derive(Clone, Debug)]
pub struct Options {
    /// Below this all names are; by default `SCENARIO.lab.test`.
    pub zone: Option<String>,
    /// How long the fault lasts. Clients stop asking so early that their last
    /// lookups end within it.
    pub duration: Duration,
    /// What lies outside the scenario's namespaces may be touched.
    pub yes: bool,
}

/// Makes the fault for the duration, or until a signal comes. On return all of
/// it is undone.
///
/// # Errors
///
/// One sentence with its remedy each: no root, no `--yes`, a tool that is not
/// installed; and whatever fails on the way.
pub fn run(scenario: &Scenario, recipe: &Recipe, options: &Options, stop: &Stop) -> Result<Report> {
    permit(scenario, recipe, options.yes)?;
    let zone = options.zone.clone();
    let zone = zone.unwrap_or_else(|| format!("{}.lab.test", scenario.name));
    let mut lab = Lab::new(&zone)?;
    (recipe.make)(&mut lab)?;
    lab.await_cables()?;
    let begin = Instant::now();
    let counts = run_clients(&mut lab, recipe, options.duration, stop)?;
    let seconds = begin.elapsed().as_secs_f64();
    Report::new(scenario, recipe, lab, &counts, seconds)
}

/// Whether the scenario may be made, by the user's word and rights.
fn permit(scenario: &Scenario, recipe: &Recipe, yes: bool) -> Result<()> {
    let name = scenario.name;
    if let Some(outside) = recipe.outside.filter(|_| !yes) {
        bail!(
            "{name} touches {outside}, outside its own namespaces; it is restored at the end. If \
             that is yours to decide, add --yes"
        );
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("{name} makes network namespaces of its own, which needs root: run it with sudo");
    }
    Ok(())
}

/// Starts all clients at once and waits for their end, in their order.
fn run_clients(
    lab: &mut Lab,
    recipe: &Recipe,
    duration: Duration,
    stop: &Stop,
) -> Result<Vec<Counts>> {
    let (sender, ended) = unbounded();
    for (at, client) in lab.clients.iter_mut().enumerate() {
        client.part.tell(&Go {
            zone: lab.zone.clone(),
            duration,
        })?;
        let end = client.part.end()?;
        let sender = sender.clone();
        thread::spawn(move || {
            // Nobody listens any more after an error of another one.
            let _unheard = sender.send((at, end.wait::<Counts>()));
        });
    }
    drop(sender);
    let mut counts = vec![None; lab.clients.len()];
    let turn = after(duration / 4);
    let mut told = stop.channel().clone();
    while counts.iter().any(Option::is_none) {
        select! {
            recv(ended) -> end => {
                let (at, end) = end.context("a client of the lab is lost")?;
                counts[at] = Some(end?);
            }
            recv(turn) -> _ => {
                if let Some(during) = recipe.during {
                    during(lab)?;
                }
            }
            recv(told) -> _ => {
                lab.clients.iter_mut().for_each(|client| client.part.stop());
                told = never();
            }
        }
    }
    Ok(counts.into_iter().flatten().collect())
}

/// Gives this process a name of 15 bytes at most, as `ps` and the kernel show it.
fn name(comm: &str) -> Result<()> {
    let name = std::ffi::CString::new(comm)?;
    prctl::set_name(&name).with_context(|| format!("cannot take the name {comm}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::scenario::SCENARIOS;

    #[test]
    fn what_touches_the_machine_takes_a_deliberate_word() {
        let mut recipe = CLOSED_PORT;
        recipe.outside = Some("a limit of the machine");
        let said = permit(&SCENARIOS[0], &recipe, false).unwrap_err();
        let said = said.to_string();
        assert!(said.contains("a limit of the machine"), "{said}");
        assert!(said.contains("--yes"), "{said}");
        let allowed = permit(&SCENARIOS[0], &recipe, true);
        assert!(allowed.is_ok() || !nix::unistd::geteuid().is_root());
    }
}
