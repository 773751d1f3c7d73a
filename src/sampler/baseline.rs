//! What was read at the start and at first sight, until it is compared with the
//! end.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use super::ConntrackCounters;
use super::Descriptors;
use super::Flow;
use super::HostSample;
use super::Ports;
use super::cgroups::Hierarchies;
use super::conntrack;
use super::conntrack::Fullness;
use super::flows::Collection;
use super::flows::Wanted;
use super::listener::LOOKS_MAX;
use super::listener::Open;
use super::memory::Kills;
use super::missing;
use super::missing::Missing;
use super::process_baseline::Groups;
use super::process_baseline::ProcessBaseline;
use super::shared::SharedBaseline;
use super::waits::Waits;
use crate::counters::Resent;
use crate::counters::ResentWatch;
use crate::counters::TcpClient;
use crate::host;
use crate::host::Tools;
use crate::host::netns;
use crate::host::netns::NetnsHandle;
use crate::host::netns::NetnsIndex;
use crate::host::proc::Root;
use crate::host::proc::conntrack_stat;
use crate::host::proc::conntrack_stat::ConntrackStat;
use crate::host::proc::snmp::Snmp;

/// How long tables of connection tracking entries are read at the end.
const FLOWS_TIME: Duration = Duration::from_secs(2);

/// All processes are gone through again for a namespace at most this often.
const INDEX_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Baseline {
    pub(super) root: Root,
    pub(super) hierarchies: Hierarchies,
    pub(super) servers: BTreeMap<u32, ProcessBaseline>,
    pub(super) clients: BTreeMap<u32, ProcessBaseline>,
    pub(super) routes: BTreeMap<(u32, IpAddr), bool>,
    pub(super) ports: BTreeMap<u32, Ports>,
    descriptors: Descriptors,
    pub(super) listeners: BTreeMap<(u32, SocketAddr), u32>,
    /// Those of the window before.
    pub(super) listeners_before: BTreeMap<(u32, SocketAddr), u32>,
    /// Addresses that are to be looked at again.
    pub(super) open: BTreeMap<(u32, SocketAddr), Open>,
    /// Those that were looked at often enough in the window before: they were nobody's.
    pub(super) never_found: BTreeSet<(u32, SocketAddr)>,
    pub(super) bound: BTreeMap<(u32, SocketAddr), Option<u32>>,
    namespaces: BTreeMap<u32, Namespace>,
    /// No way into them was known yet; whether packets are dropped there.
    not_found: BTreeMap<u32, bool>,
    groups: Groups,
    kills: Kills,
    pub(super) resent: Option<ResentWatch>,
    /// What had been sent again when the window began.
    resent_before: BTreeMap<TcpClient, Resent>,
    pub(super) waits: Waits,
    pub(super) missing: Missing,
    /// When all processes were gone through.
    pub(super) indexed: Option<Instant>,
    pub(super) handles: BTreeMap<u32, NetnsHandle>,
    shared: SharedBaseline,
}

/// The first reading of a namespace's counters.
#[derive(Debug)]
struct Namespace {
    handle: NetnsHandle,
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
    fn of(handle: NetnsHandle, counters: Counters) -> Self {
        Self {
            handle,
            late: false,
            counters,
            drops: false,
            again: None,
            fullest: None,
        }
    }

    fn look_again(&mut self, root: &Root, netns: u32) -> Option<()> {
        let max = conntrack_stat::max(root);
        let counters = Counters::read(&self.handle, netns, max)?;
        self.saw(&counters, max);
        self.again = Some(counters);
        Some(())
    }

