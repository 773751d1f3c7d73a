//! Exchanges as a server on this host saw them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use domain::base::iana::OptRcode;

use crate::attempt::Attempt;
use crate::attempt::Fingerprint;
use crate::attempt::Identity;
use crate::attempt::Outcome;
use crate::attempt::Owner;
use crate::attempt::Plain;
use crate::attempt::PlainExchange;
use crate::attempt::Transport;
use crate::thresholds::LATENCY_WARNING_NS;

/// A query that crosses this host arrives within microseconds; one that waits
/// for a neighbour's address or in a shaper's queue takes up to some seconds.
const ON_THE_WAY_NS: u64 = 5_000_000_000;

/// One exchange at a server's socket.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq)]
pub struct ServerView {
    /// When the query arrived, in nanoseconds of `CLOCK_MONOTONIC`.
    pub arrived_ns: u64,
    /// When it was answered or given up on.
    pub ended_ns: u64,
    /// How it ended there.
    pub outcome: Outcome,
    /// The response code, if it was answered.
    #[borsh(
        serialize_with = "crate::codec::maybe_rcode::write",
        deserialize_with = "crate::codec::maybe_rcode::read"
    )]
    pub rcode: Option<OptRcode>,
    /// Size of the answer's DNS message in bytes; 0 without an answer.
    pub answer_bytes: u16,
    /// What lay in the socket's receive buffer before it, in bytes of kernel memory.
    pub queued_bytes: u32,
    /// The server; its pid is known if it has answered, or if it was found to
    /// listen there.
    pub owner: Owner,
    /// Whose control group its socket is in, if that is known.
    pub workload: Option<Arc<Identity>>,
    /// Cookie of the server's socket.
    pub cookie: u64,
    /// The server's address.
    pub local: SocketAddr,
    /// What carried it.
    pub transport: Transport,
    /// The client's address as the server saw it.
    pub peer: SocketAddr,
    pub(super) id: u16,
    pub(super) question: Option<Fingerprint>,
}

impl ServerView {
    /// Nothing is known of one whose query has no id.
    pub(super) fn of(attempt: &Attempt) -> Option<Self> {
        Some(Self {
            arrived_ns: attempt.sent_ns,
            ended_ns: attempt.end_ns,
            outcome: attempt.outcome,
            rcode: attempt.answer.map(|answer| answer.rcode),
            answer_bytes: attempt.answer.map_or(0, |answer| answer.bytes),
            queued_bytes: attempt.queued_bytes,
            owner: attempt.owner,
            workload: attempt.workload.clone(),
            cookie: attempt.cookie,
            local: attempt.local,
            transport: attempt.transport,
            peer: attempt.peer,
            id: attempt.id?,
            question: attempt.question.fingerprint(),
        })
    }

    /// One of several that were counted together.
    pub(super) fn of_plain(exchange: &PlainExchange, plain: &Plain) -> Self {
        Self {
            arrived_ns: exchange.arrived_ns,
            ended_ns: exchange.ended_ns,
            outcome: Outcome::Answered,
            rcode: Some(match exchange.is_nxdomain {
                true => OptRcode::NXDOMAIN,
                false => OptRcode::NOERROR,
            }),
            answer_bytes: exchange.answer_bytes,
            queued_bytes: exchange.queued_bytes,
            owner: plain.example.owner,
            workload: plain.example.workload.clone(),
            cookie: exchange.cookie,
            local: plain.example.local,
            transport: plain.example.transport,
            peer: exchange.peer,
            id: exchange.id,
            question: Some(exchange.question),
        }
    }

    /// By when it came; two of the same moment are told apart by the rest.
    pub(super) fn order(&self) -> (u64, u64, u64, SocketAddr, u16) {
        let Self {
            cookie, peer, id, ..
        } = *self;
        (self.arrived_ns, self.ended_ns, cookie, peer, id)
    }

    /// By when it was over.
    pub(super) fn order_of_ends(&self) -> (u64, u64, u64, SocketAddr, u16) {
        let (arrived_ns, ended_ns, cookie, peer, id) = self.order();
        (ended_ns, arrived_ns, cookie, peer, id)
    }

    /// Whether a known process answered at once, with no error.
    pub fn is_fine(&self) -> bool {
        self.outcome == Outcome::Answered
            && self.owner.pid.is_some()
            && self.took_ns() <= LATENCY_WARNING_NS
            && matches!(self.rcode, Some(OptRcode::NOERROR | OptRcode::NXDOMAIN))
    }

    /// From the query's arrival to its end there, in nanoseconds.
    pub fn took_ns(&self) -> u64 {
        self.ended_ns.saturating_sub(self.arrived_ns)
    }

    /// Whether the server sent an answer.
    pub fn is_answered(&self) -> bool {
        matches!(self.outcome, Outcome::Answered | Outcome::Late)
    }
}

