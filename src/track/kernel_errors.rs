//! What the kernel tells without naming the query by its key: errors of sockets,
//! and packets that it discarded.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use super::drop_filter;
use super::drops::Drops;
use super::drops::Kept;
use super::query_key::QueryKey;
use super::unsent;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Owner;
use crate::attempt::Packet;
use crate::attempt::PacketDrop;
use crate::attempt::Reason;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::event::Discarded;
use crate::event::InFlight;
use crate::event::Notice;
use crate::event::NoticeKind;
use crate::event::Stray;
use crate::host::DropNames;

/// A packet that a firewall rejects is discarded, and its sender told, within
/// microseconds, in either order: after this time both are known. The poller looks
/// as often.
pub const JOIN_DELAY: Duration = Duration::from_millis(20);
/// A socket's error is joined by the sweep that follows it, or by a record that is
/// right behind it in the ring buffer.
const ERROR_KEPT: Duration = Duration::from_secs(1);
/// Errors that wait to be joined at one time, a few milliseconds' worth of the
/// hardest flood. More are counted, and their queries end as unanswered. Also the
/// unsent queries that wait for an error.
const KEPT_MAX: usize = 8192;

/// The socket's buffer has no room, or that of all sockets together.
const NO_ROOM: [&str; 2] = ["SOCKET_RCVBUFF", "PROTO_MEM"];
/// A filter of the socket, or on its control group, let it not in.
const FILTERED: &str = "SOCKET_FILTER";
/// Servers whose answers were let not in, and how long that is remembered: what is answered
/// meanwhile is held until it is known.
const FILTERS_MAX: usize = 256;
const FILTER_KEPT: Duration = Duration::from_secs(60);
/// Nobody listens where it arrived.
const NO_SOCKET: &str = "NO_SOCKET";

/// Why and when a query failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    /// `Refused` or `Dropped`.
    pub outcome: Outcome,
    /// What the kernel said.
    pub reason: Reason,
    /// The packet that was discarded, if one was.
    pub drop: Option<Box<PacketDrop>>,
    /// Who was sending it, if it was still being sent.
    pub owner: Option<Owner>,
    /// Its number here.
    pub(super) number: Option<u64>,
}

/// Indexed by what a query shares with them: a closed port under load makes two
/// notices for each query.
#[derive(Debug, Default)]
pub(super) struct KernelErrors {
    errors: HashMap<u64, SocketError>,
    /// The cookie by network namespace and port, for a socket whose cookie was not
    /// known when its packet was discarded.
    sockets: HashMap<(u32, u16), u64>,
    drops: Drops,
    /// By network namespace and server: when a filter last let an answer not in.
    filters: BTreeMap<(u32, IpAddr), u64>,
    /// In the order of their end; they wait for an error of their socket.
    unsent: VecDeque<Attempt>,
    newest_ns: u64,
    settled_ns: u64,
    /// Room may be found: it was not looked for since the last sweep.
    may_tidy: bool,
    lost: u64,
}

#[derive(Debug)]
struct SocketError {
    at_ns: u64,
    error: i32,
    place: (u32, u16),
    /// When the newest query was sent that left its stack and was ended by it.
    ended_ns: Cell<u64>,
}

