//! What was read at the start and at first sight, until it is compared with the
//! end.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use super::ClientProcess;
use super::Flows;
use super::ServerProcess;
use super::Surroundings;
use super::cgroups::Hierarchies;
use super::conntrack;
use super::conntrack::Fullness;
use super::ctnetlink;
use super::flows::Collection;
use super::flows::Wanted;
use super::look::sockets;
use super::missing::Missing;
use super::netns;
use super::netns::Census;
use super::netns::Way;
use super::softnet;
use super::subject::Client;
use super::subject::Groups;
use super::subject::Server;
use super::subject::Subject;
use super::udp;
use super::udp_sockets;

/// How long tables of connection tracking entries are read at the end.
const FLOWS_TIME: Duration = Duration::from_secs(2);

/// All processes are gone through again for a namespace at most this often.
const CENSUS_INTERVAL: Duration = Duration::from_secs(1);

/// First readings.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) hierarchies: Hierarchies,
    pub(super) servers: BTreeMap<u32, Server>,
    pub(super) clients: BTreeMap<u32, Client>,
    pub(super) routes: BTreeMap<(u32, IpAddr), bool>,
    pub(super) listeners: BTreeMap<(u32, SocketAddr), u32>,
    namespaces: BTreeMap<u32, Namespace>,
    /// No way into them was known yet; whether packets are dropped there.
    not_found: BTreeMap<u32, bool>,
    groups: Groups,
    softnet_dropped: Option<u64>,
    pub(super) missing: Missing,
    census: Option<Instant>,
    ways: BTreeMap<u32, Way>,
}

/// The first reading of a namespace's counters.
#[derive(Debug)]
struct Namespace {
    way: Way,
    late: bool,
    counters: Counters,
    /// Packets were dropped in it: it is read again each second, so that a limit
    /// that is raised meanwhile, or a namespace that goes, leaves something.
    drops: bool,
    /// The last such reading.
    again: Option<Counters>,
    fullest: Option<Fullness>,
}

impl Namespace {
    fn look_again(&mut self, netns: u32) -> Option<()> {
        let counters = Counters::read(&self.way, netns)?;
        self.saw(&counters);
        self.again = Some(counters);
        Some(())
    }

    fn saw(&mut self, counters: &Counters) {
        let seen = counters.conntrack.and_then(|reading| reading.fullness());
        self.fullest = conntrack::fuller(self.fullest, seen);
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    conntrack: Option<conntrack::Reading>,
    udp: Option<udp::Reading>,
}

impl Counters {
    /// `None` if the namespace cannot be looked into.
    fn read(way: &Way, netns: u32) -> Option<Self> {
        let (conntrack, udp) = way.visit(netns, |net| {
            let udp = udp::read(net).ok();
            (conntrack::read(net).ok(), udp)
        })?;
        let by_netlink = || {
            conntrack::max()?;
            way.enter(netns, ctnetlink::read)?.ok()
        };
        Some(Self {
            conntrack: conntrack.or_else(by_netlink),
            udp,
        })
    }
}

/// Entries of a namespace's connection tracking table.
pub(super) fn conntrack_of(way: &Way, netns: u32) -> Option<u64> {
    let reading = Counters::read(way, netns)?.conntrack?;
    Some(reading.entries)
}

impl Book {
    /// Reads what counts from now on.
    pub(super) fn open() -> Self {
        let census = Census::take();
        let mut book = Self {
            hierarchies: Hierarchies::find(),
            softnet_dropped: softnet::dropped(),
            census: Some(Instant::now()),
            ..Self::default()
        };
        book.missing.processes = census.unreadable;
        book.missing.namespaces_left_out = census.left_out;
        for (netns, way) in &census.ways {
            book.add_namespace(*netns, way.clone(), false);
        }
        book.ways = census.ways;
        book
    }

    /// Those whose counters were read.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = u32> {
        self.namespaces.keys().copied()
    }

    /// How to look into a namespace, best through the process that has a socket
    /// in it.
    pub(super) fn way(&mut self, netns: u32, pid: Option<u32>) -> Option<Way> {
        let through = pid.and_then(|pid| Way::through(pid, netns));
        if through.is_some() {
            return through;
        }
        let fresh = self.census.is_some_and(|it| it.elapsed() < CENSUS_INTERVAL);
        if !fresh && !self.ways.contains_key(&netns) {
            self.ways = Census::take().ways;
            self.census = Some(Instant::now());
        }
        self.ways.get(&netns).cloned()
    }

    /// A namespace that an attempt was in, or where a packet was dropped.
    pub(super) fn meet_namespace(&mut self, netns: u32, pid: Option<u32>, drops: bool) {
        if !self.namespaces.contains_key(&netns) {
            match self.way(netns, pid) {
                Some(way) => self.add_namespace(netns, way, true),
                None => *self.not_found.entry(netns).or_default() |= drops,
            }
        }
        if let Some(namespace) = self.namespaces.get_mut(&netns).filter(|_| drops) {
            namespace.drops = true;
            let _gone = namespace.look_again(netns);
        }
    }

    /// Looks once more for namespaces that are younger than the last search.
    pub(super) fn look_for_namespaces(&mut self) {
        // All processes are gone through anew, if there is a reason to.
        self.census = None;
        for (netns, drops) in std::mem::take(&mut self.not_found) {
            self.meet_namespace(netns, None, drops);
        }
        self.missing.namespaces += std::mem::take(&mut self.not_found).len();
    }

