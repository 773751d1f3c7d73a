//! How the neighbours of a case fared: by server, type, name, source port.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::SocketAddr;

use super::fingerprint::Fingerprint;
use super::processes::Processes;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Transport;

/// Bounds of each table; what finds no room is counted.
const SERVERS_MAX: usize = 1024;
const NAMES_MAX: usize = 8192;
const FLOWS_MAX: usize = 8192;
const NETNS_MAX: usize = 4096;

/// IANA: resource record types.
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
/// RFC 1035 section 4.1.1.
const NOERROR: u16 = 0;

/// Attempts that ended; superseded ones are in neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Answered in time, with whatever rcode.
    pub answered: u64,
    /// Of those, NOERROR.
    pub noerror: u64,
    /// Failed, late ones included.
    pub failed: u64,
}

impl Tally {
    /// All of them.
    pub fn ended(&self) -> u64 {
        self.answered + self.failed
    }

    pub(super) fn record(&mut self, attempt: &Attempt) {
        match attempt.outcome {
            Outcome::Answered => {
                self.answered += 1;
                if attempt.answer.is_some_and(|answer| answer.rcode == NOERROR) {
                    self.noerror += 1;
                }
            }
            // It was counted when it was given up on.
            Outcome::Late | Outcome::Superseded => {}
            Outcome::Unanswered | Outcome::Refused | Outcome::Dropped => self.failed += 1,
        }
    }
}

/// What one server did over TCP, and how often it asked for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpTally {
    /// Answers over UDP with the TC bit: the client is to ask over TCP.
    pub truncated: u64,
    /// Over TCP.
    pub tcp: Tally,
}

/// One source port that has failed: all its attempts to one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Attempts that failed since the last answer.
    pub failed: u64,
    /// When the first of those was sent, in nanoseconds of `CLOCK_MONOTONIC`.
    pub first_ns: u64,
    /// When the last of those was sent.
    pub last_ns: u64,
}

/// Address lookups of one name, or of one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BothFamilies {
    /// Type A.
    pub a: Tally,
    /// Type AAAA.
    pub aaaa: Tally,
}

/// Key of a flow: namespace, source port, server.
type FlowKey = (u32, u16, SocketAddr);

/// How all client attempts ended, filtered or not.
#[derive(Clone, Debug, Default)]
pub struct Tallies {
    /// By asked server.
    pub servers: HashMap<SocketAddr, Tally>,
    /// By asked server, over TCP.
    pub tcp: HashMap<SocketAddr, TcpTally>,
    /// By network namespace.
    pub netns: HashMap<u32, Tally>,
    /// By network namespace and server: who is on the same list.
    pub asked: HashMap<(u32, SocketAddr), Tally>,
    /// Address lookups, by asked server.
    pub families: HashMap<SocketAddr, BothFamilies>,
    /// By asking process.
    pub processes: Processes,
    names: HashMap<u64, BothFamilies>,
    flows: HashMap<FlowKey, Flow>,
    /// Attempts that one of the tables had no room for.
    pub left_out: u64,
}

impl Tallies {
    pub(super) fn record(&mut self, attempt: &Attempt, question: Option<Fingerprint>) {
        if attempt.outcome == Outcome::Late {
            return;
        }
        let left_out = &mut self.left_out;
        if let Some(tally) = entry(&mut self.servers, attempt.peer, SERVERS_MAX, left_out) {
            tally.record(attempt);
        }
        if let Some(tally) = entry(&mut self.netns, attempt.owner.netns, NETNS_MAX, left_out) {
            tally.record(attempt);
        }
        let asked = (attempt.owner.netns, attempt.peer);
        if let Some(tally) = entry(&mut self.asked, asked, NETNS_MAX, left_out) {
            tally.record(attempt);
        }
        self.processes.record(attempt, question);
        self.record_tcp(attempt);
        self.record_flow(attempt);
        self.record_families(attempt, question);
    }

    fn record_tcp(&mut self, attempt: &Attempt) {
        let is_tcp = attempt.transport == Transport::Tcp;
        let truncated = attempt.answer.is_some_and(|answer| answer.truncated);
        if !is_tcp && !truncated {
            return;
        }
        let left_out = &mut self.left_out;
        if let Some(tally) = entry(&mut self.tcp, attempt.peer, SERVERS_MAX, left_out) {
            match is_tcp {
                true => tally.tcp.record(attempt),
                false => tally.truncated += 1,
            }
        }
    }

    fn record_flow(&mut self, attempt: &Attempt) {
        let key = (attempt.owner.netns, attempt.local.port(), attempt.peer);
        if !attempt.outcome.is_failure() {
            if !self.flows.is_empty() {
                self.flows.remove(&key);
            }
            return;
        }
        if self.flows.len() == FLOWS_MAX {
            // A source port that failed once is what a new socket for each
            // query leaves behind.
            self.flows.retain(|_, flow| flow.failed > 1);
        }
        if let Some(flow) = self.flows.get_mut(&key) {
            flow.failed += 1;
            flow.last_ns = attempt.sent_ns;
        } else if self.flows.len() < FLOWS_MAX {
            self.flows.insert(
                key,
                Flow {
                    failed: 1,
                    first_ns: attempt.sent_ns,
                    last_ns: attempt.sent_ns,
                },
            );
        } else {
            self.left_out += 1;
        }
    }

    fn record_families(&mut self, attempt: &Attempt, question: Option<Fingerprint>) {
        let Some(question) = question else {
            return;
        };
        if !matches!(question.rtype, TYPE_A | TYPE_AAAA) {
            return;
        }
        let left_out = &mut self.left_out;
        let of_name = entry(&mut self.names, question.name, NAMES_MAX, left_out);
        let of_server = entry(&mut self.families, attempt.peer, SERVERS_MAX, left_out);
        for both in of_name.into_iter().chain(of_server) {
            match question.rtype {
                TYPE_A => both.a.record(attempt),
                _ => both.aaaa.record(attempt),
            }
        }
    }

    /// What became of the server's attempts.
    pub fn server(&self, address: SocketAddr) -> Tally {
        self.servers.get(&address).copied().unwrap_or_default()
    }

    /// The source port of the attempt, if it has only failed lately.
    pub fn flow(&self, attempt: &Attempt) -> Option<&Flow> {
        self.flows
            .get(&(attempt.owner.netns, attempt.local.port(), attempt.peer))
    }

    pub(super) fn both_families(&self, question: Fingerprint) -> Option<BothFamilies> {
        self.names.get(&question.name).copied()
    }
}

/// The entry, made if there is room; else it is counted.
fn entry<'a, K: Eq + Hash, V: Default>(
    map: &'a mut HashMap<K, V>,
    key: K,
    max: usize,
    left_out: &mut u64,
) -> Option<&'a mut V> {
    if map.len() >= max && !map.contains_key(&key) {
        *left_out += 1;
        return None;
    }
    Some(map.entry(key).or_default())
}