impl KernelErrors {
    /// For attempts that are given up on after this time.
    pub(super) fn within(timeout: Duration) -> Self {
        Self {
            drops: Drops::within(timeout),
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, notice: Notice, names: &mut DropNames) {
        self.newest_ns = self.newest_ns.max(notice.at_ns);
        match notice.kind {
            NoticeKind::SocketError {
                cookie,
                netns,
                local_port,
                error,
            } => {
                if self.errors.len() >= KEPT_MAX && !self.make_room() {
                    self.lost += 1;
                    return;
                }
                let (at_ns, place) = (notice.at_ns, (netns, local_port));
                self.sockets.insert(place, cookie);
                self.errors.insert(
                    cookie,
                    SocketError {
                        at_ns,
                        error,
                        place,
                        ended_ns: Cell::new(0),
                    },
                );
            }
            NoticeKind::Drop(discarded) => self.discarded(notice.at_ns, *discarded, names),
        }
    }

    /// Those that have ended their queries are needed no more.
    fn make_room(&mut self) -> bool {
        if !std::mem::take(&mut self.may_tidy) {
            return false;
        }
        self.errors.retain(|_, error| error.ended_ns.get() == 0);
        self.errors.len() < KEPT_MAX
    }

    fn discarded(&mut self, at_ns: u64, discarded: Discarded, names: &mut DropNames) {
        let Some(drop) = evidence(at_ns, &discarded, names) else {
            return; // no loss, as far as this kernel tells
        };
        let function = drop.location.as_deref();
        if !drop_filter::is_loss(drop.packet, discarded.transport, &drop.reason, function) {
            return;
        }
        let is_answer = drop.packet == Packet::Answer && discarded.transport == Transport::Udp;
        let way = (drop.netns, discarded.server().ip());
        let has_room = self.filters.len() < FILTERS_MAX || self.filters.contains_key(&way);
        if is_answer && is_filtered(&drop) && has_room {
            self.filters.insert(way, at_ns);
        }
        if let Some(attempt) = unsent::attempt(&discarded, &drop) {
            self.unsent.push_back(attempt);
            return;
        }
        // It was sent before queries counted, or is sent again: nobody waits for it.
        let is_query = drop.packet == Packet::Query && discarded.transport == Transport::Udp;
        if !(is_query && unsent::is_unseen(&discarded, &drop.reason)) {
            self.drops.add(drop, discarded);
        }
    }

    /// Whether a notice has come that was not yet old enough to be joined.
    pub(super) fn has_fresh(&self) -> bool {
        !self.unsent.is_empty() || self.newest_ns > self.settled_ns
    }

    /// Notices for which there was no room.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    pub(super) fn unjoined_for_good(&self) -> u64 {
        self.drops.unjoined_for_good()
    }

    pub(super) fn unjoined(&self) -> u64 {
        self.drops.unjoined()
    }

    pub(super) fn suspects(&mut self) -> BTreeSet<(u32, SocketAddr)> {
        self.drops.suspects()
    }

    pub(super) fn turned_away(&mut self) -> Vec<Attempt> {
        self.drops.turned_away()
    }

    pub(super) fn turned_away_at_last(&self) -> Vec<Attempt> {
        self.drops.turned_away_at_last()
    }

    pub(super) fn joined(&mut self, role: Role, failure: &Failure) {
        if let Some(number) = failure.number {
            self.drops.joined(number, role);
        }
    }

    pub(super) fn forget(&mut self, now_ns: u64) {
        let horizon = before(now_ns, ERROR_KEPT);
        let Self {
            errors, sockets, ..
        } = self;
        errors.retain(|_, error| error.at_ns >= horizon);
        sockets.retain(|place, cookie| {
            errors
                .get(cookie)
                .is_some_and(|error| error.place == *place)
        });
        let horizon = before(now_ns, FILTER_KEPT);
        self.filters.retain(|_, at_ns| *at_ns >= horizon);
        self.drops.forget(now_ns);
        self.settled_ns = before(now_ns, JOIN_DELAY);
        self.may_tidy = true;
    }

    /// Notes which discarded packets are of this query in flight and no other's.
    pub(super) fn note_in_flight(&mut self, query: &InFlight<'_>) {
        let is_client = (query.transport, query.role) == (Transport::Udp, Role::Client);
        if is_client && self.drops.has_any(query.client_port, query.id) {
            self.drops.note_in_flight(&QueryKey::of_query(query));
        }
    }

