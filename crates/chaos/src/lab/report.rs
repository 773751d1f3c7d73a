//! What is said at the end: what was broken, for whom, and that it is undone.

use std::collections::BTreeMap;
use std::io;
use std::iter;
use std::net::IpAddr;

use anyhow::Context as _;
use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use super::client::Counts;
use super::client::Share;
use super::janitor::Janitor;
use super::recipe::Recipe;
use super::server::Served;
use super::site::Client;
use super::site::Counter;
use super::site::Lab;
use super::site::Server;
use crate::flood::Endpoint;
use crate::scenario::Scenario;
use crate::testbed::tool::NFT;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct ClientReport {
    comm: String,
    pid: u32,
    pod: &'static str,
    ip: IpAddr,
    netns: u64,
    servers: Vec<Endpoint>,
    share: Share,
    counts: Counts,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct ServerReport {
    comm: String,
    pid: u32,
    pod: &'static str,
    netns: u64,
    listens: [Endpoint; 1],
    counts: Served,
}

/// The outcome of a run. As JSON it is one object with the schema
/// `kerno.chaos.v1`; absent means not applicable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    schema: &'static str,
    scenario: &'static str,
    /// The rule that the doctor must report.
    rule: &'static str,
    zone: String,
    /// With what the doctor sees these queries alone.
    doctor: String,
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
    clients: Vec<ClientReport>,
    servers: Vec<ServerReport>,
    changed: Vec<String>,
    /// Packets that counters of the packet filter saw, by counter; as `world`
    /// the queries that reached what is silent outside or came from there, as `rcvbuf_errors`
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
            if let Some(rule) = recipe.slow_rule {
                *also.entry(rule.to_owned()).or_default() += counts.slow;
            }
        }
        let healthy_failed = of(Share::Healthy).map(|(_, counts)| counts.failed()).sum();
        let clients = pairs().map(|(client, counts)| client_report(client, counts));
        let clients = clients.collect();
        let mut wire = wire(&lab)?;
        // They must be gone before their control groups can be.
        drop(lab.clients);
        drop(lab.resolvers);
        if let Some(outside) = lab.outside {
            let world = outside.finish()?;
            broken += if recipe.of_strangers { world } else { 0 };
            wire.insert("world", world);
        }
        let servers: Result<Vec<_>> = lab.servers.into_iter().map(server_report).collect();
        let servers = servers?;
        if recipe.at_servers {
            let faulty = servers.iter().map(|server| server.counts.faulty);
            broken += faulty.sum::<u64>();
        }
        Ok(Self {
            schema: "kerno.chaos.v1",
            scenario: scenario.name,
            rule: scenario.rule,
            doctor: filter(recipe, &lab.zone),
            zone: lab.zone,
            seconds,
            broken,
            also,
            healthy: counts.iter().map(Counts::fine).sum(),
            healthy_failed,
            clients,
            servers,
            changed: lab.changed,
            wire,
            left: lab.janitor.map_or(Ok(Vec::new()), Janitor::finish)?,
        })
    }

    /// Writes it for a person: what was done, and what came of it.
    pub fn write_text(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let Self {
            broken,
            healthy,
            healthy_failed,
            doctor,
            ..
        } = self;
        writeln!(out, "{}, {:.1} s:", self.scenario, self.seconds)?;
        for sentence in &self.changed {
            writeln!(out, "  {sentence}")?;
        }
        writeln!(out)?;
        for client in &self.clients {
            let ClientReport { comm, ip, pod, .. } = client;
            let servers: Vec<_> = client.servers.iter().map(Endpoint::to_string).collect();
            let (servers, counts) = (servers.join(", "), sentence(&client.counts));
            writeln!(
                out,
                "  {comm:<15} {ip} in pod {pod} asked {servers}: {counts}"
            )?;
        }
        writeln!(out, "\n  {broken} query attempts broken, {healthy} well")?;
        for (rule, broken) in &self.also {
            writeln!(out, "  {broken} more broken, which are {rule}'s")?;
        }
        if *healthy_failed > 0 {
            writeln!(
                out,
                "  {healthy_failed} failed that the fault has nothing to do with"
            )?;
        }
        for sentence in &self.left {
            writeln!(out, "  NOT undone: {sentence}")?;
        }
        if self.left.is_empty() {
            writeln!(out, "  everything is undone")?;
        }
        let rules = iter::once(self.rule).chain(self.also.keys().map(String::as_str));
        let rules = rules.collect::<Vec<_>>().join(" and ");
        writeln!(
            out,
            "\n`kerno doctor {doctor}`, run at the same time, reports {rules}."
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

fn client_report(client: &Client, counts: &Counts) -> ClientReport {
    let Client { pod, ask, worker } = client;
    ClientReport {
        comm: ask.comm.clone(),
        pid: worker.pid(),
        pod: pod.name,
        ip: pod.ip.into(),
        netns: pod.namespace.inode(),
        servers: ask.servers.iter().copied().map(Endpoint::from).collect(),
        share: ask.share,
        counts: counts.clone(),
    }
}

fn server_report(server: Server) -> Result<ServerReport> {
    let Server {
        pod,
        serve,
        worker,
        before,
    } = server;
    worker.resume();
    let pid = worker.pid();
    let mut counts = match serve.limits.hoards_from {
        // What it did it cannot tell any more.
        Some(_) => worker.killed().map(|()| Served::default())?,
        None => worker.finish()?,
    };
    counts.add(&before);
    Ok(ServerReport {
        comm: serve.comm,
        pid,
        pod: pod.name,
        netns: pod.namespace.inode(),
        listens: [serve.listen.into()],
        counts,
    })
}

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
        let namespace = &server.pod.namespace;
        let errors = namespace.enter(lab.machine.receive_buffer_errors)?;
        let errors = errors.context("cannot read UDP's counters")?;
        counted.insert("rcvbuf_errors", errors);
    }
    Ok(counted)
}

/// `100 sent, NOERROR 97, 3 unanswered`; nothing that is zero.
fn sentence(counts: &Counts) -> String {
    let named = |counts: &BTreeMap<String, u64>, what: &str| -> Vec<String> {
        let parts = counts.iter();
        parts
            .map(|(name, count)| format!("{name} {count}{what}"))
            .collect()
    };
    let plain = [
        (counts.unanswered, "unanswered"),
        (counts.superseded, "answered by another"),
        (counts.unexpected, "unexpected"),
    ];
    let plain = plain.into_iter().filter(|&(count, _)| count > 0);
    let parts = [
        vec![format!("{} sent", counts.sent)],
        named(&counts.answered, ""),
        plain
            .map(|(count, what)| format!("{count} {what}"))
            .collect(),
        named(&counts.refused, ""),
        named(&counts.unsent, " instead of a packet"),
        named(&counts.tcp_failed, " over TCP"),
    ];
    parts.concat().join(", ")
}
