//! Packets that the kernel discarded, kept for the attempts that they belong to.
//!
//! One packet may end two attempts: that of the client, and that of the server
//! which had the query already, or whose answer it was.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::drop_filter;
use super::query_key::QueryKey;
use super::query_key::QuestionKey;
use super::turned_away;
use crate::attempt::Attempt;
use crate::attempt::Packet;
use crate::attempt::PacketDrop;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::event::Discarded;

/// For so long after an attempt to several servers is given up on: it is joined when it ends,
/// which a sweep may tell later.
const SLACK: Duration = Duration::from_secs(1);
/// About 700 bytes each: 6 MiB at most.
const KEPT_MAX: usize = 8192;
/// Those that have the same port and id, or the same question and id.
const ALIKE_MAX: usize = 64;
/// Places in one sweep.
const SUSPECTS_MAX: usize = 64;
/// A server has the query when it passes the ingress hook, and loses it in the same
/// pass of the softirq; what is lost later was sent again. No stub sends again
/// within this time (unbound after 376 ms, the quickest known).
const INGRESS: Duration = Duration::from_millis(100);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    /// The client's port and the DNS id; for TCP the port alone.
    Port(Transport, u16, u16),
    /// The DNS id and the question, where translation has changed the port.
    Question(u16, QuestionKey),
}

#[derive(Debug)]
pub(super) struct Kept {
    pub(super) evidence: PacketDrop,
    pub(super) discarded: Discarded,
    question: Option<QuestionKey>,
    by_client: bool,
    by_server: bool,
    /// The socket that asked so from this very port, by cookie.
    asker: Option<u64>,
    /// Looked at when it was old enough to be joined.
    pub(super) settled: bool,
}

#[derive(Debug, Default)]
pub(super) struct Drops {
    kept_ns: u64,
    /// In the order in which they came.
    kept: BTreeMap<u64, Kept>,
    places: HashMap<Place, Vec<u64>>,
    next: u64,
    unjoined: u64,
    /// Where queries may be turned away; they are asked for after each sweep.
    suspects: BTreeSet<(u32, SocketAddr)>,
    /// Of those that were forgotten unjoined, until they are asked for.
    turned_away: Vec<Attempt>,
}

impl Drops {
    /// For attempts that are given up on after this time.
    pub(super) fn within(timeout: Duration) -> Self {
        let kept = timeout.saturating_add(SLACK).as_nanos();
        Self {
            kept_ns: kept.try_into().unwrap_or(u64::MAX),
            ..Self::default()
        }
    }

    /// Keeps one; the oldest goes if there is no room.
    pub(super) fn add(&mut self, evidence: PacketDrop, discarded: Discarded) {
        if self.kept.len() >= KEPT_MAX
            && let Some(&oldest) = self.kept.keys().next()
        {
            self.remove(oldest);
        }
        let number = self.next;
        self.next += 1;
        let message = discarded.message.as_ref();
        let kept = Kept {
            question: message.map(|message| QuestionKey::new(&message.question)),
            evidence,
            discarded,
            by_client: false,
            by_server: false,
            asker: None,
            settled: false,
        };
        for place in places(&kept) {
            let alike = self.places.entry(place).or_default();
            // More than these are not told apart anyhow.
            if alike.len() == ALIKE_MAX {
                alike.remove(0);
            }
            alike.push(number);
        }
        self.kept.insert(number, kept);
    }

    /// The drop that a query was ended by, of those that are `accepted`.
    pub(super) fn of(
        &self,
        asked: &QueryKey,
        accepted: impl Fn(&Kept) -> bool,
    ) -> Option<(u64, &Kept)> {
        let id = match asked.transport {
            Transport::Udp => asked.id?,
            Transport::Tcp => 0,
        };
        let place = Place::Port(asked.transport, asked.client_port, id);
        let mut alike = self.at(&place);
        let found = alike.find(|(_, kept)| kept.fits(asked) && accepted(kept));
        if found.is_some() || asked.transport == Transport::Tcp || asked.role == Role::Server {
            return found;
        }
        // Behind translation the port is another one, never in the client's own
        // namespace; then it must be the only one with this id and question.
        let place = Place::Question(id, asked.question.clone());
        let mut alike = self.at(&place).filter(|(_, kept)| {
            let netns = [kept.evidence.netns, asked.netns];
            !netns.contains(&0)
                && netns[0] != netns[1]
                && !kept.is_of_another_socket(asked)
                && kept.fits(asked)
        });
        let only = alike.next()?;
        (alike.next().is_none() && accepted(only.1)).then_some(only)
    }

