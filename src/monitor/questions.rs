//! What was asked in plain queries at each server, and by whom. It is handed on when a window
//! ends, and not once a second as the rest of a cell: no finding depends on when a name was asked
//! for, and most names are asked for again and again, by several processes.

use std::collections::HashMap;
use std::net::SocketAddr;

use foldhash::fast;
use foldhash::quality;

use crate::attempt::Fingerprint;
use crate::attempt::Owner;
use crate::attempt::PlainAsker;
use crate::attempt::PlainQuestion;
use crate::attempt::PlainQuestions;
use crate::attempt::RawQuestion;
use crate::attempt::Role;
use crate::kernel::PlainRecord;

/// Questions of all servers, some 200 octets each: as many as a table of 16,384 takes.
pub(super) const QUESTIONS_MAX: usize = 14_336;
/// Questions of all processes, 12 octets each.
pub(super) const NAMES_MAX: usize = 28_672;

/// Who asks or is asked: at which end, in which network namespace, and which server.
type Way = (Role, u32, SocketAddr);

/// With the octets that follow, RD, CD and capitals: the same may be asked with EDNS and
/// without.
type Key = (Fingerprint, usize, [bool; 3]);

/// All of them.
#[derive(Debug)]
pub(super) struct Questions {
    places: HashMap<Way, u32, quality::RandomState>,
    ways: Vec<OfWay>,
    questions: usize,
    names: usize,
    /// How often they were handed on: what a process was told of before is no longer true.
    turn: u32,
}

#[derive(Debug)]
struct OfWay {
    way: Way,
    places: HashMap<Key, u32, quality::RandomState>,
    questions: Vec<PlainQuestion>,
    askers: Vec<PlainAsker>,
}

/// What one process asked of one server.
#[derive(Debug, Default)]
pub(super) struct Asked {
    turn: u32,
    way: u32,
    /// By the question's place: how often, and how often it was answered NXDOMAIN.
    names: HashMap<u32, (u32, u32), fast::RandomState>,
}

impl Questions {
    pub(super) fn new() -> Self {
        Self {
            places: HashMap::default(),
            ways: Vec::new(),
            questions: 0,
            names: 0,
            turn: 1,
        }
    }

    /// Counts the question of a record. `asked` is that of its process, whose `owner` this is.
    pub(super) fn count(&mut self, record: &PlainRecord<'_>, asked: &mut Asked, owner: &Owner) {
        let role = record.role();
        if asked.turn != self.turn {
            asked.turn = self.turn;
            asked.way = self.way(role, record.way());
        }
        let Some(way) = self.ways.get_mut(asked.way as usize) else {
            return;
        };
        let wants_recursion = record.wants_recursion();
        let is_unchecked = record.is_unchecked();
        let (len, has_capitals) = match role {
            Role::Client => (record.question().len(), record.has_capitals),
            // Nobody compares them there.
            Role::Server => (0, false),
        };
        let bits = [wants_recursion, is_unchecked, has_capitals];
        // Bounded by QUESTIONS_MAX.
        let next = way.questions.len() as u32;
        let key = (record.fingerprint, len, bits);
        let place = *way.places.entry(key).or_insert(next);
        if place == next {
            self.questions += 1;
            way.questions.push(PlainQuestion {
                fingerprint: record.fingerprint,
                question: match role {
                    Role::Client => RawQuestion::new(record.question()),
                    Role::Server => RawQuestion::default(),
                },
                pid: owner.pid,
                comm: owner.comm,
                asked: 0,
                nxdomain: 0,
                no_data: 0,
                answer_bytes: 0,
                wants_recursion,
                is_unchecked,
            });
        }
        let Some(question) = way.questions.get_mut(place as usize) else {
            return;
        };
        let is_nxdomain = record.is_nxdomain();
        question.asked += 1;
        question.nxdomain += u64::from(is_nxdomain);
        question.no_data += u64::from(record.is_no_data());
        question.answer_bytes = question.answer_bytes.max(record.answer_bytes());
        if role == Role::Client {
            let before = asked.names.len();
            let (number, nxdomain) = asked.names.entry(place).or_default();
            *number += 1;
            *nxdomain += u32::from(is_nxdomain);
            self.names += asked.names.len() - before;
        }
    }

    fn way(&mut self, role: Role, (netns, server): (u32, SocketAddr)) -> u32 {
        let way = (role, netns, server);
        // One for each cell at the most.
        let next = self.ways.len() as u32;
        let place = *self.places.entry(way).or_insert(next);
        if place == next {
            self.ways.push(OfWay {
                way,
                places: HashMap::default(),
                questions: Vec::new(),
                askers: Vec::new(),
            });
        }
        place
    }

    /// A process asks no more before they are handed on.
    pub(super) fn leave(&mut self, asked: &mut Asked, owner: &Owner) {
        let way = self.ways.get_mut(asked.way as usize);
        if let Some(way) = way.filter(|_| asked.turn == self.turn && !asked.names.is_empty()) {
            let names = asked.names.drain();
            way.askers.push(PlainAsker {
                pid: owner.pid,
                comm: owner.comm,
                names: names.map(|(place, (n, nx))| (place, n, nx)).collect(),
            });
        }
    }

    /// Whether there is room for so many more.
    pub(super) fn has_room_for(&self, more: usize) -> bool {
        self.questions + more <= QUESTIONS_MAX && self.names + more <= NAMES_MAX
    }

    /// Takes out all of them; every process has left.
    pub(super) fn take(&mut self) -> Vec<PlainQuestions> {
        self.turn = self.turn.wrapping_add(1).max(1);
        (self.questions, self.names) = (0, 0);
        self.places.clear();
        let ways = self.ways.drain(..);
        let all = ways.map(|it| {
            let (role, netns, server) = it.way;
            PlainQuestions {
                role,
                netns,
                server,
                questions: it.questions,
                askers: it.askers,
            }
        });
        all.collect()
    }
}