/// Finds the exchange that belongs to a client's attempt.
pub(super) struct Index {
    by_query: HashMap<(u16, Fingerprint), Vec<usize>>,
}

impl Index {
    pub(super) fn new(views: &[ServerView]) -> Self {
        let mut by_query: HashMap<_, Vec<usize>> = HashMap::new();
        for (place, view) in views.iter().enumerate() {
            if let Some(question) = view.question {
                by_query.entry((view.id, question)).or_default().push(place);
            }
        }
        Self { by_query }
    }

    /// The first arrival after the query was sent. Translation may change both
    /// addresses, but neither id nor question. One port is preferred to another.
    /// What came to another server from another port of the same host is another socket's.
    pub(super) fn view_of(&self, views: &[ServerView], attempt: &Attempt) -> Option<usize> {
        let key = (attempt.id?, attempt.question.fingerprint()?);
        let candidates = self.by_query.get(&key)?;
        candidates
            .iter()
            .copied()
            .filter(|&place| {
                views.get(place).is_some_and(|view| {
                    is_in_time(view.arrived_ns, attempt.sent_ns)
                        && !is_of_another_socket(view, attempt)
                })
            })
            .min_by_key(|&place| {
                let view = &views[place];
                (
                    view.peer.port() != attempt.local.port(),
                    !view.is_answered(),
                    view.arrived_ns,
                )
            })
    }
}

/// Whether a query that came then may be the one that was sent at this moment.
pub(super) fn is_in_time(arrived_ns: u64, sent_ns: u64) -> bool {
    arrived_ns >= sent_ns && arrived_ns - sent_ns <= ON_THE_WAY_NS
}

/// Ids have 16 bits, and several servers are asked for the same name at once. Who translates
/// what leads to a server leaves the source alone, or gives it an address of his own; never one
/// of loopback. A forwarder that keeps the id (Docker's) does not ask itself.
fn is_of_another_socket(view: &ServerView, attempt: &Attempt) -> bool {
    if view.local == attempt.peer || view.peer.port() == attempt.local.port() {
        return false;
    }
    let asks_itself = view.owner.pid.is_some() && view.owner.pid == attempt.owner.pid;
    let comes_from_loopback = view.peer.ip().is_loopback() && !attempt.local.ip().is_loopback();
    view.peer.ip() == attempt.local.ip() || asks_itself || comes_from_loopback
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn another_socket_s_exchange_is_not_taken_for_it() {
        let mut at_server = sample::plain_attempt();
        at_server.local = "10.0.0.53:53".parse().expect("an address");
        at_server.peer = "10.0.0.7:40001".parse().expect("an address");
        at_server.owner.pid = Some(53);
        let views = [ServerView::of(&at_server).expect("an id")];
        let index = Index::new(&views);
        let is_it = |local: &str, peer: &str| {
            let mut attempt = sample::plain_attempt();
            attempt.local = local.parse().expect("an address");
            attempt.peer = peer.parse().expect("an address");
            index.view_of(&views, &attempt).is_some()
        };
        // Itself; and where it was asked for by a service address.
        assert!(is_it("10.0.0.7:40001", "10.0.0.53:53"));
        assert!(is_it("10.0.0.7:40001", "10.96.0.10:53"));
        // The source was translated: its port alone, or all of it.
        assert!(is_it("10.0.0.7:40002", "10.0.0.53:53"));
        assert!(is_it("10.1.0.9:40002", "10.96.0.10:53"));
        // The same id and name, from another port to another server.
        assert!(!is_it("10.0.0.7:40002", "203.0.113.63:53"));
    }

    /// Docker's resolver asks on with its client's id, while that client asks again.
    #[test]
    fn a_forwarder_that_keeps_the_id_does_not_ask_itself() {
        let view_for = |peer: &str, pid: u32| {
            let mut at_server = sample::plain_attempt();
            at_server.local = "127.0.0.11:37043".parse().expect("an address");
            at_server.peer = peer.parse().expect("an address");
            at_server.owner.pid = Some(pid);
            let views = [ServerView::of(&at_server).expect("an id")];
            let mut attempt = sample::plain_attempt();
            attempt.local = "10.77.0.2:50000".parse().expect("an address");
            attempt.peer = "10.77.0.7:53".parse().expect("an address");
            attempt.owner.pid = Some(765);
            Index::new(&views).view_of(&views, &attempt).is_some()
        };
        assert!(!view_for("127.0.0.1:34048", 765));
        assert!(!view_for("127.0.0.1:34048", 900));
        assert!(!view_for("172.18.0.4:34048", 765));
        // A loop through a service's address: the port is the same.
        assert!(view_for("10.77.0.2:50000", 765));
        // Another server, behind two translations.
        assert!(view_for("172.18.0.4:34048", 900));
    }
}
