//! `conntrack-full`: a program holds so many connections open that the node's
//! table of connections is full, and every query that needs an entry is
//! discarded. Another pod's queries are exempt from tracking.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use nix::sys::socket::Backlog;
use nix::sys::socket::listen;

use crate::lab::client::Ask;
use crate::lab::pod::Pod;
use crate::lab::recipe::Recipe;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

const MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

/// The node's own number of entries.
const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

/// Connections that the program holds, each with an entry that the kernel does
/// not throw out to make room. Fewer than a process may have files.
const CONNECTIONS: usize = 600;

/// No other namespace may have more entries, so that the limit hurts none even
/// if it gets some while the fault lasts.
const OTHERS_MAX: u64 = 300;

/// Where the connections lead.
const PORT: u16 = 7;

/// How long each may take.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "conntrack-full",
    rule: "dns_conntrack_full",
    makes: "a full connection tracking table",
    fault: Fault::Lab(Recipe {
        outside: Some(
            "the machine's limit of tracked connections (net.netfilter.nf_conntrack_max)",
        ),
        ..Recipe::of(make)
    }),
};

fn make(lab: &mut Lab) -> Result<()> {
    let [server, crowd, client] = lab.well_and("crowd")?;
    let rules = format!(
        "table inet kerno {{
            counter untracked {{ }}
            chain prerouting {{
                type filter hook prerouting priority raw;
                ip saddr {ip} udp dport 53 counter name untracked notrack
                ip daddr {ip} udp sport 53 notrack
            }}
            chain forward {{
                type filter hook forward priority filter;
                ct state invalid drop
            }}
        }}",
        ip = client.ip
    );
    lab.nft(None, &rules, &["untracked"])?;
    lab.ask(&crowd, Ask::broken("lab-crowd", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))?;
    lab.await_links()?;
    connect(lab, &crowd, &server)?;
    fill(lab)
}

/// The program with many connections is kerno itself, in the pod.
fn connect(lab: &mut Lab, from: &Rc<Pod>, to: &Rc<Pod>) -> Result<()> {
    let address = SocketAddr::new(to.ip.into(), PORT);
    let listener = to.namespace.enter(|| {
        let listener = TcpListener::bind(address)?;
        // Nobody accepts them.
        listen(&listener, Backlog::MAXALLOWABLE)?;
        anyhow::Ok(listener)
    })??;
    let connections = from.namespace.enter(|| {
        let streams = (0..CONNECTIONS).map(|_| TcpStream::connect_timeout(&address, PATIENCE));
        let streams: std::io::Result<Vec<TcpStream>> = streams.collect();
        streams.with_context(|| format!("cannot open {CONNECTIONS} connections in the lab"))
    })??;
    lab.keep(listener);
    lab.keep(connections);
    Ok(())
}

/// Lowers the limit to what the node has.
fn fill(lab: &mut Lab) -> Result<()> {
    let entries = lab.node.enter(|| number(COUNT))??;
    let own = lab.node.inode();
    let mut others = (lab.machine.conntrack_entries)();
    others.retain(|&netns, _| u64::from(netns) != own);
    if let Some((netns, theirs)) = endangered(&others) {
        bail!(
            "the limit of tracked connections is the whole machine's, and the network namespace \
             {netns} has {theirs} of them: with the {entries} that this scenario needs, others \
             could be hurt. Use a machine with less traffic"
        );
    }
    let limit = lab.limit(MAX)?;
    let before = limit.now;
    if before != 0 && before <= entries {
        bail!("{MAX} is {before}, less than the {entries} that this scenario needs");
    }
    lab.set_limit(&limit, entries)?;
    lab.change(format!(
        "the node tracks {entries} connections, and nf_conntrack_max is {entries} instead of {before}"
    ));
    Ok(())
}

/// The fullest namespace that the limit could hurt.
fn endangered(others: &BTreeMap<u32, u64>) -> Option<(u32, u64)> {
    let full = others.iter().filter(|&(_, &theirs)| theirs > OTHERS_MAX);
    let fullest = full.max_by_key(|&(_, theirs)| theirs);
    fullest.map(|(&netns, &theirs)| (netns, theirs))
}

fn number(path: &str) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let number = text.trim().parse();
    number.with_context(|| format!("{path} has no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_may_come_near_the_limit() {
        assert_eq!(endangered(&BTreeMap::from([(1, 0), (2, OTHERS_MAX)])), None);
        let busy = BTreeMap::from([(1, 301), (2, 262_000), (3, 5)]);
        assert_eq!(endangered(&busy), Some((2, 262_000)));
        assert!(OTHERS_MAX * 2 <= CONNECTIONS as u64);
    }
}
