//! How large the answers to each question are, and for how large a one there was room when
//! none came.

use std::net::SocketAddr;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::table::Table;
use crate::attempt::Attempt;
use crate::attempt::Fingerprint;
use crate::attempt::Outcome;
use crate::attempt::PlainQuestions;
use crate::attempt::Transport;

/// Questions to servers, some 100 bytes each: 400 KB.
const QUESTIONS_MAX: usize = 4_096;
/// Sizes that the clients of one server offer.
const ROOMS_MAX: usize = 3;
/// An answer that changes may be so much larger another time, in percent of the room.
const FITS_PERCENT: u32 = 80;

/// Who asks, by network namespace, and which server.
pub(super) type Way = (u32, SocketAddr);

/// What became of queries over UDP that had so much room for their answer.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    /// In octets: see [`Shape::room`]; 0 is an unused place.
    pub(super) octets: u16,
    /// No answer came.
    pub(super) silent: u32,
    /// The answer had the TC bit and no record.
    pub(super) emptied: u32,
}

/// What is known of the answers to one question.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OfQuestion {
    /// The largest that came whole over UDP, in octets; 0 if none did.
    pub(super) whole: u16,
    /// The largest that came over TCP.
    pub(super) over_tcp: u16,
    pub(super) rooms: [Room; ROOMS_MAX],
    /// Answers over TCP, and such with the TC bit.
    pub(super) otherwise: u32,
}

impl OfQuestion {
    /// Whether it tells more than that all is well.
    fn is_telling(&self) -> bool {
        self.otherwise > 0 || self.rooms().next().is_some()
    }

    pub(super) fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.iter().filter(|room| room.octets > 0)
    }

    fn room(&mut self, octets: u16) -> Option<&mut Room> {
        let place = self
            .rooms
            .iter()
            .position(|it| it.octets == octets || it.octets == 0)?;
        self.rooms[place].octets = octets;
        Some(&mut self.rooms[place])
    }

    /// The answer has so many octets at the least, as far as that is known: it came over
    /// TCP, or did not fit.
    pub(super) fn at_least(&self) -> u16 {
        // Where it came whole as well, TC says nothing of its size.
        let emptied = self
            .rooms()
            .filter(|room| room.emptied > 0 && self.whole == 0);
        let too_little = emptied.map(|room| room.octets.saturating_add(1)).max();
        self.over_tcp.max(self.whole).max(too_little.unwrap_or(0))
    }

    /// How often an answer had the TC bit and no record, though there was room for all of it.
    pub(super) fn slips(&self) -> u64 {
        let fits = |room: &&Room| {
            self.whole > 0 && u32::from(self.whole) * 100 <= u32::from(room.octets) * FITS_PERCENT
        };
        self.rooms()
            .filter(fits)
            .map(|room| u64::from(room.emptied))
            .sum()
    }

    fn absorb(&mut self, other: &Self) -> u64 {
        self.whole = self.whole.max(other.whole);
        self.over_tcp = self.over_tcp.max(other.over_tcp);
        self.otherwise += other.otherwise;
        let mut left_out = 0;
        for more in other.rooms() {
            match self.room(more.octets) {
                Some(room) => {
                    room.silent += more.silent;
                    room.emptied += more.emptied;
                }
                None => left_out += u64::from(more.silent + more.emptied),
            }
        }
        left_out
    }
}

/// The same of each question to each server.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq)]
pub(super) struct Sizes {
    pub(super) of: Table<(Way, Fingerprint), OfQuestion>,
    /// Attempts that there was no room for.
    pub(super) left_out: u64,
    /// It is full of such as tell something, and they stay: it need not be looked through
    /// again.
    #[borsh(skip)]
    all_tell: bool,
}

impl Sizes {
    /// What it takes, in octets.
    pub(super) fn octets(&self) -> usize {
        self.of.capacity() * size_of::<((Way, Fingerprint), OfQuestion)>()
    }

    /// Takes a client's attempt.
    pub(super) fn record(&mut self, attempt: &Attempt, question: Option<Fingerprint>) {
        let (Some(question), Some(seen)) = (question, of_attempt(attempt)) else {
            return;
        };
        self.add((attempt.owner.netns, attempt.peer), question, &seen, 1);
    }

    /// As [`Self::record`] of each of them.
    pub(super) fn ask(&mut self, all: &PlainQuestions) {
        let way = (all.netns, all.server);
        for it in &all.questions {
            let seen = OfQuestion {
                whole: it.answer_bytes,
                ..OfQuestion::default()
            };
            self.add(way, it.fingerprint, &seen, it.asked);
        }
    }

    fn add(&mut self, way: Way, question: Fingerprint, seen: &OfQuestion, number: u64) {
        let key = (way, question);
        if self.of.len() >= QUESTIONS_MAX && !self.of.contains_key(&key) {
            // Nearly all are answered at once, and tell nothing.
            if !self.all_tell {
                self.of.retain(|_, it| it.is_telling());
                self.all_tell = self.of.len() >= QUESTIONS_MAX;
            }
            if self.all_tell {
                self.left_out += number;
                return;
            }
        }
        self.left_out += self.of.entry(key).or_default().absorb(seen);
    }

    /// Adds what was counted in the window right after.
    pub(super) fn follow(&mut self, next: &Self) {
        self.left_out += next.left_out;
        for ((way, question), seen) in &next.of {
            self.add(*way, *question, seen, 1);
        }
    }
}

fn of_attempt(attempt: &Attempt) -> Option<OfQuestion> {
    let mut seen = OfQuestion::default();
    let is_udp = attempt.transport == Transport::Udp;
    let room = || attempt.question.shape().map(|shape| shape.room);
    match (attempt.outcome, attempt.answer) {
        (Outcome::Answered, Some(answer)) if answer.is_error() => return None,
        (Outcome::Answered, Some(answer)) if !is_udp => {
            (seen.over_tcp, seen.otherwise) = (answer.bytes, 1);
        }
        (Outcome::Answered, Some(answer)) if !answer.truncated => seen.whole = answer.bytes,
        (Outcome::Answered, Some(answer)) => {
            seen.otherwise = 1;
            seen.room(room()?)?.emptied += u32::from(answer.answers == 0);
        }
        (Outcome::Unanswered, _) if is_udp && attempt.ignored.count() == 0 => {
            seen.room(room()?)?.silent += 1;
        }
        _ => return None,
    }
    Some(seen)
}
