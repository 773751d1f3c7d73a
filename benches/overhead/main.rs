//! What kerno costs the host that it watches, as tables in Markdown on standard
//! output: `make bench`, or `make bench PART=calls` for one part. Needs root. All
//! traffic stays on the loopback interface of a network namespace of its own.
//!
//! Only ratios within one run say anything: a figure in nanoseconds is that of one
//! machine on one day. So what is compared is measured in turns.

#![allow(dead_code, reason = "soak/ takes part of the harness")]

mod agent;
mod always;
mod calls;
mod cgroups;
mod crowd;
mod elsewhere;
mod exchange;
mod figures;
mod growth;
mod kerno;
mod load;
mod machine;
mod memory;
mod programs;
mod record;
mod rivals;
mod site;
mod throughput;
mod top;

use std::io;
use std::io::Write as _;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use site::Site;

/// A part: its name on the command line, and what measures it.
type Part = (&'static str, fn(&Site) -> Result<String>);

/// In the order in which they are measured and printed.
const PARTS: [Part; 7] = [
    ("programs", programs::measure),
    ("calls", calls::measure),
    ("throughput", throughput::measure),
    ("agent", agents),
    ("top", top::measure),
    ("memory", memory::measure),
    ("growth", growth::measure),
];

/// The doctor's threads, and `kerno agent`.
fn agents(site: &Site) -> Result<String> {
    Ok(agent::measure(site)? + &always::measure(site)?)
}

/// Rounds of what is measured in turns: the least that gives a median to trust.
const ROUNDS: usize = 7;

/// Said of a part where that was so, before it or after it.
const SPOILT: &str = "**Another kerno was at work on this host meanwhile: these figures are not to be trusted.**\n\n";

/// What the command line says.
#[derive(Debug)]
struct Wishes {
    /// Names of parts; none means all.
    parts: Vec<String>,
    rounds: usize,
    /// Write the page into docs/overhead.md.
    record: bool,
}

impl Wishes {
    fn of_the_command_line() -> Result<Self> {
        let mut wishes = Self {
            parts: Vec::new(),
            rounds: ROUNDS,
            record: false,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                // cargo adds it.
                "--bench" => {}
                "--record" => wishes.record = true,
                "--rounds" => {
                    let number = words.next().and_then(|number| number.parse().ok());
                    let number = number.filter(|&number| number > 0);
                    wishes.rounds = number.context("--rounds needs a number")?;
                }
                name if PARTS.iter().any(|part| part.0 == name) => wishes.parts.push(word),
                _ => {
                    let names = PARTS.map(|part| part.0).join(", ");
                    bail!("there is no part {word}; there are {names}");
                }
            }
        }
        if wishes.record && (!wishes.parts.is_empty() || wishes.rounds < ROUNDS) {
            bail!("only a whole run of {ROUNDS} rounds or more is recorded");
        }
        Ok(wishes)
    }

    fn has(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|name| name == part)
    }
}

fn main() -> Result<()> {
    let wishes = Wishes::of_the_command_line()?;
    if !nix::unistd::geteuid().is_root() {
        bail!("kerno can be measured by root only");
    }
    cgroups::remove_on_signals()?;
    let site = Site::new(wishes.rounds)?;
    let mut page = machine::describe(&site)?;
    show(&page)?;
    for (name, measure) in PARTS.iter().filter(|part| wishes.has(part.0)) {
        eprintln!("bench: {name} …");
        let before = programs::is_anybody_at_work();
        let text = measure(&site).with_context(|| format!("the part {name} failed"))?;
        let text = match before || programs::is_anybody_at_work() {
            true => text + SPOILT,
            false => text,
        };
        show(&text)?;
        page += &text;
    }
    if wishes.record {
        record::write(&page)?;
    }
    Ok(())
}

/// Prints a part of the page.
fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