    /// Why a query in flight has failed, at every server that was asked; while
    /// one of several may still answer, it has not.
    pub(super) fn failure_of_query(&self, query: &InFlight<'_>, now_ns: u64) -> Option<Failure> {
        let asked = QueryKey::of_query(query);
        let error = self.error(&asked);
        // With several servers, each attempt is joined when the question ends; and
        // TCP sends again what was lost.
        let drop = match query.servers == 1 && asked.transport == Transport::Udp {
            true => self.drops.of(&asked, |_| true),
            false => None,
        };
        let failure = failure(error, drop)?;
        (failure.at_ns <= before(now_ns, JOIN_DELAY)).then_some(failure)
    }

    /// Why an attempt failed that has just ended without an answer.
    pub(super) fn failure_of_attempt(&self, attempt: &Attempt) -> Option<Failure> {
        failure(
            self.error(&QueryKey::of_attempt(attempt)),
            self.drop_of(attempt),
        )
    }

    /// Whether answers from there were let not in of late, so that this one may not be either.
    pub(super) fn may_be_filtered(&self, attempt: &Attempt) -> bool {
        let is_answered = attempt.outcome == Outcome::Answered && attempt.role == Role::Client;
        is_answered
            && attempt.transport == Transport::Udp
            && self
                .filters
                .contains_key(&(attempt.owner.netns, attempt.peer.ip()))
    }

    pub(super) fn filters(&self) -> impl Iterator<Item = (u32, IpAddr)> {
        self.filters.keys().copied()
    }

    /// Whether the answer of an attempt was discarded right behind the hook that saw it.
    pub(super) fn no_room_for(&self, attempt: &Attempt) -> Option<Failure> {
        let mut asked = QueryKey::of_attempt(attempt);
        asked.ended_ns = attempt.end_ns + JOIN_DELAY.as_nanos() as u64;
        let drop = self.drops.of(&asked, |kept| {
            let drop = &kept.evidence;
            drop.packet == Packet::Answer
                && drop.at_ns >= attempt.end_ns
                && (NO_ROOM.contains(&&*drop.reason) || is_filtered(drop))
        });
        failure(None, Some(drop?))
    }

    pub(super) fn rejected(&self, attempt: &Attempt) -> Option<Box<PacketDrop>> {
        let (_, kept) = self.drop_of(attempt)?;
        Some(Box::new(kept.evidence.clone()))
    }

    fn drop_of(&self, attempt: &Attempt) -> Option<(u64, &Kept)> {
        let (client, server) = (attempt.client(), attempt.server());
        self.drops.of(&QueryKey::of_attempt(attempt), |kept| {
            match (attempt.transport, attempt.role) {
                // One of several that may have been asked at once.
                (Transport::Udp, Role::Client) => kept.is_of_server(server),
                (Transport::Udp, Role::Server) => true,
                // A port alone says little: one of the ends must be known too.
                (Transport::Tcp, _) => kept.is_of_client(client) || kept.is_of_server(server),
            }
        })
    }

    /// Queries that never left their sender's stack, once it is known whether
    /// their socket was told of an error.
    pub(super) fn unsent(&mut self, now_ns: u64) -> Vec<Attempt> {
        let horizon = before(now_ns, JOIN_DELAY);
        let mut ended = Vec::new();
        while let Some(first) = self.unsent.front() {
            if first.end_ns > horizon && self.unsent.len() < KEPT_MAX {
                break;
            }
            ended.extend(self.unsent.pop_front());
        }
        for attempt in &mut ended {
            if let Some(error) = self.error_around(attempt) {
                attempt.outcome = Outcome::Refused;
                attempt.reason = Some(Reason::Errno(error));
            }
        }
        ended
    }

    /// A rejected query's error comes just before it is discarded, or just after.
    fn error_around(&self, attempt: &Attempt) -> Option<i32> {
        let place = (attempt.owner.netns, attempt.local.port());
        let cookie = match attempt.cookie {
            0 => self.sockets.get(&place)?,
            ref cookie => cookie,
        };
        let error = self.errors.get(cookie)?;
        let apart = Duration::from_nanos(error.at_ns.abs_diff(attempt.end_ns));
        let is_of_another = attempt.end_ns < error.ended_ns.get();
        (apart <= JOIN_DELAY && !is_of_another).then_some(error.error)
    }

