//! Half an hour in which a host does to an agent what hosts do in weeks: `make soak`, or
//! `make soak MINUTES=3`. Prints a table and a verdict, and ends with 1 if something did not
//! hold. Needs root. All traffic stays on the loopback interface of a namespace of its own.

#![allow(
    dead_code,
    reason = "the harness of overhead/ has more than is used here"
)]

#[path = "../overhead/cgroups.rs"]
mod cgroups;
#[path = "../overhead/exchange.rs"]
mod exchange;
#[path = "../overhead/figures.rs"]
mod figures;
#[path = "../overhead/kerno.rs"]
mod kerno;
#[path = "../overhead/site.rs"]
mod site;

mod asked;
mod askers;
mod faults;
mod looks;
mod traffic;
mod verdict;

use std::io;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use askers::Askers;
use kerno::Kerno;
use looks::Look;
use site::Site;
use traffic::Traffic;

/// If nothing else is said.
const MINUTES: u32 = 30;
/// How often it is looked at; less often in a short run.
const LOOKS: u32 = 60;
const ROUND_MIN: Duration = Duration::from_secs(5);
/// For queries that wait to end, and to be told: `--timeout`, and a window.
const SETTLED: Duration = Duration::from_secs(25);
/// Small, so that they are full within the first half of a short run too.
const MEMORY: &str = "8MiB";
pub(crate) const HISTORY_MIB: u64 = 4;

fn main() -> Result<ExitCode> {
    let minutes = minutes()?;
    if !nix::unistd::geteuid().is_root() {
        bail!("kerno can be run by root only");
    }
    cgroups::remove_on_signals()?;
    let site = Arc::new(Site::new(1)?);
    let history = site.folder().join("history");
    let folder = history.to_str().context("a folder with a name in UTF-8")?;
    let size = format!("{HISTORY_MIB}MiB");
    let listen = askers::free_address()?;
    let bounds = ["--history-size", &size, "--memory", MEMORY];
    let options = ["--history", folder, "--timeout", "1s"];
    let agent = Kerno::agent(&site, &listen.to_string(), &[bounds, options].concat())?;

    let time = Duration::from_secs(60) * minutes;
    let round = (time / LOOKS).max(ROUND_MIN);
    eprintln!("soak: {minutes} minutes …");
    let over = Instant::now() + time;
    let traffic = Traffic::start(&site, time)?;
    let mut looks = Vec::new();
    while Instant::now() < over {
        let until = Instant::now() + round;
        let askers = Askers::begin(agent.socket(), listen)?;
        askers.ask();
        thread::sleep(until.saturating_duration_since(Instant::now()));
        drop(askers);
        let look = Look::at(&agent, &history)?;
        if looks.len() % 6 == 5 {
            eprintln!("soak: look {}: {look}", looks.len() + 1);
        }
        looks.push(look);
    }
    let asked = traffic.end()?;
    let told = askers::totals(listen, asked.seen(), SETTLED)?;
    let status = agent.ask("/v1/status")?;
    // And it ends in the midst of it.
    let busy = Traffic::start(&site, Duration::from_secs(600))?;
    thread::sleep(Duration::from_secs(2));
    let ended_in = agent.terminate()?;
    busy.end()?;
    let page = verdict::of(&looks, &asked, &told, &status, ended_in);
    io::stdout().lock().write_all(page.text().as_bytes())?;
    Ok(page.exit_code())
}

fn minutes() -> Result<u32> {
    let mut minutes = MINUTES;
    for word in std::env::args().skip(1).filter(|word| word != "--bench") {
        let number = word
            .parse()
            .ok()
            .filter(|number| (1..=1_440).contains(number));
        minutes = number.with_context(|| format!("{word} is no number of minutes"))?;
    }
    Ok(minutes)
}
