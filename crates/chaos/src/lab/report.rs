//! What is said at the end: what was broken, for whom, and that it is undone.

use std::collections::BTreeMap;
use std::io;
use std::iter;
use std::net::IpAddr;
use std::net::SocketAddr;

use anyhow::Context as _;
use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use super::client::Counts;
use super::client::Share;
use super::recipe::Recipe;
use super::server::Served;
use super::site::Client;
use super::site::Counter;
use super::site::Lab;
use super::site::Server;
use super::worker::Worker;
use crate::flood::Endpoint;
use crate::scenario::Scenario;
use crate::testbed::tool::NFT;

/// A client of the scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct ClientReport {
    /// Its process name.
    comm: String,
    /// Its process id.
    pid: u32,
    /// The name of its pod.
    pod: &'static str,
    /// Its address.
    ip: IpAddr,
    /// The inode of its network namespace.
    netns: u64,
    /// Its nameservers, in order.
    servers: Vec<Endpoint>,
    /// What the fault does to it.
    share: Share,
    /// What it sent and what came of it.
    counts: Counts,
}

/// A server of the scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct ServerReport {
    /// Its process name.
    comm: String,
    /// Its process id.
    pid: u32,
    /// The name of its pod.
    pod: &'static str,
    /// The inode of its network namespace.
    netns: u64,
    /// Where it listened.
    listens: Vec<Endpoint>,
    /// What it did.
    counts: Served,
}

/// The outcome of a run. As JSON it is one object with the schema
/// `kerno.chaos.v1`; absent means not applicable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    schema: &'static str,
    /// The scenario's name.
    scenario: &'static str,
    /// The rule that the doctor must report.
    rule: &'static str,
    /// Below this all names were.
    zone: String,
    /// With what the doctor sees these queries alone.
    doctor: String,
    /// How long it lasted, in seconds.
    seconds: f64,
    /// Query attempts that the fault broke: what the finding must explain.
    broken: u64,
    /// The same of further faults, by the rule that the doctor must report as
    /// well.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    also: BTreeMap<String, u64>,
    /// Query attempts of all clients that ended with NOERROR or NXDOMAIN.
    healthy: u64,
    /// Query attempts that failed though the fault has nothing to do with them:
    /// 0, or the lab itself is ill.
    healthy_failed: u64,
    /// Who asked.
    clients: Vec<ClientReport>,
    /// Who was asked.
    servers: Vec<ServerReport>,
    /// What was done, a sentence each.
    changed: Vec<String>,
    /// Packets that counters of the packet filter saw, by counter; as `world`
    /// the queries that reached what is silent outside, as `rcvbuf_errors`
    /// those for which a small receive buffer had no room.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    wire: BTreeMap<&'static str, u64>,
    /// What could not be undone, a sentence each: nothing, or a person must.
    left: Vec<String>,
}

impl Report {
    /// Asks the servers and counters for their figures, and undoes the lab.
    pub(super) fn new(
        scenario: &Scenario,
        recipe: &Recipe,
        lab: Lab,
        counts: &[Counts],
        seconds: f64,
    ) -> Result<Self> {
        let pairs = || lab.clients.iter().zip(counts);
        let of = |share| pairs().filter(move |(client, _)| client.ask.share == share);
        let mut broken = 0;
        let mut also = BTreeMap::new();
        for (client, counts) in of(Share::Broken) {
            let by_rule = match &client.ask.rule {
                None => &mut broken,
                Some(rule) => also.entry(rule.clone()).or_default(),
            };
            *by_rule += (recipe.broken)(counts);
        }
        let healthy_failed = of(Share::Healthy).map(|(_, counts)| counts.failed());
        let clients = pairs().map(|(client, counts)| client_report(client, counts));
        let mut report = Self {
            schema: "kerno.chaos.v1",
            scenario: scenario.name,
            rule: scenario.rule,
            zone: lab.zone.clone(),
            doctor: filter(recipe, &lab.zone),
            seconds,
            broken,
            also,
            healthy: counts.iter().map(Counts::fine).sum(),
            healthy_failed: healthy_failed.sum(),
            clients: clients.collect::<Result<_>>()?,
            servers: Vec::new(),
            changed: lab.changed.clone(),
            wire: wire(&lab)?,
            left: Vec::new(),
        };
        let Lab {
            clients,
            servers,
            resolvers,
            outside,
            janitor,
            ..
        } = lab;
        // They must be gone before their control groups can be.
        drop(clients);
        drop(resolvers);
        if let Some(outside) = outside {
            report.wire.insert("world", outside.finish()?);
        }
        let servers: Result<Vec<_>> = servers.into_iter().map(server_report).collect();
        let servers = servers?;
        if recipe.at_servers {
            let faulty = servers.iter().map(|server| server.counts.faulty);
            report.broken += faulty.sum::<u64>();
        }
        let left = janitor.map_or(Ok(Vec::new()), Worker::finish);
        Ok(Self {
            servers,
            left: left?,
            ..report
        })
    }

