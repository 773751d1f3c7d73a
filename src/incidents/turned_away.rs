//! Queries of other hosts that were discarded before a server of this host could see them,
//! summed by where and why.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::incident::Incident;
use crate::attempt::Attempt;
use crate::attempt::PacketDrop;
use crate::attempt::Transport;
use crate::sampler::HostSample;

/// Places that are told apart, about 400 bytes each and as much again for each client.
const PLACES_MAX: usize = 64;
/// Clients of one place: attackers choose what address they come from.
const CLIENTS_MAX: usize = 64;
const QUESTIONS_MAX: usize = 3;

/// Where and why: namespace, address that was asked, the kernel's reason.
type Place = (u32, SocketAddr, Arc<str>);

/// All of one place.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq)]
pub struct TurnedAway {
    /// The address that was asked.
    pub server: SocketAddr,
    /// The first packet.
    pub drop: PacketDrop,
    /// Queries by the address that they came from, 64 at most.
    pub clients: BTreeMap<IpAddr, u64>,
    /// Of addresses beyond that.
    pub others: u64,
    /// How many of all were openings of TCP connections.
    pub connections: u64,
    /// What was asked for, the first three: `a.example. A`.
    pub questions: Vec<String>,
    /// Who has a socket there, if that is known.
    pub pid: Option<u32>,
    /// Port of the opening that came last: it is sent again.
    last_opening: Option<SocketAddr>,
}

/// By place, while the window is open.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default)]
pub(super) struct TurnedAways {
    places: BTreeMap<Place, TurnedAway>,
    /// Queries of places beyond the bound.
    pub(super) left_out: u64,
}

impl TurnedAways {
    /// Takes an attempt of the server's role that no server saw.
    pub(super) fn record(&mut self, attempt: &Attempt) {
        let Some(drop) = &attempt.drop else { return };
        let key = (drop.netns, attempt.local, drop.reason.clone());
        if self.places.len() >= PLACES_MAX && !self.places.contains_key(&key) {
            self.left_out += 1;
            return;
        }
        let place = self
            .places
            .entry(key)
            .or_insert_with(|| TurnedAway::at(attempt.local, drop));
        place.add(attempt);
    }

    pub(super) fn follow(&mut self, next: Self) {
        self.left_out += next.left_out;
        for (key, place) in next.places {
            if let Some(own) = self.places.get_mut(&key) {
                own.follow(place);
            } else if self.places.len() < PLACES_MAX {
                self.places.insert(key, place);
            } else {
                self.left_out += place.queries();
            }
        }
    }

    /// Takes the names out of it.
    pub(super) fn forget_names(&mut self) {
        let places = self.places.values_mut();
        places.for_each(|place| place.questions.clear());
    }

    /// Those to a socket of this host, by clients that are not on it: what a client here
    /// asked in vain is told of the client.
    pub(super) fn close(self, incidents: &[Incident], host: &HostSample) -> Vec<TurnedAway> {
        let own: HashSet<IpAddr> = incidents
            .iter()
            .map(|it| it.attempt.local.ip().to_canonical())
            .collect();
        let served = self.places.into_iter().filter_map(|((netns, ..), mut it)| {
            it.pid = *host.bound.get(&(netns, it.server))?;
            it.clients.retain(|ip, _| !own.contains(&ip.to_canonical()));
            (it.queries() > 0).then_some(it)
        });
        served.collect()
    }
}

impl TurnedAway {
    fn at(server: SocketAddr, drop: &PacketDrop) -> Self {
        Self {
            server,
            drop: drop.clone(),
            clients: BTreeMap::new(),
            others: 0,
            connections: 0,
            questions: Vec::new(),
            pid: None,
            last_opening: None,
        }
    }

    fn add(&mut self, attempt: &Attempt) {
        if attempt.transport == Transport::Tcp {
            if self.last_opening == Some(attempt.peer) {
                return;
            }
            self.last_opening = Some(attempt.peer);
            self.connections += 1;
        }
        self.count(attempt.peer.ip(), 1);
        if let Some(question) = attempt.question.parse() {
            self.ask(format!("{} {}", question.name, question.rtype));
        }
    }

    fn count(&mut self, client: IpAddr, queries: u64) {
        if let Some(own) = self.clients.get_mut(&client) {
            *own += queries;
        } else if self.clients.len() < CLIENTS_MAX {
            self.clients.insert(client, queries);
        } else {
            self.others += queries;
        }
    }

