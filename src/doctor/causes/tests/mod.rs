//! Each rule takes what is its own, and leaves what only looks like it.

mod alike;
mod answers;
mod apart;
mod besides;
pub(crate) mod commands;
mod contrasts;
mod counts;
mod dead_ends;
mod drops;
mod figures;
mod forwarders;
mod kernel_reasons;
mod killed;
mod lists;
mod lossy;
mod negative;
mod own;
mod patterns;
mod programs;
mod reasons;
mod rejects;
mod replicas;
mod restarts;
mod send_denied;
mod sentences;
mod served;
mod servers;
mod sizes;
mod slow;
mod turned_away;
mod unexplained;
mod windows;

use std::net::SocketAddr;
use std::time::Duration;

use domain::base::iana::OptRcode;

use super::*;
use crate::attempt::Answer;
use crate::attempt::Attempt;
use crate::attempt::Conntrack;
use crate::attempt::HeaderBits;
use crate::attempt::Outcome;
use crate::attempt::Packet;
use crate::attempt::PacketDrop;
use crate::attempt::RawQuestion;
use crate::attempt::Reason;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::collect::Collector;
use crate::doctor::finding::Severity;
use crate::incidents::Incidents;
use crate::sample;
use crate::sample::MS;
use crate::sampler::HostSample;

const SERVER: &str = "10.0.0.10:53";
const OTHER: &str = "10.0.0.11:53";
const POD: u32 = 4_026_531_840;
const NODE: u32 = 4_026_532_001;
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;

/// What happened: attempts in the order of their end.
#[derive(Default)]
struct Story {
    attempts: Vec<Attempt>,
    host: HostSample,
}

impl Story {
    fn with(mut self, attempts: impl IntoIterator<Item = Attempt>) -> Self {
        self.attempts.extend(attempts);
        self
    }

    fn evidence(&self) -> Evidence {
        let mut incidents = Incidents::default();
        for attempt in &self.attempts {
            incidents.record(attempt, true);
        }
        let window = Duration::from_secs(30);
        incidents.close(self.host.clone(), window, Vec::new())
    }

    fn explain(self) -> Diagnosis {
        let mut collector = Collector::default();
        for attempt in &self.attempts {
            collector.record(attempt);
        }
        explained(&self.evidence(), &collector.snapshot())
    }

    /// Rule and number of each finding that is more than a note.
    fn said(self) -> Vec<(&'static str, u64)> {
        let findings = self.explain().findings;
        findings
            .iter()
            .filter(|finding| finding.severity > Severity::Info)
            .map(|finding| (finding.rule.name(), finding.queries))
            .collect()
    }
}

fn explained(evidence: &Evidence, snapshot: &Snapshot) -> Diagnosis {
    explain(evidence, snapshot, &Parties::of(snapshot, evidence))
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address in a test")
}

/// `name` is made of labels without dots in them.
fn question(name: &str, rtype: u16) -> RawQuestion {
    let mut octets = Vec::new();
    for label in name.split('.') {
        octets.push(label.len() as u8);
        octets.extend(label.as_bytes());
    }
    octets.push(0);
    octets.extend(rtype.to_be_bytes());
    octets.extend([0, 1]);
    RawQuestion::new(&octets)
}

/// The n-th attempt of curl at a server: a socket and an id of its own, and its time within
/// ten seconds: those that are numbered far apart are meanwhile.
fn attempt(n: u64, server: &str, outcome: Outcome) -> Attempt {
    let mut attempt = sample::attempt(("curl", 4242), server, outcome, MS);
    attempt.cookie = 1_000 + n;
    attempt.id = Some(n as u16);
    attempt.local.set_port(30_000 + n as u16);
    attempt.question = question(&format!("n{n}.example.com"), TYPE_A);
    shift(&mut attempt, n % 100 * 100 * MS);
    attempt
}

fn shift(attempt: &mut Attempt, by_ns: u64) {
    attempt.sent_ns += by_ns;
    attempt.first_ns += by_ns;
    attempt.end_ns += by_ns;
}

fn many(n: u64, server: &'static str, outcome: Outcome) -> impl Iterator<Item = Attempt> {
    (0..n).map(move |n| attempt(n, server, outcome))
}

/// The same, numbered behind those of [`many`].
fn more(n: u64, server: &'static str, outcome: Outcome) -> impl Iterator<Item = Attempt> {
    (500..500 + n).map(move |n| attempt(n, server, outcome))
}

fn packet_drop(attempt: &Attempt, packet: Packet, reason: &str, location: &str) -> PacketDrop {
    let (source, destination) = match packet {
        Packet::Answer => (attempt.peer, attempt.local),
        _ => (attempt.local, attempt.peer),
    };
    PacketDrop {
        at_ns: attempt.end_ns,
        reason: reason.into(),
        location: Some(location.into()),
        packet,
        conntrack: Some(Conntrack::Absent),
        netns: NODE,
        source,
        destination,
        when_sent: false,
    }
}

fn dropped(attempt: Attempt, packet: Packet, reason: &str, location: &str) -> Attempt {
    let drop = packet_drop(&attempt, packet, reason, location);
    Attempt {
        outcome: Outcome::Dropped,
        reason: Some(Reason::Drop(reason.to_owned())),
        drop: Some(Box::new(drop)),
        answer: None,
        ..attempt
    }
}

fn refused(attempt: Attempt, errno: i32) -> Attempt {
    Attempt {
        outcome: Outcome::Refused,
        reason: Some(Reason::Errno(errno)),
        answer: None,
        ..attempt
    }
}

fn answered_with(attempt: Attempt, rcode: u16) -> Attempt {
    Attempt {
        outcome: Outcome::Answered,
        answer: Some(Answer {
            rcode: OptRcode::masked_from_int(rcode),
            truncated: false,
            answers: 0,
            bytes: 40,
            bits: HeaderBits::default(),
            extended_error: None,
        }),
        ..attempt
    }
}

/// The same exchange as the server on this host saw it.
fn at_server(attempt: &Attempt, pid: u32, outcome: Outcome, took_ns: u64) -> Attempt {
    let mut view = attempt.clone();
    view.role = Role::Server;
    view.outcome = outcome;
    view.local = attempt.peer;
    view.peer = attempt.local;
    view.cookie = 77;
    view.owner.pid = Some(pid);
    view.owner.netns = NODE;
    view.sent_ns += MS / 100;
    view.end_ns = view.sent_ns + took_ns;
    view.drop = None;
    view.reason = None;
    view.answer = matches!(outcome, Outcome::Answered | Outcome::Late).then_some(Answer {
        rcode: OptRcode::NOERROR,
        truncated: false,
        answers: 1,
        bytes: 80,
        bits: HeaderBits::default(),
        extended_error: None,
    });
    view
}

#[test]
fn causes_are_asked_in_the_order_of_the_rules() {
    assert!(CAUSES.is_sorted_by_key(|(rule, _)| *rule));
}
