//! `neighbours-full`: the table of link addresses has no room for another one, as on a node
//! with many pods. It is that of IPv6, which the healthy client does not need.

use std::fs;
use std::net::Ipv6Addr;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::lab::client::Ask;
use crate::lab::pod::dns_at;
use crate::lab::recipe::Recipe;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;
use crate::testbed::tool::IP;

const MAX: &str = "/proc/sys/net/ipv6/neigh/default/gc_thresh3";

/// The table of all network namespaces, a line for each CPU; in each the first word is how
/// many entries it has, in hexadecimal.
const STAT: &str = "/proc/net/stat/ndisc_cache";

/// Entries of the lab's own: fewer than those from which on the kernel looks for what it can
/// throw out (`gc_thresh2`, 512).
const ENTRIES: usize = 400;

/// Others may have no more, or they could be hurt: what they have is left alone, but they get
/// no new one.
const OTHERS_MAX: u64 = 64;

/// Of the ends of two links, the node's first.
const MACS: [&str; 4] = [
    "02:00:00:00:53:01",
    "02:00:00:00:53:02",
    "02:00:00:00:53:03",
    "02:00:00:00:53:04",
];
/// Of machines that are not there.
const ANY_MAC: &str = "02:00:00:00:53:05";

/// Longer than any scenario: an entry that is in use is not thrown out.
const REACHABLE_MS: &str = "3600000";

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "neighbours-full",
    rule: "dns_kernel_drop",
    makes: "a full table of link addresses",
    fault: Fault::Lab(Recipe {
        outside: Some("the machine's limit of IPv6 neighbours (net.ipv6.neigh.default.gc_thresh3)"),
        says: &[
            "The neighbour table is full",
            "neighbour table (IPv6) had no room",
        ],
        ..Recipe::of(make)
    }),
};

fn make(lab: &mut Lab) -> Result<()> {
    let [server, late, client] = lab.well_and("late")?;
    lab.add_ipv6(&[&server, &late])?;
    // Nobody has asked for its link address yet.
    let unmet = Ipv6Addr::from(u128::from(server.ip6()) + 0x51);
    let add = format!("-6 address add {unmet}/64 dev eth0 nodad");
    server.namespace.run(IP, &add, "")?;
    lab.serve(&server, Serve::well("lab-six", dns_at(unmet)))?;
    // Nobody but the node, and for the server alone, is to need the table.
    for (pod, node_mac, pod_mac) in [(&late, MACS[0], MACS[1]), (&server, MACS[2], MACS[3])] {
        let set = format!("link set {} address {node_mac}", pod.name);
        lab.node.run(IP, &set, "")?;
        let set = format!("link set eth0 address {pod_mac}");
        pod.namespace.run(IP, &set, "")?;
        let gateway = Ipv6Addr::from(u128::from(pod.ip6()) - 1);
        let known = |ip, mac, device| {
            format!("-6 neighbour replace {ip} lladdr {mac} dev {device} nud permanent")
        };
        pod.namespace
            .run(IP, &known(gateway, node_mac, "eth0"), "")?;
        lab.node.run(IP, &known(pod.ip6(), pod_mac, pod.name), "")?;
    }
    lab.ask(&late, Ask::broken("lab-late", dns_at(unmet)))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))?;
    lab.await_links()?;
    fill(lab, Ipv6Addr::from(u128::from(server.ip6()) + (1 << 16)))
}

/// Fills the table from this address on, then lowers the limit to what is in it.
fn fill(lab: &mut Lab, first: Ipv6Addr) -> Result<()> {
    let others = entries()?;
    if others > OTHERS_MAX {
        bail!(
            "the table of IPv6 neighbours is the whole machine's, and there are {others} entries \
             in it: others could be hurt. Use a machine with less traffic"
        );
    }
    // What is not in use would make room some seconds later.
    let pods = lab.pods.iter().map(|pod| &pod.namespace);
    for namespace in pods.chain([&lab.node]) {
        namespace.run(IP, "-6 neighbour flush all", "")?;
    }
    let limit = lab.limit(MAX)?;
    let before = limit.now;
    lab.node
        .set("ipv6/neigh/server/base_reachable_time_ms", REACHABLE_MS)?;
    let script: String = (0..ENTRIES as u128)
        .map(|n| entry(Ipv6Addr::from(u128::from(first) + n)))
        .collect();
    lab.node.run(IP, "-6 -batch -", &script)?;
    lab.set_limit(&limit, ENTRIES as u64)?;
    // What can be thrown out is, until there is nothing left.
    let mut more = (0..=u128::from(OTHERS_MAX)).map(|n| u128::from(first) + ENTRIES as u128 + n);
    let is_full = |ip: u128| {
        let add = lab.node.run(IP, "-6 -batch -", &entry(ip.into()));
        add.is_err()
    };
    if !more.any(is_full) {
        bail!("the table of IPv6 neighbours does not get full");
    }
    lab.change(format!(
        "the node has {ENTRIES} IPv6 neighbours and more, and gc_thresh3 is {ENTRIES} instead of \
         {before}"
    ));
    Ok(())
}

fn entry(ip: Ipv6Addr) -> String {
    format!("neighbour add {ip} lladdr {ANY_MAC} dev server nud reachable\n")
}

fn entries() -> Result<u64> {
    let text = fs::read_to_string(STAT).with_context(|| format!("cannot read {STAT}"))?;
    first_of(&text).with_context(|| format!("{STAT} has no number"))
}

/// Below the heading.
fn first_of(stat: &str) -> Option<u64> {
    let word = stat.lines().nth(1)?.split_whitespace().next()?;
    u64::from_str_radix(word, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_entries_is_the_first_one_below_the_heading() {
        let stat = "entries  allocs\n000001f4 00000001\n000001f4 00000002\n";
        assert_eq!(first_of(stat), Some(500));
        assert_eq!(first_of("entries\n"), None);
        assert_eq!(first_of("entries\nnone\n"), None);
    }
}