    fn ask(&mut self, question: String) {
        if self.questions.len() < QUESTIONS_MAX && !self.questions.contains(&question) {
            self.questions.push(question);
        }
    }

    fn follow(&mut self, next: Self) {
        next.clients
            .into_iter()
            .for_each(|(client, queries)| self.count(client, queries));
        self.others += next.others;
        self.connections += next.connections;
        next.questions.into_iter().for_each(|it| self.ask(it));
        self.last_opening = next.last_opening.or(self.last_opening);
    }

    /// How many there were.
    pub fn queries(&self) -> u64 {
        self.clients.values().sum::<u64>() + self.others
    }

    /// How many came from networks that are somebody's own.
    pub fn from_near(&self) -> u64 {
        let near = self.clients.iter().filter(|(ip, _)| is_near(**ip));
        near.map(|(_, queries)| queries).sum()
    }
}

/// Whether nobody on the internet has this address: private (RFC 1918, RFC 6598, RFC 4193),
/// or of the link itself (RFC 3927, RFC 4291 section 2.5.6).
fn is_near(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    const SERVER: &str = "10.0.0.53:53";

    fn queries(client: &str, number: u64) -> TurnedAways {
        let mut all = TurnedAways::default();
        for _ in 0..number {
            all.record(&sample::turned_away(client, SERVER, "NETFILTER_DROP"));
        }
        all
    }

    fn closed(all: TurnedAways, incidents: &[Incident]) -> Vec<TurnedAway> {
        let server: SocketAddr = SERVER.parse().unwrap();
        let mut host = HostSample::default();
        host.bound.insert((sample::NODE, server), Some(53));
        all.close(incidents, &host)
    }

    #[test]
    fn they_are_summed_by_place_and_windows_add_up() {
        let mut all = queries("10.1.0.7:4000", 3);
        all.follow(queries("10.1.0.7:4001", 2));
        all.follow(queries("198.51.100.7:53", 4));
        let [told] = &closed(all, &[])[..] else {
            panic!("one place")
        };
        assert_eq!((told.queries(), told.from_near()), (9, 5));
        assert_eq!((told.pid, told.connections), (Some(53), 0));
        assert_eq!(told.questions, ["www.test A"]);
    }

    #[test]
    fn no_number_of_clients_or_places_takes_more_than_its_room() {
        let mut all = TurnedAways::default();
        for n in 0..300_u64 {
            let client = format!("10.1.{}.{}:53", n / 250, n % 250 + 1);
            all.record(&sample::turned_away(&client, SERVER, "NETFILTER_DROP"));
        }
        for n in 1..=100 {
            let server = format!("10.2.0.{n}:53");
            all.record(&sample::turned_away("10.1.0.7:1", &server, "XDP"));
        }
        assert_eq!((all.places.len(), all.left_out), (PLACES_MAX, 37));
        let [told] = &closed(all, &[])[..] else {
            panic!("one place with a socket")
        };
        assert_eq!((told.clients.len(), told.queries()), (CLIENTS_MAX, 300));
    }

    #[test]
    fn who_asks_from_this_host_is_told_of_elsewhere() {
        use super::super::incident::FailureKind;
        use crate::attempt::Outcome;
        let mut all = queries("10.0.0.5:4000", 3);
        all.follow(queries("10.1.0.7:4000", 2));
        let own = sample::attempt(("curl", 7), SERVER, Outcome::Dropped, sample::MS);
        let own = Incident::new(own, FailureKind::Failed, true);
        assert_eq!(closed(all, &[own])[0].queries(), 2);
    }

    #[test]
    fn an_opening_that_is_sent_again_is_one() {
        let mut all = TurnedAways::default();
        for client in ["10.1.0.7:1", "10.1.0.7:1", "10.1.0.7:2"] {
            let mut opening = sample::turned_away(client, SERVER, "NETFILTER_DROP");
            opening.transport = Transport::Tcp;
            all.record(&opening);
        }
        let told = closed(all, &[]);
        assert_eq!((told[0].queries(), told[0].connections), (2, 2));
    }

    #[test]
    fn near_is_what_no_stranger_has() {
        let near = [
            "10.9.9.9",
            "100.64.0.1",
            "169.254.1.1",
            "fd00::1",
            "fe80::1",
        ];
        let far = ["8.8.8.8", "100.128.0.1", "2001:db8::1"];
        assert!(near.iter().all(|ip| is_near(ip.parse().unwrap())));
        assert!(far.iter().all(|ip| !is_near(ip.parse().unwrap())));
    }
}