    /// Whether any packet of UDP had this client's port and this id.
    pub(super) fn has_any(&self, client_port: u16, id: u16) -> bool {
        let place = Place::Port(Transport::Udp, client_port, id);
        self.places.contains_key(&place)
    }

    /// Notes whose the packet is that has the port of this client's query in flight: a
    /// forwarder may ask on with the id and the question of its own client.
    pub(super) fn note_in_flight(&mut self, asked: &QueryKey) {
        let place = Place::Port(
            Transport::Udp,
            asked.client_port,
            asked.id.unwrap_or_default(),
        );
        for number in self.places.get(&place).into_iter().flatten() {
            if let Some(kept) = self.kept.get_mut(number)
                && kept.asker.is_none()
                && kept.fits(asked)
            {
                kept.asker = Some(asked.cookie);
            }
        }
    }

    fn at(&self, place: &Place) -> impl Iterator<Item = (u64, &Kept)> {
        let numbers = self.places.get(place).into_iter().flatten();
        numbers.filter_map(|number| Some((*number, self.kept.get(number)?)))
    }

    pub(super) fn joined(&mut self, number: u64, role: Role) {
        let Some(kept) = self.kept.get_mut(&number) else {
            return;
        };
        match role {
            Role::Client => kept.by_client = true,
            Role::Server => kept.by_server = true,
        }
        // TCP's may have held several queries.
        if kept.by_client && kept.by_server && kept.discarded.transport == Transport::Udp {
            self.remove(number);
        }
    }

    /// Those that no attempt was joined with, the first time after they have come
    /// of age.
    pub(super) fn settle(&mut self, before_ns: u64) -> Vec<u64> {
        let mut alone = Vec::new();
        for (number, kept) in &mut self.kept {
            if kept.evidence.at_ns <= before_ns && !kept.settled {
                kept.settled = true;
                if !kept.by_client && !kept.by_server {
                    alone.push(*number);
                    if self.suspects.len() < SUSPECTS_MAX
                        && let Some(asked) = turned_away::asked(&kept.evidence, &kept.discarded)
                    {
                        self.suspects.insert(asked);
                    }
                }
            }
        }
        alone
    }

    pub(super) fn get(&self, number: u64) -> Option<&Kept> {
        self.kept.get(&number)
    }

    pub(super) fn forget(&mut self, now_ns: u64) {
        let horizon = now_ns.saturating_sub(self.kept_ns);
        while let Some((&oldest, kept)) = self.kept.first_key_value()
            && kept.evidence.at_ns < horizon
        {
            self.remove(oldest);
        }
    }

    /// Drops that no failed attempt was joined with, and those still kept for one.
    /// Those that can no longer be joined.
    pub(super) fn unjoined_for_good(&self) -> u64 {
        self.unjoined
    }

    pub(super) fn unjoined(&self) -> u64 {
        let waiting = self.kept.values().filter(|kept| !kept.is_joined()).count();
        self.unjoined + waiting as u64
    }

    /// Where queries were discarded of late that belonged to no attempt by then.
    pub(super) fn suspects(&mut self) -> BTreeSet<(u32, SocketAddr)> {
        std::mem::take(&mut self.suspects)
    }

    /// Queries that nobody here was asked, of those that were forgotten since the last time.
    pub(super) fn turned_away(&mut self) -> Vec<Attempt> {
        std::mem::take(&mut self.turned_away)
    }

    /// Of those that are still kept.
    pub(super) fn turned_away_at_last(&self) -> Vec<Attempt> {
        let alone = self.kept.values().filter(|kept| !kept.is_joined());
        let attempts = alone.map(|kept| turned_away::attempt(&kept.evidence, &kept.discarded));
        attempts.flatten().collect()
    }

