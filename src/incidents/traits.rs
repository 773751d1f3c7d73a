//! What sets the queries apart that failed from those that did not, at one server.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::SocketAddr;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use domain::base::iana::Rtype;

use super::table::Table;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Plain;
use crate::attempt::PlainQuestions;
use crate::attempt::Shape;
use crate::attempt::Transport;
use crate::contrast::Contrast;
use crate::contrast::Failed;
use crate::thresholds::FAILURES_MIN;
use crate::thresholds::LATENCY_WARNING_NS;

/// Servers, by network namespace of their clients.
const SERVERS_MAX: usize = 4_096;
/// Attributes of all servers together, about 50 bytes each.
const TRAITS_MAX: usize = 32_768;
/// Attributes of one server: zones are what there may be many of.
const TRAITS_OF_ONE: usize = 96;

/// What a query has that others may not have. Where two tell the failures apart equally
/// well, what a query is comes before whose it is.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum Trait {
    /// An OPT record.
    Edns,
    /// The address of a private network, asked for its name.
    PrivateReverse,
    /// Its type.
    Type(
        #[borsh(
            serialize_with = "crate::codec::rtype::write",
            deserialize_with = "crate::codec::rtype::read"
        )]
        Rtype,
    ),
    /// Over TCP.
    Tcp,
    /// Over UDP.
    Udp,
    /// Its source port has had an answer before.
    AfterAnswer,
    /// The socket of the server that it came to, by cookie.
    ServerSocket(u64),
    /// The client's network: /24 or /64, the sizes in which addresses are dealt out.
    Network(IpAddr),
    /// The last labels of its name, hashed.
    Zone(u64),
    /// Capital letters in its name.
    Capitals,
    /// The control group of who asks, by its id.
    Group(u64),
    /// Its TCP connection has had an answer before.
    LaterOnConnection,
    /// All labels of its name but the first, hashed, where these are more than the zone.
    Parent(u64),
}

/// A type that a server answers with errors alone, and with those of all other types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByType {
    /// The type.
    pub rtype: Rtype,
    /// Its answers, and how many of them are errors: all.
    pub own: Failed,
    /// Those of all other types: none is.
    pub others: Failed,
}

/// What an attempt is compared by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    shape: Option<Shape>,
    transport: Transport,
    /// Its source port, or its connection, has had an answer before.
    is_after_answer: bool,
    /// 0 if it is not known.
    cgroup_id: u64,
}

impl Trait {
    /// Whether the attempt has it, as far as it can be seen of it alone.
    pub(super) fn is_of(self, seen: &Seen) -> bool {
        let shape = seen.shape.as_ref();
        match self {
            Self::Edns => shape.is_some_and(|it| it.has_edns),
            Self::Capitals => shape.is_some_and(|it| it.has_capitals),
            Self::PrivateReverse => shape.is_some_and(|it| it.is_private_reverse),
            Self::Type(rtype) => shape.is_some_and(|it| it.rtype == rtype),
            Self::Zone(zone) => shape.is_some_and(|it| it.zone == zone),
            Self::Parent(parent) => shape.is_some_and(|it| it.parent == Some(parent)),
            Self::Tcp => seen.transport == Transport::Tcp,
            Self::Udp => seen.transport == Transport::Udp,
            Self::Group(id) => seen.cgroup_id == id,
            Self::AfterAnswer => seen.is_after_answer && seen.transport == Transport::Udp,
            Self::LaterOnConnection => seen.is_after_answer && seen.transport == Transport::Tcp,
            Self::ServerSocket(_) | Self::Network(_) => false,
        }
    }

    fn all_of(seen: &Seen) -> impl Iterator<Item = Self> {
        let shape = seen.shape;
        let over = match seen.transport {
            Transport::Tcp => Self::Tcp,
            Transport::Udp => Self::Udp,
        };
        let by_shape = shape.into_iter().flat_map(|shape| {
            [
                Some(Self::Type(shape.rtype)),
                Some(Self::Zone(shape.zone)),
                shape.parent.map(Self::Parent),
                shape.has_edns.then_some(Self::Edns),
                shape.has_capitals.then_some(Self::Capitals),
                shape.is_private_reverse.then_some(Self::PrivateReverse),
            ]
        });
        let group = (seen.cgroup_id != 0).then_some(Self::Group(seen.cgroup_id));
        let later = Self::LaterOnConnection;
        let later = later.is_of(seen).then_some(later);
        by_shape.flatten().chain([over]).chain(group).chain(later)
    }

