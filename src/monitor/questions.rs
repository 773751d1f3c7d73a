//! What was asked in plain queries at each server, and by whom. It is handed on when a window
//! ends, and not once a second as the rest of a cell: no finding depends on when a name was asked
//! for, and most names are asked for again and again, by several processes.

use std::collections::HashMap;
use std::net::SocketAddr;

use foldhash::fast;
use foldhash::quality;

use super::asked;
use super::asked::AskedNames;
use super::asked::Named;
use super::asked::Slot;
use crate::attempt::Comm;
use crate::attempt::Owner;
use crate::attempt::PlainAsker;
use crate::attempt::PlainQuestion;
use crate::attempt::PlainQuestions;
use crate::attempt::RawQuestion;
use crate::attempt::Role;
use crate::kernel::PlainRecord;

/// Questions of all servers, some 200 octets each: as many as a table of 16,384 takes.
pub(super) const QUESTIONS_MAX: usize = 14_336;
/// Questions of all processes, 32 octets each.
pub(super) const NAMES_MAX: usize = 28_672;

/// Who asks or is asked: at which end, in which network namespace, and which server.
type Way = (Role, u32, SocketAddr);

/// The name in whatever case, a keyed hash; and what else tells questions apart.
type Key = (u64, u64);

/// All of them.
#[derive(Debug)]
pub(super) struct Questions {
    places: HashMap<Way, u32, quality::RandomState>,
    ways: Vec<OfWay>,
    askers: Vec<Asker>,
    questions: usize,
    names: AskedNames,
    /// How often they were handed on: what a process was told of before is no longer true.
    turn: u32,
}

#[derive(Debug)]
struct OfWay {
    way: Way,
    places: HashMap<Key, u16, fast::RandomState>,
    questions: Vec<PlainQuestion>,
    askers: Vec<PlainAsker>,
}

/// Who asks or answers there.
#[derive(Clone, Copy, Debug)]
struct Asker {
    way: usize,
    pid: Option<u32>,
    comm: Comm,
}

/// Under which number a process is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    turn: u32,
    asker: u32,
}

impl Questions {
    pub(super) fn new() -> Self {
        Self {
            places: HashMap::default(),
            ways: Vec::new(),
            questions: 0,
            askers: Vec::new(),
            names: AskedNames::default(),
            turn: 1,
        }
    }

    /// What a record is counted under, by [`count`](Self::count) when the processor has had time to
    /// fetch that. `asked` is that of its process, whose `owner` this is.
    pub(super) fn named(
        &mut self,
        record: &PlainRecord<'_>,
        asked: &mut Asked,
        owner: &Owner,
    ) -> Named {
        if asked.turn != self.turn {
            *asked = self.begin(record.role(), record.way(), owner);
        }
        let question = (record.fingerprint.name, asked::rest_of(record));
        let named = Named::of(asked.asker, question);
        if record.role() == Role::Client {
            self.names.fetch(named);
        }
        named
    }

    /// Counts the question of a record.
    pub(super) fn count(&mut self, record: &PlainRecord<'_>, named: Named, owner: &Owner) {
        let is_client = record.role() == Role::Client;
        if is_client && let Some(slot) = self.names.get(named) {
            return slot.count(record);
        }
        let Some(asker) = self.askers.get(named.asker()) else {
            return;
        };
        let way = &mut self.ways[asker.way];
        // Bounded by QUESTIONS_MAX.
        let next = way.questions.len() as u16;
        let place = *way.places.entry(named.question()).or_insert(next);
        if place == next {
            self.questions += 1;
            way.questions.push(PlainQuestion {
                fingerprint: record.fingerprint,
                question: match is_client {
                    true => RawQuestion::new(record.question()),
                    false => RawQuestion::default(),
                },
                pid: owner.pid,
                comm: owner.comm,
                asked: 0,
                nxdomain: 0,
                no_data: 0,
                answer_bytes: 0,
                wants_recursion: record.wants_recursion(),
                is_unchecked: record.is_unchecked(),
            });
        }
        let mut slot = Slot::at(place);
        slot.count(record);
        match is_client {
            true => self.names.add(named, slot),
            false => way.add(&slot),
        }
    }

    fn begin(&mut self, role: Role, way: (u32, SocketAddr), owner: &Owner) -> Asked {
        let way = self.way(role, way);
        // Nobody wants to know which process of a server was asked.
        let before = match role {
            Role::Client => None,
            Role::Server => self.askers.iter().position(|it| it.way == way),
        };
        let asker = before.unwrap_or_else(|| {
            self.askers.push(Asker {
                way,
                pid: owner.pid,
                comm: owner.comm,
            });
            self.askers.len() - 1
        });
        Asked {
            turn: self.turn,
            // Each has asked for a name of its own, or answers at another way.
            asker: asker as u32,
        }
    }

    fn way(&mut self, role: Role, (netns, server): (u32, SocketAddr)) -> usize {
        let way = (role, netns, server);
        // One for each asker at the most.
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
        place as usize
    }

    /// Whether there is room for so many more.
    pub(super) fn has_room_for(&self, more: usize) -> bool {
        self.questions + more <= QUESTIONS_MAX && self.names.len() + more <= NAMES_MAX
    }

    /// Takes out all of them.
    pub(super) fn take(&mut self) -> Vec<PlainQuestions> {
        self.turn = self.turn.wrapping_add(1).max(1);
        self.questions = 0;
        self.places.clear();
        let mut ways = std::mem::take(&mut self.ways);
        let askers = std::mem::take(&mut self.askers);
        let mut names = vec![Vec::new(); askers.len()];
        self.names.take(|slot| {
            let asker = slot.named.asker();
            ways[askers[asker].way].add(slot);
            names[asker].push((u32::from(slot.place), slot.all, slot.nxdomain));
        });
        for (asker, names) in askers.iter().zip(names) {
            if !names.is_empty() {
                ways[asker.way].askers.push(PlainAsker {
                    pid: asker.pid,
                    comm: asker.comm,
                    names,
                });
            }
        }
        let all = ways.into_iter().map(|it| {
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

impl OfWay {
    fn add(&mut self, slot: &Slot) {
        if let Some(question) = self.questions.get_mut(usize::from(slot.place)) {
            question.asked += u64::from(slot.all);
            question.nxdomain += u64::from(slot.nxdomain);
            question.no_data += u64::from(slot.no_data);
            question.answer_bytes = question.answer_bytes.max(slot.answer_bytes);
        }
    }
}