    /// Answers that nobody listened for any more, when no attempt in flight was
    /// ended by them: each once.
    pub(super) fn unheard(&mut self, now_ns: u64) -> Vec<(u64, Stray)> {
        let alone = self.drops.settle(before(now_ns, JOIN_DELAY));
        let stray = |number| Some((number, stray(self.drops.get(number)?)?));
        alone.into_iter().filter_map(stray).collect()
    }

    /// An answer that nobody listened for was the late one of a client.
    pub(super) fn unheard_is_late(&mut self, number: u64) {
        self.drops.joined(number, Role::Client);
    }

    fn error(&self, asked: &QueryKey) -> Option<(u64, i32)> {
        if asked.role != Role::Client {
            return None;
        }
        let error = self.errors.get(&asked.cookie)?;
        if error.at_ns < asked.sent_ns {
            return None;
        }
        let newest_ns = error.ended_ns.get().max(asked.sent_ns);
        error.ended_ns.set(newest_ns);
        Some((error.at_ns, error.error))
    }
}

/// At the socket that it was for: what a raw socket's filter does not want is a copy.
fn is_filtered(drop: &PacketDrop) -> bool {
    let function = drop.location.as_deref();
    &*drop.reason == FILTERED && function.is_some_and(|name| name.starts_with("udp"))
}

fn before(now_ns: u64, by: Duration) -> u64 {
    now_ns.saturating_sub(by.as_nanos() as u64)
}

/// An error is what the client was told, and says more than the drop.
fn failure(error: Option<(u64, i32)>, drop: Option<(u64, &Kept)>) -> Option<Failure> {
    let number = drop.map(|(number, _)| number);
    let owner = drop.map(|(_, kept)| kept.discarded.owner);
    let drop = drop.map(|(_, kept)| Box::new(kept.evidence.clone()));
    let (at_ns, outcome, reason) = match (error, &drop) {
        (Some((at_ns, error)), _) => (at_ns, Outcome::Refused, Reason::Errno(error)),
        // What a connected socket would have been told: ICMP port unreachable (RFC
        // 1122 section 3.2.2.1).
        (None, Some(drop)) if &*drop.reason == NO_SOCKET && drop.packet == Packet::Query => (
            drop.at_ns,
            Outcome::Refused,
            Reason::Errno(libc::ECONNREFUSED),
        ),
        (None, Some(drop)) => (
            drop.at_ns,
            Outcome::Dropped,
            Reason::Drop(drop.reason.to_string()),
        ),
        (None, None) => return None,
    };
    Some(Failure {
        at_ns,
        outcome,
        reason,
        drop,
        owner: owner.filter(|owner| owner.pid.is_some()),
        number,
    })
}

fn evidence(at_ns: u64, discarded: &Discarded, names: &mut DropNames) -> Option<PacketDrop> {
    let location = names.function(discarded.location);
    let reason = names.reason(discarded.reason, location.as_deref())?;
    Some(PacketDrop {
        at_ns,
        when_sent: unsent::when_sent(discarded, &reason),
        location,
        reason,
        packet: discarded.packet,
        conntrack: discarded.conntrack,
        netns: discarded.owner.netns,
        source: discarded.source,
        destination: discarded.destination,
    })
}

/// The answer as one to nothing in flight, if nobody listened for it.
fn stray(kept: &Kept) -> Option<Stray> {
    let discarded = &kept.discarded;
    let message = discarded.message.as_ref()?;
    let unheard = discarded.packet == Packet::Answer && &*kept.evidence.reason == NO_SOCKET;
    let client: SocketAddr = discarded.client();
    unheard.then(|| Stray {
        at_ns: kept.evidence.at_ns,
        cookie: None,
        role: Role::Client,
        transport: discarded.transport,
        local_port: client.port(),
        peer: discarded.server(),
        id: message.id,
        owner: discarded.owner,
        answer: message.answer,
        question: message.question.clone(),
    })
}
