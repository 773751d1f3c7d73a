//! Plain answers are counted where they come in, a cell for those that are alike, and
//! handed on once in a while. All else, and what may concern a failure, is an attempt of
//! its own.

use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;
use std::time::Instant;

use foldhash::quality::RandomState;

use super::DRAIN_MAX;
use super::questions::Asked;
use super::questions::Questions;
use super::sockets::Sockets;
use crate::attempt::Attempt;
use crate::attempt::MOMENT_NS;
use crate::attempt::Outcome;
use crate::attempt::Plain;
use crate::attempt::PlainExchange;
use crate::attempt::PlainLookups;
use crate::attempt::PlainQuestions;
use crate::attempt::Role;
use crate::kernel::PlainKey;
use crate::kernel::PlainRecord;
use crate::lookup::Grouper;
use crate::lookup::Outline;

/// They are handed on so often.
const KEPT: Duration = Duration::from_secs(1);
/// … or when there are so many answers, questions or exchanges.
const ANSWERS_MAX: usize = 65_536;
const EXCHANGES_MAX: usize = 16_384;
/// So many records may come before they can be handed on again: two drains of the ring buffer.
/// They are handed on while there is room for as many, or the last ones would be told one by one.
const BETWEEN: usize = 2 * DRAIN_MAX;
/// Cells at one time. Who finds no room is told one by one.
const CELLS_MAX: usize = 1_024;
/// A cell that counted nothing so often in a row goes.
const IDLE_MAX: u32 = 30;
/// So many cells can follow each other in one place before two have the same id.
const GENERATIONS: u32 = u32::MAX / CELLS_MAX as u32;

/// For so long the answers at a port or of a server that had a failure are told one by one:
/// longer than an attempt is remembered for its resend, and a port that failed for others.
const SUSPECTED: Duration = Duration::from_secs(120);
/// Servers that packets to were discarded of late. With more, nothing is plain.
const SERVERS_MAX: usize = 256;

/// The cells.
#[derive(Debug)]
pub(super) struct Cells {
    places: HashMap<PlainKey, u32, RandomState>,
    /// A place is used again when its cell has gone.
    cells: Vec<Cell>,
    free: Vec<u32>,
    answers: usize,
    exchanges: usize,
    questions: Questions,
    ports: Ports,
    servers: HashSet<(u32, IpAddr), RandomState>,
    suspects_since: Instant,
    handed_on: Instant,
    counted: u64,
}

/// By which lookups know it.
fn cell_id(place: u32, generation: u32) -> u32 {
    generation % GENERATIONS * CELLS_MAX as u32 + place
}

#[derive(Debug, Default)]
struct Cell {
    example: Option<Attempt>,
    nxdomain: u64,
    after_answer: u64,
    latencies: Vec<u32>,
    moments: Vec<u64>,
    asked: Asked,
    exchanges: VecDeque<PlainExchange>,
    lookups: PlainLookups,
    idle: u32,
    /// Cells that were in this place before.
    generation: u32,
}

/// Ports, one bit each: those of now and those of the time before.
#[derive(Debug)]
struct Ports([Box<[u64; 1024]>; 2]);

impl Ports {
    fn place(port: u16) -> (usize, u64) {
        (usize::from(port / 64), 1 << (port % 64))
    }

    fn add(&mut self, port: u16) {
        let (word, bit) = Self::place(port);
        self.0[0][word] |= bit;
    }

    fn has(&self, port: u16) -> bool {
        let (word, bit) = Self::place(port);
        (self.0[0][word] | self.0[1][word]) & bit != 0
    }

    fn age(&mut self) {
        self.0.swap(0, 1);
        self.0[0].fill(0);
    }
}