    fn remove(&mut self, number: u64) {
        let Some(kept) = self.kept.remove(&number) else {
            return;
        };
        if !kept.is_joined() {
            self.unjoined += 1;
            // Asked for after each sweep.
            if self.turned_away.len() < KEPT_MAX {
                self.turned_away
                    .extend(turned_away::attempt(&kept.evidence, &kept.discarded));
            }
        }
        for place in places(&kept) {
            if let Some(alike) = self.places.get_mut(&place) {
                alike.retain(|other| *other != number);
                if alike.is_empty() {
                    self.places.remove(&place);
                }
            }
        }
    }
}

impl Kept {
    fn is_joined(&self) -> bool {
        self.by_client || self.by_server
    }

    /// Whether it is known whose the packet is, and not this query's, whose port is another
    /// one.
    fn is_of_another_socket(&self, asked: &QueryKey) -> bool {
        let is_other = |cookie| cookie != Some(asked.cookie);
        // The socket's port is one of its places: one without a cookie is another one.
        let socket = self.discarded.client_socket();
        socket.is_some_and(|socket| is_other(socket.cookie))
            || (self.asker.is_some() && is_other(self.asker))
    }

    /// Whether the packet can be one of this query, but for the ports.
    fn fits(&self, asked: &QueryKey) -> bool {
        let at_ns = self.evidence.at_ns;
        let taken = match asked.role {
            Role::Client => self.by_client,
            Role::Server => self.by_server,
        };
        let (socket, can_be) = match asked.role {
            Role::Client => (self.discarded.client_socket(), true),
            Role::Server => (self.discarded.server_socket(), self.is_at_server(asked)),
        };
        let cookie = socket.and_then(|socket| socket.cookie);
        can_be
            && !(taken && asked.transport == Transport::Udp)
            && (asked.sent_ns..=asked.ended_ns).contains(&at_ns)
            && cookie.is_none_or(|cookie| cookie == asked.cookie)
            && match asked.id {
                Some(_) if asked.transport == Transport::Udp => {
                    self.question.as_ref() == Some(&asked.question)
                }
                Some(_) => self.evidence.packet != Packet::Connect,
                None => self.evidence.packet == Packet::Connect,
            }
    }

    /// Whether the packet was lost behind a server's hooks: a query that it has
    /// seen coming, or an answer that it has not seen going.
    fn is_at_server(&self, asked: &QueryKey) -> bool {
        let drop = &self.evidence;
        match drop.packet {
            Packet::Connect => false,
            Packet::Answer => drop.when_sent,
            Packet::Query => {
                let is_sender = self.discarded.client_socket().is_some();
                let waited = Duration::from_nanos(drop.at_ns.saturating_sub(asked.sent_ns));
                let at_close = drop_filter::is_at_close(&drop.reason, drop.location.as_deref());
                !is_sender && (waited <= INGRESS || at_close)
            }
        }
    }

    /// Whether this is its client, before translation or after.
    pub(super) fn is_of_client(&self, client: SocketAddr) -> bool {
        let asking = self.discarded.asked.map(|(asking, _)| asking);
        self.discarded.client() == client || asking == Some(client)
    }

    /// Whether it went to this server or came from it, as the client sees it.
    pub(super) fn is_of_server(&self, server: SocketAddr) -> bool {
        let peer = self
            .discarded
            .client_socket()
            .and_then(|socket| socket.peer);
        let asked = self.discarded.asked.map(|(_, asked)| asked);
        self.discarded.server() == server || asked == Some(server) || peer == Some(server)
    }
}

/// Where a drop is looked for. The client's port is known as it was there, and
/// perhaps as it was before translation.
fn places(kept: &Kept) -> Vec<Place> {
    let discarded = &kept.discarded;
    let id = discarded.message.as_ref().map_or(0, |message| message.id);
    let mut ports = vec![discarded.client().port()];
    ports.extend(discarded.asked.map(|(client, _)| client.port()));
    ports.extend(discarded.client_socket().map(|socket| socket.port));
    ports.sort_unstable();
    ports.dedup();
    let question = kept.question.clone();
    let question = question.map(|question| Place::Question(id, question));
    let port = |port| Place::Port(discarded.transport, port, id);
    ports.into_iter().map(port).chain(question).collect()
}
