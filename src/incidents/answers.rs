//! What servers said about each question: answers that agree with no other cannot be
//! used, though each by itself looks well.

use std::collections::hash_map::Entry;
use std::net::SocketAddr;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use domain::base::iana::OptRcode;

use super::table::Table;
use crate::attempt::Attempt;
use crate::attempt::Comm;
use crate::attempt::Fingerprint;
use crate::attempt::Outcome;
use crate::attempt::PlainQuestion;
use crate::attempt::PlainQuestions;
use crate::attempt::RawQuestion;
use crate::attempt::Role;

/// Questions to servers, some 150 bytes each: 2.5 MB.
const QUESTIONS_MAX: usize = 16_384;

/// Who was asked what, and by whom it was seen.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub struct Asking {
    /// As its client saw it, or as the server itself.
    pub role: Role,
    /// The network namespace of that socket.
    pub netns: u32,
    /// The server.
    pub server: SocketAddr,
    /// The question.
    pub question: Fingerprint,
}

/// What the answers were, of those to queries that wanted recursion.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// NOERROR with records.
    pub records: u64,
    /// NOERROR without.
    pub no_data: u64,
    /// NXDOMAIN.
    pub no_such_name: u64,
    /// The process at that socket.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Comm,
    /// The octets of the question; empty if they were not kept.
    pub question: RawQuestion,
}

impl Said {
    /// All of them.
    pub fn answers(&self) -> u64 {
        self.records + self.no_data + self.no_such_name
    }

    fn absorb(&mut self, other: &Self) {
        self.records += other.records;
        self.no_data += other.no_data;
        self.no_such_name += other.no_such_name;
        self.pid = self.pid.or(other.pid);
        if self.pid == other.pid {
            self.comm = other.comm;
        }
    }
}

/// What was said about each question, bounded.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq)]
pub struct Answers {
    said: Table<Asking, Said>,
    /// Answers to questions that there was no room for.
    pub(super) left_out: u64,
}

impl Answers {
    /// What it takes, in octets.
    pub(super) fn octets(&self) -> usize {
        let questions = self.said.values().map(|it| it.question.as_bytes().len());
        self.said.capacity() * size_of::<(Asking, Said)>() + questions.sum::<usize>()
    }

    pub(super) fn record(&mut self, attempt: &Attempt, question: Option<Fingerprint>) {
        let (Some(answer), Some(question)) = (attempt.answer, question) else {
            return;
        };
        let is_one = attempt.outcome == Outcome::Answered
            && answer.bits.recursion_desired
            && !answer.is_referral()
            && !answer.truncated;
        if !is_one {
            return;
        }
        let (no_data, no_such_name) = (answer.is_no_data(), answer.rcode == OptRcode::NXDOMAIN);
        if answer.is_error() {
            return;
        }
        self.add(
            asking(attempt, question),
            Said {
                records: u64::from(!no_data && !no_such_name),
                no_data: u64::from(no_data),
                no_such_name: u64::from(no_such_name),
                pid: attempt.owner.pid,
                comm: attempt.owner.comm,
                ..Said::default()
            },
            Some(&attempt.question),
        );
    }

    /// As [`Self::record`] of each of them.
    pub(super) fn count(&mut self, asked: &PlainQuestions) {
        let wanted = |it: &&PlainQuestion| it.wants_recursion;
        for it in asked.questions.iter().filter(wanted) {
            let asking = Asking {
                role: asked.role,
                netns: asked.netns,
                server: asked.server,
                question: it.fingerprint,
            };
            let said = Said {
                records: it.asked - it.nxdomain - it.no_data,
                no_data: it.no_data,
                no_such_name: it.nxdomain,
                pid: it.pid,
                comm: it.comm,
                ..Said::default()
            };
            self.add(asking, said, Some(&it.question));
        }
    }

    /// `said` has no question: it is copied where it is new.
    fn add(&mut self, asking: Asking, said: Said, question: Option<&RawQuestion>) {
        let has_room = self.said.len() < QUESTIONS_MAX;
        let own = match self.said.entry(asking) {
            Entry::Occupied(own) => {
                let own = own.into_mut();
                own.absorb(&said);
                own
            }
            Entry::Vacant(room) if has_room => room.insert(said),
            Entry::Vacant(_) => {
                self.left_out += said.answers();
                return;
            }
        };
        if let Some(question) = question
            && own.question.as_bytes().is_empty()
        {
            own.question.clone_from(question);
        }
    }

    /// Takes the names out of it.
    pub(super) fn forget_names(&mut self) {
        let said = self.said.values_mut();
        said.for_each(|said| said.question.forget_name());
    }

    /// Adds what was said in the window right after.
    pub(super) fn follow(&mut self, next: &Self) {
        self.left_out += next.left_out;
        for (asking, said) in &next.said {
            let counts = Said {
                question: RawQuestion::default(),
                ..*said
            };
            self.add(*asking, counts, Some(&said.question));
        }
    }

    /// All of it, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Asking, &Said)> {
        self.said.iter()
    }

    /// About one question at one server.
    pub fn of(&self, asking: &Asking) -> Option<&Said> {
        self.said.get(asking)
    }
}

fn asking(attempt: &Attempt, question: Fingerprint) -> Asking {
    Asking {
        role: attempt.role,
        netns: attempt.owner.netns,
        server: attempt.server(),
        question,
    }
}