    fn saw(&mut self, counters: &Counters, max: Option<u64>) {
        let stat = counters.conntrack.as_ref();
        let seen = stat.and_then(|stat| Fullness::of(stat, max));
        self.fullest = conntrack::fuller(self.fullest, seen);
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    conntrack: Option<ConntrackStat>,
    snmp: Option<Snmp>,
}

impl Counters {
    /// `None` if the namespace cannot be looked into. Without a limit there is no
    /// connection tracking to ask for.
    fn read(handle: &NetnsHandle, netns: u32, conntrack_max: Option<u64>) -> Option<Self> {
        let (conntrack, snmp) = handle.visit(netns, |net| {
            (ConntrackStat::read(net).ok(), Snmp::read(net).ok())
        })?;
        let by_netlink = || {
            conntrack_max?;
            host::conntrack::by_netlink(handle, netns)
        };
        Some(Self {
            conntrack: conntrack.or_else(by_netlink),
            snmp,
        })
    }
}

impl Baseline {
    /// Reads what counts from now on.
    pub(super) fn open(root: Root, kills: Kills) -> Self {
        let index = NetnsIndex::take(&root);
        let mut baseline = Self {
            hierarchies: Hierarchies::find(&root),
            indexed: Some(Instant::now()),
            shared: SharedBaseline::read(&root),
            kills,
            root,
            ..Self::default()
        };
        let missing = &mut baseline.missing;
        missing.add(missing::PROCESSES, index.unreadable);
        missing.add(missing::NAMESPACES_LEFT_OUT, index.left_out);
        for (netns, handle) in &index.handles {
            baseline.add_namespace(*netns, handle.clone(), false);
        }
        baseline.handles = index.handles;
        baseline
    }

    /// Those whose counters were read.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = u32> {
        self.namespaces.keys().copied()
    }

    /// How to look into a namespace, best through the process that has a socket
    /// in it.
    pub(super) fn handle(&mut self, netns: u32, pid: Option<u32>) -> Option<NetnsHandle> {
        let process = pid.map(|pid| self.root.process(pid));
        let through = process.and_then(|it| NetnsHandle::through(&it, netns));
        if through.is_some() {
            return through;
        }
        if let Some(old) = self.handles.get(&netns)
            && !old.leads_to(netns)
        {
            self.handles.remove(&netns);
        }
        let fresh = self.indexed.is_some_and(|it| it.elapsed() < INDEX_INTERVAL);
        if !fresh && !self.handles.contains_key(&netns) {
            self.handles = NetnsIndex::take(&self.root).handles;
            self.indexed = Some(Instant::now());
        }
        self.handles.get(&netns).cloned()
    }

    /// What was known of the way into a namespace leads elsewhere by now.
    pub(super) fn forget(&mut self, netns: u32) {
        self.handles.remove(&netns);
    }

    /// A namespace that an attempt was in, or where a packet was dropped.
    pub(super) fn meet_namespace(&mut self, netns: u32, pid: Option<u32>, drops: bool) {
        if !self.namespaces.contains_key(&netns) {
            match self.handle(netns, pid) {
                Some(handle) => self.add_namespace(netns, handle, true),
                None => *self.not_found.entry(netns).or_default() |= drops,
            }
        }
        if let Some(namespace) = self.namespaces.get_mut(&netns).filter(|_| drops) {
            namespace.drops = true;
            let _gone = namespace.look_again(&self.root, netns);
        }
    }

    /// All processes are gone through anew, if there is a reason to.
    pub(super) fn search_again(&mut self) {
        self.indexed = None;
    }

    /// Looks once more for namespaces that are younger than the last search.
    pub(super) fn look_for_namespaces(&mut self) {
        self.search_again();
        for (netns, drops) in std::mem::take(&mut self.not_found) {
            self.meet_namespace(netns, None, drops);
        }
        let not_found = std::mem::take(&mut self.not_found).len();
        self.missing.add(missing::NAMESPACES, not_found);
    }

    pub(super) fn look_at_drops(&mut self) {
        for (netns, namespace) in &mut self.namespaces {
            if namespace.drops {
                let _gone = namespace.look_again(&self.root, *netns);
            }
        }
    }

    fn add_namespace(&mut self, netns: u32, handle: NetnsHandle, late: bool) {
        let max = conntrack_stat::max(&self.root);
        let Some(counters) = Counters::read(&handle, netns, max) else {
            self.missing.add(missing::NAMESPACES, 1);
            return;
        };
        let mut namespace = Namespace {
            late,
            ..Namespace::of(handle, counters)
        };
        namespace.saw(&counters, max);
        self.namespaces.insert(netns, namespace);
    }

    /// Looks how busy each server is, and whether its quota runs out.
    pub(super) fn look_at_servers(&mut self) {
        for server in self.servers.values_mut() {
            server.history.look(&server.folder);
            self.groups.look(&self.root, &server.groups);
        }
        self.groups.look_at_limited(&self.root);
    }