    /// Reads again where packets were dropped.
    pub(super) fn look_at_drops(&mut self) {
        for (netns, namespace) in &mut self.namespaces {
            if namespace.drops {
                let _gone = namespace.look_again(*netns);
            }
        }
    }

    fn add_namespace(&mut self, netns: u32, way: Way, late: bool) {
        let Some(counters) = Counters::read(&way, netns) else {
            self.missing.namespaces += 1;
            return;
        };
        let mut namespace = Namespace {
            way,
            late,
            counters,
            drops: false,
            again: None,
            fullest: None,
        };
        namespace.saw(&counters);
        self.namespaces.insert(netns, namespace);
    }

    /// Looks how busy each server is, and whether its quota runs out.
    pub(super) fn look_at_servers(&mut self) {
        for (pid, server) in &mut self.servers {
            server.history.look(*pid);
            if let Some(folder) = server.subject.groups() {
                self.groups.look(folder);
            }
        }
    }

    /// A process was looked at: its control groups count from now on.
    pub(super) fn met(&mut self, subject: &Subject) {
        match subject.groups() {
            Some(folder) => self.groups.meet(folder),
            None => self.missing.cgroups += 1,
        }
    }

    /// Reads everything once more and tells what grew.
    pub(super) fn close(mut self, wanted: &Wanted) -> Surroundings {
        let softnet_dropped = self
            .softnet_dropped
            .zip(softnet::dropped())
            .map(|(first, last)| last.saturating_sub(first));
        self.missing.softnet = softnet_dropped.is_none();
        self.missing.namespaces += self.not_found.len();
        let conntrack_max = conntrack::max();
        self.groups.look_at_all();
        let mut surroundings = Surroundings {
            conntrack_max,
            softnet_dropped,
            servers: self.close_servers(wanted),
            clients: self.close_clients(),
            routes: std::mem::take(&mut self.routes),
            listeners: std::mem::take(&mut self.listeners),
            ..Surroundings::default()
        };
        self.close_namespaces(&mut surroundings, wanted);
        surroundings.missing = self.missing.sentences();
        surroundings
    }

    fn close_servers(&mut self, wanted: &Wanted) -> BTreeMap<u32, ServerProcess> {
        let servers = std::mem::take(&mut self.servers).into_iter();
        let closed = servers.map(|(pid, server)| {
            let last = sockets(pid, server.netns, Some(&wanted.ports));
            let mut process = server.subject.close(&self.groups);
            process.cpu = process.cpu.or_else(|| server.history.cpu());
            // The sockets of one that has ended are gone, and so is their count.
            self.missing.sockets += usize::from(last.is_none() && !process.ended);
            let socket_drops = server
                .drops
                .zip(last.filter(|_| !process.ended))
                .map(|(first, last)| udp_sockets::growth(&first, &last));
            let server = ServerProcess {
                process,
                spans: server.history.into_spans(),
                socket_drops,
            };
            (pid, server)
        });
        closed.collect()
    }

    fn close_clients(&mut self) -> BTreeMap<u32, ClientProcess> {
        let clients = std::mem::take(&mut self.clients).into_iter();
        let closed = clients.map(|(pid, client)| {
            let client = ClientProcess {
                process: client.subject.close(&self.groups),
                resolv_conf: client.resolv_conf,
                library: client.library,
            };
            (pid, client)
        });
        closed.collect()
    }

    fn close_namespaces(&mut self, surroundings: &mut Surroundings, wanted: &Wanted) {
        let mut census = Census::take();
        let mut tables = Vec::new();
        for (netns, mut first) in std::mem::take(&mut self.namespaces) {
            let way = census.ways.remove(&netns);
            let way = way.unwrap_or_else(|| first.way.clone());
            let read = Counters::read(&way, netns);
            let is_there = read.is_some();
            let Some(last) = read.or(first.again) else {
                self.missing.namespaces += 1;
                continue;
            };
            first.saw(&last);
            match first.counters.conntrack.zip(last.conntrack) {
                Some((first_look, last_look)) => {
                    let mut grown = last_look.since(&first_look, first.late);
                    grown.fullest = first.fullest;
                    surroundings.conntrack.insert(netns, grown);
                }
                // Where connection tracking is not in use, nothing is missing.
                None => {
                    self.missing.conntrack += usize::from(surroundings.conntrack_max.is_some());
                }
            }
            match first.counters.udp.zip(last.udp) {
                Some((first_look, last_look)) => {
                    let grown = last_look.since(&first_look, first.late);
                    surroundings.udp.insert(netns, grown);
                }
                None => self.missing.udp += 1,
            }
            if is_there && last.conntrack.is_none_or(|table| table.entries > 0) {
                tables.push((netns, way));
            }
        }
        if surroundings.conntrack_max.is_some() {
            surroundings.flows = self.flows(tables, wanted);
        }
    }

    /// First the tables of namespaces where attempts failed, then this one's, in
    /// which translation for containers is done, then the others.
    fn flows(&mut self, mut tables: Vec<(u32, Way)>, wanted: &Wanted) -> Flows {
        let deadline = Instant::now() + FLOWS_TIME;
        let own = netns::of(std::process::id());
        tables.sort_by_key(|(netns, _)| (!wanted.namespaces.contains(netns), own != Some(*netns)));
        let mut flows = Collection::default();
        for (netns, way) in tables {
            let in_procfs = way.visit(netns, |net| flows.read(net, netns, wanted, deadline));
            if in_procfs == Some(false) {
                let asked = way.enter(netns, || flows.ask(netns, wanted, deadline));
                self.missing.flows += usize::from(asked != Some(true));
            }
        }
        flows.finish()
    }
}
