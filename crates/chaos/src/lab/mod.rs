//! The fault lab: real faults in network namespaces of their own.
//! Everything is held by processes of kerno and goes with them, even after
//! SIGKILL; what lies outside the namespaces is the janitor's (`janitor`).

pub(crate) mod client;
pub(crate) mod elsewhere;
mod janitor;
mod machine;
mod note;
pub(crate) mod outside;
pub(crate) mod pod;
pub mod recipe;
mod report;
mod roles;
pub(crate) mod server;
pub(crate) mod site;
pub(crate) mod stranger;
mod undo;
mod worker;

use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use crossbeam_channel::Receiver;
use crossbeam_channel::after;
use crossbeam_channel::never;
use crossbeam_channel::select;
use crossbeam_channel::unbounded;

use crate::scenario::Scenario;
use client::Counts;
use client::Go;
pub use machine::Machine;
use recipe::Recipe;
pub use report::Report;
pub use roles::run as run_worker;
use site::Lab;
pub use worker::COMMAND;

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
    /// An answer that takes longer is slow: what the doctor calls so.
    pub slow: Duration,
    /// Where it is made.
    pub machine: Machine,
}

/// Makes the fault for the duration, or until `stop` is disconnected. On return
/// all of it is undone.
///
/// # Errors
///
/// One sentence with its remedy each: no root, no `--yes`, a tool that is not
/// installed; and whatever fails on the way.
pub fn run(
    scenario: &Scenario,
    recipe: &Recipe,
    options: &Options,
    stop: &Receiver<()>,
) -> Result<Report> {
    permit(scenario, recipe, options.yes)?;
    janitor::after_the_killed()?;
    let zone = options.zone.clone();
    let zone = zone.unwrap_or_else(|| format!("{}.lab.test", scenario.name));
    let mut lab = Lab::new(&zone, options.machine.clone())?;
    (recipe.make)(&mut lab)?;
    lab.await_links()?;
    let begin = Instant::now();
    let counts = run_clients(&mut lab, recipe, options, stop)?;
    let seconds = begin.elapsed().as_secs_f64();
    if recipe.node_stays {
        lab.let_node_stay()?;
    }
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
    options: &Options,
    stop: &Receiver<()>,
) -> Result<Vec<Counts>> {
    let (sender, ended) = unbounded();
    for (at, client) in lab.clients.iter_mut().enumerate() {
        client.worker.tell(&Go {
            zone: lab.zone.clone(),
            duration: options.duration,
            slow: options.slow,
        })?;
        let end = client.worker.end()?;
        let sender = sender.clone();
        thread::spawn(move || {
            // Nobody listens any more after an error of another one.
            let _unheard = sender.send((at, end.wait::<Counts>()));
        });
    }
    drop(sender);
    let mut counts = vec![None; lab.clients.len()];
    let turn = after(options.duration / 4);
    let mut told = stop.clone();
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
                lab.clients.iter_mut().for_each(|client| client.worker.stop());
                told = never();
            }
        }
    }
    Ok(counts.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Fault;
    use crate::scenario::NOTHING;

    #[test]
    fn what_touches_the_machine_takes_a_deliberate_word() {
        let mut recipe = Recipe::of(|_| Ok(()));
        recipe.outside = Some("a limit of the machine");
        let scenario = Scenario {
            name: "limit",
            rule: NOTHING,
            makes: "nothing at all",
            fault: Fault::Lab(recipe),
        };
        let said = permit(&scenario, &recipe, false).unwrap_err();
        let said = said.to_string();
        assert!(said.contains("a limit of the machine"), "{said}");
        assert!(said.contains("--yes"), "{said}");
        let allowed = permit(&scenario, &recipe, true);
        assert!(allowed.is_ok() || !nix::unistd::geteuid().is_root());
    }
}