    /// Looks who of those that ask and answer has no descriptor left.
    pub(super) fn look_at_descriptors(&mut self) {
        let known = self.clients.keys().chain(self.servers.keys()).copied();
        self.descriptors.look(&self.root, known);
    }

    /// Looks who was killed since the last time.
    pub(super) fn look_at_kills(&mut self) {
        let servers = &self.servers;
        let memory_of = |pid: u32| servers.get(&pid)?.memory.as_ref();
        self.kills.look(&self.root, memory_of);
    }

    /// Begins or ends to count who waits for a CPU.
    pub(super) fn look_at_waits(&mut self) {
        let (servers, clients) = (&self.servers, &self.clients);
        let wanted = |pid| servers.contains_key(&pid) || clients.contains_key(&pid);
        self.waits.tick(Instant::now(), wanted);
    }

    /// Looks at a process: its control groups count from now on. `None` if it is
    /// gone.
    pub(super) fn process(&mut self, pid: u32) -> Option<ProcessBaseline> {
        let process = ProcessBaseline::meet(&self.root, pid, &self.hierarchies)?;
        let unknown = usize::from(process.groups.is_empty());
        self.missing.add(missing::GROUPS, unknown);
        self.groups.meet(&self.root, &process.groups);
        Some(process)
    }

    /// Reads everything once more and tells what grew.
    pub(super) fn close(mut self, wanted: &Wanted) -> HostSample {
        self.tell(wanted)
    }

    /// The same, and what was read counts for the next window. Processes are to be met anew.
    pub(super) fn roll(&mut self, wanted: &Wanted) -> HostSample {
        let sample = self.tell(wanted);
        self.missing = Missing::default();
        self.shared = SharedBaseline::read(&self.root);
        sample
    }

    fn tell(&mut self, wanted: &Wanted) -> HostSample {
        self.missing.add(missing::NAMESPACES, self.not_found.len());
        let conntrack_max = conntrack_stat::max(&self.root);
        self.look_at_kills();
        self.descriptors.look_at_all(&self.root);
        self.groups.look_at_all(&self.root);
        let groups = std::mem::take(&mut self.groups);
        self.listeners_before = std::mem::take(&mut self.listeners);
        let (known_servers, known_clients) = (&self.servers, &self.clients);
        let is_known = |pid| known_servers.contains_key(&pid) || known_clients.contains_key(&pid);
        let open = std::mem::take(&mut self.open).into_iter();
        let given_up = open.filter(|(_, it)| it.looks >= LOOKS_MAX && it.is_nobodys);
        self.never_found = given_up.map(|(key, _)| key).collect();
        let (cpu_waits, waits_looked_at) = self.waits.take(Instant::now(), is_known);
        self.missing.add(missing::KILLS, self.kills.left_out);
        let servers = std::mem::take(&mut self.servers).into_iter();
        let clients = std::mem::take(&mut self.clients).into_iter();
        let shared = self.shared.close(&self.root);
        let unread = [shared.backlog, shared.arp]
            .into_iter()
            .filter(Option::is_none);
        self.missing.add(missing::SHARED, unread.count());
        let mut sample = HostSample {
            own_netns: self.own_netns(),
            tools: Tools::probe(&self.root),
            servers: servers.map(|(pid, it)| (pid, it.close(&groups))).collect(),
            clients: clients.map(|(pid, it)| (pid, it.close(&groups))).collect(),
            oom_kills: self.kills.take(),
            cpu_waits,
            waits_looked_at,
            resent: self.resent(),
            shared,
            routes: std::mem::take(&mut self.routes),
            ports: std::mem::take(&mut self.ports),
            descriptors: std::mem::take(&mut self.descriptors),
            listeners: self.listeners_before.clone(),
            bound: std::mem::take(&mut self.bound),
            ..HostSample::default()
        };
        let dropping = self.namespaces.values().any(|it| it.drops);
        self.close_namespaces(&mut sample, wanted, conntrack_max);
        sample.missing = self.missing.sentences();
        // Where nothing was discarded nobody asks where.
        if dropping {
            sample
                .missing
                .extend(host::what_hides_functions(&self.root));
        }
        sample
    }

