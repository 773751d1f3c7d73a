//! `conntrack-stale`: the address of a service leads to one server, then to
//! another, and the first is gone. Who asks from one port all the time is still
//! sent to the first, because each of its packets keeps the entry alive.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::client::Ports;
use crate::lab::recipe::Recipe;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::lab::site::dns_at;
use crate::scenario::Fault;
use crate::scenario::Scenario;
use crate::testbed::tool::IP;
use crate::testbed::tool::NFT;

/// The service's address, which no interface has.
const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);

/// The pods behind it, the first of which goes.
const OLD: &str = "old";
const NEW: &str = "new";

/// The old port's patience: it asks one after another.
const PATIENCE: Duration = Duration::from_millis(200);

/// Answers on their way may still come, as CoreDNS's `lameduck` lets them.
const LAMEDUCK: Duration = Duration::from_millis(500);

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "conntrack-stale",
    rule: "dns_conntrack_stale",
    makes: "a service's address that leads one old socket to a server that is gone",
    fault: Fault::Lab(Recipe {
        during: Some(replace),
        ..Recipe::of(make)
    }),
};

fn make(lab: &mut Lab) -> Result<()> {
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
