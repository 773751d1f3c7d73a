//! Entries of connection tracking that lead astray.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::client::Ports;
use crate::lab::pod::dns_at;
use crate::lab::recipe::Recipe;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;
use crate::testbed::tool::IP;
use crate::testbed::tool::NFT;

/// Rules between the choice of the port and the entry in the table, none of which
/// fits: some 50 µs in which the other one chooses too. A node with many services
/// has as many; without them, one pair in thirty clashes.
const RULES: usize = 4_000;

/// Two pods behind one masqueraded address ask at the same moment from the same
/// source port. Both are given that port on the node, and the one that is entered into
/// the table second loses its packet. Every pair has a winner: what is broken is what
/// its loser sent.
pub(crate) const RACE: Scenario = Scenario {
    name: "conntrack-race",
    rule: "dns_conntrack_race",
    makes: "two pods that are given the same translated port at the same moment",
    fault: Fault::Lab(Recipe {
        // Two clients have to send at the same moment, each on a CPU of its own.
        alone: true,
        ..Recipe::of(race)
    }),
};

fn race(lab: &mut Lab) -> Result<()> {
    let server = lab.dns_pod("server")?;
    let [left, right] = [lab.pod("left")?, lab.pod("right")?];
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

/// The service's address, which no interface has.
const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);

/// The pods behind it, the first of which goes.
const OLD: &str = "old";
const NEW: &str = "new";

/// The old port's patience: it asks one after another.
const PATIENCE: Duration = Duration::from_millis(200);

/// Answers on their way may still come, as CoreDNS's `lameduck` lets them.
const LAMEDUCK: Duration = Duration::from_millis(500);

/// The address of a service leads to one server, then to another, and the first is
/// gone. Who asks from one port all the time is still sent to the first, because each
/// of its packets keeps the entry alive.
pub(crate) const STALE: Scenario = Scenario {
    name: "conntrack-stale",
    rule: "dns_conntrack_stale",
    makes: "a service's address that leads one old socket to a server that is gone",
    fault: Fault::Lab(Recipe {
        during: Some(replace),
        ..Recipe::of(stale)
    }),
};

fn stale(lab: &mut Lab) -> Result<()> {
    let old = lab.pod(OLD)?;
    let new = lab.pod(NEW)?;
    let keeper = lab.pod("keeper")?;
    let client = lab.pod("client")?;
    for pod in [&old, &new] {
        lab.serve(
            pod,
            Serve::well(&format!("lab-dns-{}", pod.name), pod.dns()),
        )?;
    }
    let rules = "table inet kerno {
            chain prerouting {
                type nat hook prerouting priority dstnat;
            }
        }";
    lab.nft(None, rules, &[])?;
    lead_to(lab, old.ip)?;
    lab.change(format!(
        "{SERVICE} led to {}, then to {}, and the first is gone",
        old.ip, new.ip
    ));
    let mut ask = Ask::broken("lab-keeper", dns_at(SERVICE));
    ask.ports = Ports::Kept;
    ask.patience = PATIENCE;
    lab.ask(&keeper, ask)?;
    let mut others = Ask::healthy("lab-web", dns_at(SERVICE));
    // No port twice: one from before would still lead to the first server.
    others.ports = Ports::InStep(0);
    lab.ask(&client, others)
}

/// As kube-proxy does, but for the entries that it deletes.
fn replace(lab: &mut Lab) -> Result<()> {
    let new = lab.pods.iter().find(|pod| pod.name == NEW);
    lead_to(lab, new.context("a pod is lost")?.ip)?;
    thread::sleep(LAMEDUCK);
    lab.node.run(IP, &format!("link delete {OLD}"), "")?;
    Ok(())
}

fn lead_to(lab: &Lab, server: Ipv4Addr) -> Result<()> {
    let rules = format!(
        "flush chain inet kerno prerouting
         add rule inet kerno prerouting ip daddr {SERVICE} udp dport 53 dnat ip to {server}"
    );
    lab.node.run(NFT, "-f -", &rules)?;
    Ok(())
}