impl Cells {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            places: HashMap::default(),
            cells: Vec::new(),
            free: Vec::new(),
            answers: 0,
            exchanges: 0,
            questions: Questions::new(),
            ports: Ports([Box::new([0; 1024]), Box::new([0; 1024])]),
            servers: HashSet::default(),
            suspects_since: now,
            handed_on: now,
            counted: 0,
        }
    }

    /// Counts a record, if it is a plain answer like one before. Otherwise it is to be told
    /// by itself: so is the first of each kind, that it is found out at once whose it is.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        sockets: &mut Sockets,
        grouper: &mut Grouper,
    ) -> bool {
        let Some(record) = PlainRecord::of(bytes) else {
            return false;
        };
        if self.is_full() || self.is_suspect(&record) {
            return false;
        }
        let key = record.key();
        let Some(&place) = self.places.get(&key) else {
            if self.places.len() < CELLS_MAX {
                self.begin(key);
            }
            return false;
        };
        let Some(cell) = self.cells.get_mut(place as usize) else {
            return false;
        };
        if cell.example.is_none() {
            cell.example = record.attempt();
        }
        let Some(example) = &cell.example else {
            return false;
        };
        let named = self
            .questions
            .named(&record, &mut cell.asked, &example.owner);
        match record.role() {
            Role::Client => {
                cell.after_answer += u64::from(sockets.answered(record.cookie()));
                grouper.plain(&record.step(), cell_id(place, cell.generation));
            }
            Role::Server => {
                if cell.exchanges.len() == EXCHANGES_MAX {
                    cell.exchanges.pop_front();
                    self.exchanges -= 1;
                }
                cell.exchanges.push_back(record.exchange());
                self.exchanges += 1;
            }
        }
        let sent_ns = record.sent_ns();
        let is_of_last = |last: &u64| last / MOMENT_NS == sent_ns / MOMENT_NS;
        if !cell.moments.last().is_some_and(is_of_last) {
            cell.moments.push(sent_ns);
        }
        cell.nxdomain += u64::from(record.is_nxdomain());
        cell.latencies.push(record.latency_ns());
        self.questions.count(&record, named, &example.owner);
        self.answers += 1;
        self.counted += 1;
        true
    }

    fn begin(&mut self, key: PlainKey) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.cells.push(Cell::default());
            // Bounded by CELLS_MAX.
            (self.cells.len() - 1) as u32
        });
        self.places.insert(key, place);
    }

    /// Counts a lookup that is over where its first answer was counted. Returns whether
    /// that cell is still there.
    pub(super) fn count_lookup(&mut self, cell: u32, outline: &Outline) -> bool {
        let (place, generation) = (cell as usize % CELLS_MAX, cell / CELLS_MAX as u32);
        let cell = self.cells.get_mut(place);
        let Some(cell) = cell.filter(|it| it.generation % GENERATIONS == generation) else {
            return false;
        };
        let duration = u32::try_from(outline.duration_ns).unwrap_or(u32::MAX);
        cell.lookups.durations.push(duration);
        cell.lookups.queries += outline.queries;
        cell.lookups.lost_ns += outline.lost_ns;
        true
    }

    fn is_suspect(&self, record: &PlainRecord<'_>) -> bool {
        if self.ports.has(record.client_port()) || self.servers.len() >= SERVERS_MAX {
            return true;
        }
        // Nearly always there is none.
        !self.servers.is_empty() && {
            let (netns, server) = record.way();
            self.servers.contains(&(netns, server.ip()))
        }
    }

    fn is_full(&self) -> bool {
        !self.has_room_for(1) || !self.questions.has_room_for(1)
    }

    fn has_room_for(&self, more: usize) -> bool {
        self.answers + more <= ANSWERS_MAX && self.exchanges + more <= 2 * EXCHANGES_MAX
    }

    /// Answers of this server to that network namespace are to be told one by one.
    pub(super) fn suspect(&mut self, way: (u32, IpAddr)) {
        if self.servers.len() < SERVERS_MAX {
            self.servers.insert(way);
        }
    }

    /// Attempts that have ended one by one. What follows at their ports and servers may
    /// have to do with them. Returns whether there is a failure, before which all that came
    /// before is to be known.
    pub(super) fn see(&mut self, attempts: &[Attempt]) -> bool {
        let mut any_failed = false;
        for attempt in attempts {
            if attempt.outcome == Outcome::Answered {
                continue;
            }
            any_failed |= attempt.outcome.is_failure();
            self.ports.add(attempt.client().port());
            if attempt.outcome == Outcome::Dropped && self.servers.len() < SERVERS_MAX {
                let server = (attempt.owner.netns, attempt.server().ip());
                self.servers.insert(server);
            }
        }
        any_failed
    }

    /// Whether it is time to hand on what was counted.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.has_room_for(BETWEEN) || now.saturating_duration_since(self.handed_on) >= KEPT
    }

    /// Whether there are so many questions that they are to be handed on before the window ends.
    pub(super) fn has_many_questions(&self) -> bool {
        !self.questions.has_room_for(BETWEEN)
    }

    /// Takes out what was asked.
    pub(super) fn hand_on_questions(&mut self) -> Vec<PlainQuestions> {
        self.questions.take()
    }

    /// Takes out what was counted.
    pub(super) fn hand_on(&mut self, now: Instant) -> Vec<Plain> {
        self.handed_on = now;
        if now.saturating_duration_since(self.suspects_since) >= SUSPECTED {
            self.suspects_since = now;
            self.ports.age();
            self.servers.clear();
        }
        let mut counted = Vec::new();
        let (cells, free) = (&mut self.cells, &mut self.free);
        self.places.retain(|_, place| {
            let cell = &mut cells[*place as usize];
            match cell.take() {
                Some(plain) => counted.push(plain),
                None => cell.idle += 1,
            }
            let stays = cell.idle < IDLE_MAX;
            if !stays {
                *cell = Cell {
                    generation: cell.generation.wrapping_add(1),
                    ..Cell::default()
                };
                free.push(*place);
            }
            stays
        });
        (self.answers, self.exchanges) = (0, 0);
        counted
    }

    /// How many were counted since the last time.
    pub(super) fn take_counted(&mut self) -> u64 {
        std::mem::take(&mut self.counted)
    }
}

impl Cell {
    fn take(&mut self) -> Option<Plain> {
        if self.latencies.is_empty() && self.lookups.durations.is_empty() {
            // An idle cell keeps no room.
            (self.latencies, self.moments) = (Vec::new(), Vec::new());
            return None;
        }
        // A lookup may be over after its last answer has gone on.
        let example = self.example.clone()?;
        self.idle = 0;
        Some(Plain {
            example,
            nxdomain: std::mem::take(&mut self.nxdomain),
            after_answer: std::mem::take(&mut self.after_answer),
            latencies: taken(&mut self.latencies),
            moments: taken(&mut self.moments),
            exchanges: std::mem::take(&mut self.exchanges).into(),
            lookups: std::mem::take(&mut self.lookups),
        })
    }
}

/// Takes all out, and makes room for as many.
fn taken<T>(list: &mut Vec<T>) -> Vec<T> {
    let room = list.len();
    std::mem::replace(list, Vec::with_capacity(room))
}

#[cfg(test)]
mod tests;
