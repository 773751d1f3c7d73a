//! `conntrack-race`: two pods behind one masqueraded address ask at the same
//! moment from the same source port. Both are given that port on the node, and
//! the one that is entered into the table second loses its packet.

use std::fmt::Write as _;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::client::Ports;
use crate::lab::recipe::Recipe;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

/// Rules between the choice of the port and the entry in the table, none of which
/// fits: some 50 µs in which the other one chooses too. A node with many services
/// has as many; without them, one pair in thirty clashes.
const RULES: usize = 4_000;

/// The scenario. Every pair has a winner: what is broken is what its loser sent.
pub(crate) const SCENARIO: Scenario = Scenario {
    name: "conntrack-race",
    rule: "dns_conntrack_race",
    makes: "two pods that are given the same translated port at the same moment",
    fault: Fault::Lab(Recipe {
        // Two clients have to send at the same moment, each on a CPU of its own.
        alone: true,
        ..Recipe::of(make)
    }),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.dns_pod("server")?;
    let left = lab.pod("left")?;
    let right = lab.pod("right")?;
    let client = lab.pod("client")?;
    let mut rules = String::from(
        "table inet kerno {
            counter masqueraded { }
            chain postrouting {
                type nat hook postrouting priority srcnat;
                oifname server counter name masqueraded masquerade
            }
            chain slow {
                type filter hook postrouting priority srcnat + 1;
            }
        }\n",
    );
    for mark in 1..=RULES {
        writeln!(rules, "add rule inet kerno slow meta mark {mark} drop")?;
    }
    lab.nft(None, &rules, &["masqueraded"])?;
    lab.change(format!(
        "the node masquerades what goes to {}, with ports that are not random, and {} and {} ask \
         from the same ports at the same moments",
        server.ip, left.ip, right.ip
    ));
    for (cpu, pod) in [left, right].iter().enumerate() {
        let mut ask = Ask::broken(&format!("lab-{}", pod.name), server.dns());
        ask.ports = Ports::InStep(cpu);
        lab.ask(pod, ask)?;
    }
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
