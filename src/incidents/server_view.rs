//! Exchanges as a server on this host saw them.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;
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
use crate::attempt::Transport;
use crate::attempt::identity::IdentityTable;

/// The latest that are kept, about 150 bytes each: 2.4 MB.
const VIEWS_MAX: usize = 16_384;
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
    /// From the query's arrival to its end there, in nanoseconds.
    pub fn took_ns(&self) -> u64 {
        self.ended_ns.saturating_sub(self.arrived_ns)
    }

    /// Whether the server sent an answer.
    pub fn is_answered(&self) -> bool {
        matches!(self.outcome, Outcome::Answered | Outcome::Late)
    }
}

/// The latest exchanges, bounded.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default)]
pub(super) struct ServerViews {
    views: VecDeque<ServerView>,
    forgotten: u64,
}

impl ServerViews {
    /// Gives back the room that is not used.
    pub(super) fn shrink(&mut self) {
        self.views.shrink_to_fit();
    }

    /// What it takes, in octets.
    pub(super) fn octets(&self) -> usize {
        self.views.capacity() * size_of::<ServerView>()
    }

    pub(super) fn add(&mut self, attempt: &Attempt) {
        let Some(id) = attempt.id else {
            return;
        };
        self.push(ServerView {
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
            id,
            question: attempt.question.fingerprint(),
        });
    }

    pub(super) fn count(&mut self, plain: &Plain) {
        self.forgotten += plain.number() - plain.exchanges.len() as u64;
        for exchange in &plain.exchanges {
            self.push(ServerView {
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
            });
        }
    }

    pub(super) fn follow(&mut self, next: Self) {
        self.forgotten += next.forgotten;
        next.views.into_iter().for_each(|view| self.push(view));
    }

    /// Takes over what is known of workloads in the end.
    pub(super) fn learn(&mut self, known: &IdentityTable) {
        for view in &mut self.views {
            known.update(&mut view.workload);
        }
    }

    fn push(&mut self, view: ServerView) {
        if self.views.len() == VIEWS_MAX {
            self.views.pop_front();
            self.forgotten += 1;
        }
        self.views.push_back(view);
    }

    /// Those of a server that never answered get the owner of another exchange
    /// at the same socket, if one is known, or else of who listens there.
    pub(super) fn into_views(
        self,
        listeners: &BTreeMap<(u32, SocketAddr), u32>,
    ) -> (Vec<ServerView>, u64) {
        let known = self.views.iter().filter(|view| view.owner.pid.is_some());
        let owners: HashMap<_, _> = known.map(|view| (view.cookie, view.owner)).collect();
        let mut views = Vec::from(self.views);
        for view in views.iter_mut().filter(|view| view.owner.pid.is_none()) {
            let listener = listeners.get(&(view.owner.netns, view.local));
            match owners.get(&view.cookie) {
                Some(owner) => view.owner = *owner,
                None => view.owner.pid = listener.copied(),
            }
        }
        (views, self.forgotten)
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
                    view.arrived_ns >= attempt.sent_ns
                        && view.arrived_ns - attempt.sent_ns <= ON_THE_WAY_NS
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
        let mut views = ServerViews::default();
        let mut at_server = sample::plain_attempt();
        at_server.local = "10.0.0.53:53".parse().expect("an address");
        at_server.peer = "10.0.0.7:40001".parse().expect("an address");
        at_server.owner.pid = Some(53);
        views.add(&at_server);
        let (views, _) = views.into_views(&BTreeMap::new());
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
            let mut views = ServerViews::default();
            let mut at_server = sample::plain_attempt();
            at_server.local = "127.0.0.11:37043".parse().expect("an address");
            at_server.peer = peer.parse().expect("an address");
            at_server.owner.pid = Some(pid);
            views.add(&at_server);
            let (views, _) = views.into_views(&BTreeMap::new());
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