    /// Writes it for a person: what was done, and what came of it.
    pub fn write_text(&self, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(out, "{}, {:.1} s:", self.scenario, self.seconds)?;
        for sentence in &self.changed {
            writeln!(out, "  {sentence}")?;
        }
        writeln!(out)?;
        for client in &self.clients {
            let servers: Vec<String> = client
                .servers
                .iter()
                .map(|server| SocketAddr::new(server.ip, server.port).to_string())
                .collect();
            writeln!(
                out,
                "  {:<15} {} in pod {} asked {}: {}",
                client.comm,
                client.ip,
                client.pod,
                servers.join(", "),
                sentence(&client.counts)
            )?;
        }
        writeln!(out)?;
        writeln!(
            out,
            "  {} query attempts broken, {} well",
            self.broken, self.healthy
        )?;
        for (rule, broken) in &self.also {
            writeln!(out, "  {broken} more broken, which are {rule}'s")?;
        }
        if self.healthy_failed > 0 {
            writeln!(
                out,
                "  {} failed that the fault has nothing to do with",
                self.healthy_failed
            )?;
        }
        match &self.left[..] {
            [] => writeln!(out, "  everything is undone")?,
            left => {
                for sentence in left {
                    writeln!(out, "  NOT undone: {sentence}")?;
                }
            }
        }
        writeln!(out)?;
        let rules = iter::once(self.rule).chain(self.also.keys().map(String::as_str));
        let rules: Vec<&str> = rules.collect();
        writeln!(
            out,
            "`kerno doctor {}`, run at the same time, reports {}.",
            self.doctor,
            rules.join(" and ")
        )
    }
}

/// The scenario's queries alone, as it is typed.
fn filter(recipe: &Recipe, zone: &str) -> String {
    match recipe.filter(zone) {
        (option @ "--name", glob) => format!("{option} '{glob}'"),
        (option, word) => format!("{option} {word}"),
    }
}

fn client_report(client: &Client, counts: &Counts) -> Result<ClientReport> {
    let Client { pod, ask, worker } = client;
    Ok(ClientReport {
        comm: ask.comm.clone(),
        pid: worker.pid(),
        pod: pod.name,
        ip: pod.ip.into(),
        netns: pod.namespace.inode(),
        servers: ask.servers.iter().copied().map(Endpoint::from).collect(),
        share: ask.share,
        counts: counts.clone(),
    })
}

/// Ends the server.
fn server_report(server: Server) -> Result<ServerReport> {
    let Server { pod, serve, worker } = server;
    worker.resume();
    Ok(ServerReport {
        comm: serve.comm,
        pid: worker.pid(),
        pod: pod.name,
        netns: pod.namespace.inode(),
        listens: serve.listen.into_iter().map(Endpoint::from).collect(),
        counts: worker.finish()?,
    })
}

/// Reads the counters.
fn wire(lab: &Lab) -> Result<BTreeMap<&'static str, u64>> {
    let read = |Counter { name, pod }: &Counter| {
        let list = format!("-j list counter inet kerno {name}");
        let place = pod.as_ref().map_or(&lab.node, |pod| &pod.namespace);
        let said: Value = serde_json::from_str(&place.run(NFT, &list, "")?)?;
        let objects = said["nftables"].as_array().into_iter().flatten();
        let mut packets = objects.filter_map(|object| object["counter"]["packets"].as_u64());
        let packets = packets.next().context("nft has no such counter")?;
        Ok((*name, packets))
    };
    let mut counted: BTreeMap<_, _> = lab.counters.iter().map(read).collect::<Result<_>>()?;
    let small = |server: &&Server| server.serve.limits.receive_buffer.is_some();
    for server in lab.servers.iter().filter(small) {
        let errors = server
            .pod
            .namespace
            .enter(lab.machine.receive_buffer_errors)?;
        counted.insert(
            "rcvbuf_errors",
            errors.context("cannot read UDP's counters")?,
        );
    }
    Ok(counted)
}

/// `100 sent, NOERROR 97, 3 unanswered`; nothing that is zero.
fn sentence(counts: &Counts) -> String {
    let mut parts = vec![format!("{} sent", counts.sent)];
    parts.extend(named(&counts.answered, ""));
    let plain = [
        (counts.unanswered, "unanswered"),
        (counts.superseded, "answered by another"),
        (counts.unexpected, "unexpected"),
    ];
    let counted = plain.into_iter().filter(|&(count, _)| count > 0);
    parts.extend(counted.map(|(count, what)| format!("{count} {what}")));
    parts.extend(named(&counts.refused, ""));
    parts.extend(named(&counts.unsent, " instead of a packet"));
    parts.extend(named(&counts.tcp_failed, " over TCP"));
    parts.join(", ")
}

fn named(counts: &BTreeMap<String, u64>, what: &str) -> Vec<String> {
    let parts = counts.iter();
    parts
        .map(|(name, count)| format!("{name} {count}{what}"))
        .collect()
}