    /// What TCP has sent again.
    fn resent(&mut self) -> BTreeMap<TcpClient, Resent> {
        let read = self.resent.as_ref().map(ResentWatch::read);
        match read.transpose() {
            Ok(all) => {
                let all: BTreeMap<_, _> = all.unwrap_or_default().into_iter().collect();
                let before = std::mem::replace(&mut self.resent_before, all.clone());
                let since = |(client, it): (TcpClient, Resent)| {
                    let since = match before.get(&client) {
                        Some(before) => it.since(before)?,
                        None => it,
                    };
                    Some((client, since))
                };
                all.into_iter().filter_map(since).collect()
            }
            Err(error) => {
                log::debug!("what TCP sent again: {error:#}");
                BTreeMap::new()
            }
        }
    }

    fn own_netns(&self) -> Option<u32> {
        netns::of(&self.root.below("proc/self"))
    }

    fn close_namespaces(
        &mut self,
        sample: &mut HostSample,
        wanted: &Wanted,
        conntrack_max: Option<u64>,
    ) {
        let mut index = NetnsIndex::take(&self.root);
        let mut tables = Vec::new();
        let known = std::mem::take(&mut self.namespaces);
        for (netns, mut first) in known {
            let handle = index.handles.remove(&netns);
            let handle = handle.unwrap_or_else(|| first.handle.clone());
            let read = Counters::read(&handle, netns, conntrack_max);
            let is_there = read.is_some();
            let Some(last) = read.or(first.again) else {
                self.missing.add(missing::NAMESPACES, 1);
                continue;
            };
            first.saw(&last, conntrack_max);
            match first.counters.conntrack.zip(last.conntrack) {
                Some((first_look, last_look)) => {
                    let mut grown = ConntrackCounters::between(&first_look, &last_look, first.late);
                    grown.fullest = first.fullest;
                    sample.conntrack.insert(netns, grown);
                }
                // Where connection tracking is not in use, nothing is missing.
                None => {
                    let in_use = usize::from(conntrack_max.is_some());
                    self.missing.add(missing::CONNTRACK, in_use);
                }
            }
            match first.counters.snmp.zip(last.snmp) {
                Some((first, last)) => {
                    let Snmp {
                        receive_buffer_errors: errors,
                        checksum_errors: damaged,
                        unreachable,
                    } = last;
                    let errors = errors.saturating_sub(first.receive_buffer_errors);
                    sample.udp.insert(netns, errors);
                    let damaged = damaged.saturating_sub(first.checksum_errors);
                    sample.checksums.insert(netns, damaged);
                    let told = unreachable.since(first.unreachable);
                    sample.unreachable.insert(netns, told);
                }
                None => self.missing.add(missing::UDP, 1),
            }
            if is_there {
                self.namespaces
                    .insert(netns, Namespace::of(handle.clone(), last));
            }
            if is_there && last.conntrack.is_none_or(|table| table.entries > 0) {
                tables.push((netns, handle));
            }
        }
        if !wanted.failed.is_empty() {
            // Younger ones that nobody asks from: packets may be led elsewhere in them.
            let room = netns::MAX.saturating_sub(tables.len());
            let young = index.handles.iter().take(room);
            tables.extend(young.map(|(netns, handle)| (*netns, handle.clone())));
        }
        for (netns, handle) in index.handles {
            self.add_namespace(netns, handle, false);
        }
        if conntrack_max.is_some() {
            sample.flows = self.flows(tables, wanted);
        }
    }

    /// First the tables of namespaces where attempts failed, then this one's, in
    /// which translation for containers is done, then the others.
    fn flows(&mut self, mut tables: Vec<(u32, NetnsHandle)>, wanted: &Wanted) -> Vec<Flow> {
        let deadline = Instant::now() + FLOWS_TIME;
        let own = self.own_netns();
        tables.sort_by_key(|(netns, _)| (!wanted.namespaces.contains(netns), own != Some(*netns)));
        let mut flows = Collection::default();
        for (netns, handle) in tables {
            let in_procfs = handle.visit(netns, |net| flows.read(net, netns, wanted, deadline));
            if in_procfs == Some(false) {
                let asked = handle.enter(netns, || flows.ask(netns, wanted, deadline));
                let refused = usize::from(asked != Some(true));
                self.missing.add(missing::TABLES, refused);
            }
        }
        flows.finish(&mut self.missing)
    }
}