    /// By which those are told first that separate equally well: the narrower zone, and UDP
    /// last, for nearly all is asked over it.
    fn rank(self) -> (u8, Self) {
        let rank = match self {
            Self::Edns | Self::PrivateReverse | Self::Type(_) | Self::Tcp => 0,
            Self::AfterAnswer | Self::ServerSocket(_) | Self::Network(_) => 0,
            Self::Parent(_) => 1,
            Self::Zone(_) => 2,
            Self::Capitals | Self::Group(_) | Self::LaterOnConnection => 3,
            Self::Udp => 4,
        };
        (rank, self)
    }
}

/// How many came to what.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fates {
    fine: u64,
    /// Answered well, but slowly.
    slow: u64,
    errors: u64,
    silent: u64,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Fine,
    Slow,
    Error,
    Silent,
}

impl Fate {
    /// Of a client's attempt; `None` if something is known of its end that makes it no
    /// matter of comparison, or if it was counted before.
    fn of(attempt: &Attempt) -> Option<Self> {
        match attempt.outcome {
            Outcome::Answered => match attempt.answer {
                Some(answer) if answer.is_error() => Some(Self::Error),
                _ if attempt.elapsed().as_nanos() > u128::from(LATENCY_WARNING_NS) => {
                    Some(Self::Slow)
                }
                _ => Some(Self::Fine),
            },
            Outcome::Unanswered if attempt.ignored.count() == 0 => Some(Self::Silent),
            _ => None,
        }
    }
}

impl Fates {
    fn add(&mut self, fate: Fate, number: u64) {
        match fate {
            Fate::Fine => self.fine += number,
            Fate::Slow => self.slow += number,
            Fate::Error => self.errors += number,
            Fate::Silent => self.silent += number,
        }
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        self.fine += other.fine;
        self.slow += other.slow;
        self.errors += other.errors;
        self.silent += other.silent;
    }

    pub(super) fn unanswered(&self) -> Failed {
        Failed {
            failed: self.silent,
            of: self.fine + self.slow + self.errors + self.silent,
        }
    }

    pub(super) fn answered_with_error(&self) -> Failed {
        Failed {
            failed: self.errors,
            of: self.fine + self.slow + self.errors,
        }
    }

    pub(super) fn slowly_answered(&self) -> Failed {
        Failed {
            failed: self.slow,
            of: self.fine + self.slow,
        }
    }
}

/// All that was asked at one server, and of it what has each attribute.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq)]
pub(super) struct AtServer {
    pub(super) all: Fates,
    pub(super) of: BTreeMap<Trait, Fates>,
    /// Source ports that had an answer before, and all others: a port counts once until
    /// it is answered again, for clients ask the same again and again there.
    ports: [Fates; 2],
}

/// Who asks, by network namespace, and which server.
pub(super) type Way = (u32, SocketAddr);

/// Counts what queries have, by server.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq)]
pub(super) struct Traits {
    pub(super) servers: Table<Way, AtServer>,
    kept: usize,
    /// Attempts that were not compared, for there was no room.
    pub(super) left_out: u64,
}

impl Traits {
    /// Takes a client's attempt; `is_first_at_port` says whether its source port has not
    /// failed since its last answer.
    pub(super) fn record(&mut self, attempt: &Attempt, is_first_at_port: bool) {
        let Some(fate) = Fate::of(attempt) else {
            return;
        };
        let seen = seen(attempt);
        let way = (attempt.owner.netns, attempt.peer);
        let Some(server) = self.at(way, 1) else {
            return;
        };
        server.all.add(fate, 1);
        if seen.transport == Transport::Udp && is_first_at_port {
            let is_after = Trait::AfterAnswer.is_of(&seen);
            server.ports[usize::from(is_after)].add(fate, 1);
        }
        for it in Trait::all_of(&seen) {
            self.add(way, it, fate, 1);
        }
    }

    /// As [`Self::record`] of each of them.
    pub(super) fn count(&mut self, plain: &Plain) {
        let way = (plain.example.owner.netns, plain.example.peer);
        let Some(server) = self.at(way, plain.number()) else {
            return;
        };
        server.all.fine += plain.number();
        server.ports[1].fine += plain.after_answer;
        server.ports[0].fine += plain.number() - plain.after_answer;
        let mut fine = BTreeMap::from([(Trait::Udp, plain.number())]);
        let cgroup_id = plain.example.owner.cgroup_id;
        if cgroup_id != 0 {
            fine.insert(Trait::Group(cgroup_id), plain.number());
        }
        for (it, number) in fine {
            self.add(way, it, Fate::Fine, number);
        }
    }

