//! How many queries came to each server of this host, to which of its sockets and from which
//! networks, and how many of them went unanswered; and how many each process answered at
//! once, with no error. Most of these exchanges are not kept one by one.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::net::IpAddr;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::server_view::ServerView;
use super::table::Table;
use super::traits::Trait;
use super::traits::Way;
use super::traits::sharpest_first;
use crate::attempt::Comm;
use crate::attempt::Outcome;
use crate::attempt::Plain;
use crate::attempt::Transport;
use crate::contrast::Contrast;
use crate::contrast::Failed;

/// Servers, by their network namespace.
const SERVERS_MAX: usize = 1_024;
/// Sockets and networks of all servers together, about 60 bytes each.
const TRAITS_MAX: usize = 8_192;
/// Processes.
const PROCESSES_MAX: usize = 4_096;

/// How many there were.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Came {
    all: u64,
    unanswered: u64,
}

impl Came {
    fn add(&mut self, other: Self) {
        self.all += other.all;
        self.unanswered += other.unanswered;
    }

    fn failed(self) -> Failed {
        Failed {
            failed: self.unanswered,
            of: self.all,
        }
    }
}

#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq, Eq)]
struct AtServer {
    all: Came,
    of: BTreeMap<Trait, Came>,
}

/// What a process answered well.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// How many, of whomever.
    pub well: u64,
    /// The process's name.
    pub comm: Comm,
}

/// What came, bounded.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Over UDP: a connection of TCP has a socket of its own.
    servers: Table<Way, AtServer>,
    kept: usize,
    processes: Table<u32, Served>,
    /// Exchanges that one of the tables had no room for.
    pub(super) left_out: u64,
}

impl Arrivals {
    pub(super) fn record(&mut self, view: &ServerView) {
        // It was counted when it was given up on.
        if view.outcome == Outcome::Late {
            return;
        }
        if let Some(pid) = view.owner.pid.filter(|_| view.is_fine()) {
            self.add_process(pid, view.owner.comm, 1);
        }
        if view.transport != Transport::Udp {
            return;
        }
        let came = Came {
            all: 1,
            unanswered: u64::from(!view.is_answered()),
        };
        let way = (view.owner.netns, view.local);
        self.add_all(way, came);
        for it in traits_of(view) {
            self.add(way, it, came);
        }
    }

    /// As [`Self::record`] of each of them.
    pub(super) fn count(&mut self, plain: &Plain) {
        let (owner, local) = (&plain.example.owner, plain.example.local);
        if let Some(pid) = owner.pid {
            self.add_process(pid, owner.comm, plain.number());
        }
        let way = (owner.netns, local);
        // Most follow one that came to the same socket from the same network.
        let mut of: BTreeMap<Trait, u64> = BTreeMap::new();
        for exchange in &plain.exchanges {
            let socket = Trait::ServerSocket(exchange.cookie);
            let network = Trait::Network(network_of(exchange.peer.ip()));
            *of.entry(socket).or_default() += 1;
            *of.entry(network).or_default() += 1;
        }
        let came = |all| Came { all, unanswered: 0 };
        self.add_all(way, came(plain.exchanges.len() as u64));
        of.into_iter()
            .for_each(|(it, all)| self.add(way, it, came(all)));
    }

    fn add_process(&mut self, pid: u32, comm: Comm, number: u64) {
        if self.processes.len() == PROCESSES_MAX && !self.processes.contains_key(&pid) {
            self.left_out += number;
            return;
        }
        let served = self.processes.entry(pid).or_default();
        served.well += number;
        served.comm = comm;
    }

    fn add_all(&mut self, way: Way, came: Came) {
        if self.servers.len() == SERVERS_MAX && !self.servers.contains_key(&way) {
            self.left_out += came.all;
            return;
        }
        self.servers.entry(way).or_default().all.add(came);
    }

    fn add(&mut self, way: Way, it: Trait, came: Came) {
        let Some(server) = self.servers.get_mut(&way) else {
            return;
        };
        if let Some(own) = server.of.get_mut(&it) {
            own.add(came);
        } else if self.kept < TRAITS_MAX {
            server.of.insert(it, came);
            self.kept += 1;
        }
    }

    /// Adds what came in the window right after.
    pub(super) fn follow(&mut self, next: &Self) {
        self.left_out += next.left_out;
        for (pid, served) in &next.processes {
            self.add_process(*pid, served.comm, served.well);
        }
        for (way, server) in &next.servers {
            self.add_all(*way, server.all);
            for (it, came) in &server.of {
                self.add(*way, *it, *came);
            }
        }
    }

    /// What it takes, in octets, about.
    pub(super) fn octets(&self) -> usize {
        self.servers.capacity() * size_of::<(Way, AtServer)>()
            + self.kept * size_of::<(Trait, Came)>()
            + self.processes.capacity() * size_of::<(u32, Served)>()
    }

    /// The processes that answered something well.
    pub fn processes(&self) -> impl Iterator<Item = (u32, &Served)> {
        self.processes.iter().map(|(pid, served)| (*pid, served))
    }

    /// What sets apart the queries that one server left unanswered, by server.
    pub(super) fn contrasts(&self) -> HashMap<Way, Vec<(Trait, Contrast)>> {
        let of_one = |(way, AtServer { all, of }): (&Way, &AtServer)| {
            let compared = |(it, with): (&Trait, &Came)| {
                let found = Contrast::of(with.failed(), all.failed(), of.len())?;
                Some((*it, found))
            };
            let found = sharpest_first(of.iter().filter_map(compared).collect());
            (!found.is_empty()).then_some((*way, found))
        };
        self.servers.iter().filter_map(of_one).collect()
    }
}

/// What an exchange is compared by.
pub(super) fn traits_of(view: &ServerView) -> [Trait; 2] {
    [
        Trait::ServerSocket(view.cookie),
        Trait::Network(network_of(view.peer.ip())),
    ]
}

/// With the bits of the single host set to zero.
fn network_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            [a, b, c, 0].into()
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            [a, b, c, d, 0, 0, 0, 0].into()
        }
    }
}