    /// What was asked in them.
    pub(super) fn ask(&mut self, all: &PlainQuestions) {
        let way = (all.netns, all.server);
        if self.at(way, 0).is_none() {
            return;
        }
        let mut fine = BTreeMap::new();
        for question in &all.questions {
            let seen = Seen {
                shape: question.question.shape(),
                transport: Transport::Udp,
                is_after_answer: false,
                cgroup_id: 0,
            };
            for it in Trait::all_of(&seen).filter(|it| *it != Trait::Udp) {
                *fine.entry(it).or_default() += question.asked;
            }
        }
        for (it, number) in fine {
            self.add(way, it, Fate::Fine, number);
        }
    }

    /// How many of all at one server went unanswered, and by how many attributes they are
    /// compared.
    pub(super) fn unanswered_at(&self, way: Way) -> (Failed, usize) {
        let server = self.servers.get(&way);
        server.map_or_else(Default::default, |it| {
            (it.all.unanswered(), it.of.len() + 1)
        })
    }

    /// Whether all answers of the attempt's type are errors at its server, three or more, and
    /// none of the other types: what a server says itself is said by no accident.
    pub(super) fn errs_by_type(&self, attempt: &Attempt) -> Option<ByType> {
        let server = self.servers.get(&(attempt.owner.netns, attempt.peer))?;
        let rtype = attempt.question.shape()?.rtype;
        let (mut own, mut others) = (Failed::default(), Failed::default());
        for (it, fates) in &server.of {
            match it {
                Trait::Type(other) if *other == rtype => {
                    own.absorb(&fates.answered_with_error());
                }
                Trait::Type(_) => others.absorb(&fates.answered_with_error()),
                _ => {}
            }
        }
        let is_apart = own.failed >= FAILURES_MIN
            && own.failed == own.of
            && others.of > 0
            && others.failed == 0;
        is_apart.then_some(ByType { rtype, own, others })
    }

    fn at(&mut self, way: Way, number: u64) -> Option<&mut AtServer> {
        if self.servers.len() >= SERVERS_MAX && !self.servers.contains_key(&way) {
            self.left_out += number;
            return None;
        }
        Some(self.servers.entry(way).or_default())
    }

    fn add(&mut self, way: Way, it: Trait, fate: Fate, number: u64) {
        let mut fates = Fates::default();
        fates.add(fate, number);
        self.absorb(way, it, &fates);
    }

    fn absorb(&mut self, way: Way, it: Trait, fates: &Fates) {
        let Some(server) = self.servers.get_mut(&way) else {
            return;
        };
        if let Some(own) = server.of.get_mut(&it) {
            own.absorb(fates);
        } else if server.of.len() < TRAITS_OF_ONE && self.kept < TRAITS_MAX {
            server.of.insert(it, *fates);
            self.kept += 1;
        }
    }

    /// Adds what was counted in the window right after.
    pub(super) fn follow(&mut self, next: &Self) {
        self.left_out += next.left_out;
        for (&way, more) in &next.servers {
            if let Some(server) = self.at(way, 1) {
                server.all.absorb(&more.all);
                for (own, more) in server.ports.iter_mut().zip(&more.ports) {
                    own.absorb(more);
                }
                for (it, fates) in &more.of {
                    self.absorb(way, *it, fates);
                }
            }
        }
    }
}

pub(super) fn seen(attempt: &Attempt) -> Seen {
    Seen {
        shape: attempt.question.shape(),
        transport: attempt.transport,
        is_after_answer: attempt.is_after_answer,
        cgroup_id: attempt.owner.cgroup_id,
    }
}

impl AtServer {
    pub(super) fn contrasts(&self, failed: fn(&Fates) -> Failed) -> Vec<(Trait, Contrast)> {
        let all = failed(&self.all);
        if all.failed < FAILURES_MIN {
            return Vec::new();
        }
        let looked_at = self.of.len() + 1;
        let mut ports = self.ports[0];
        ports.absorb(&self.ports[1]);
        let after_answer = (Trait::AfterAnswer, failed(&self.ports[1]), failed(&ports));
        let others = self.of.iter().map(|(it, fates)| (*it, failed(fates), all));
        let found = others.chain([after_answer]);
        let found =
            found.filter_map(|(it, with, all)| Some((it, Contrast::of(with, all, looked_at)?)));
        sharpest_first(found.collect())
    }
}

pub(super) fn sharpest_first(mut found: Vec<(Trait, Contrast)>) -> Vec<(Trait, Contrast)> {
    found.sort_by(|(a, one), (b, other)| {
        let by_chance = one.chance.total_cmp(&other.chance);
        by_chance.then(a.rank().cmp(&b.rank()))
    });
    found
}
