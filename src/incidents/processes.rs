//! What each process asked for: how much, how often the same, how often in vain.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use domain::base::iana::OptRcode;
use domain::base::iana::Rtype;

use super::table::Table;
use super::tally::Tally;
use crate::attempt::Attempt;
use crate::attempt::Comm;
use crate::attempt::Fingerprint;
use crate::attempt::Identity;
use crate::attempt::Outcome;
use crate::attempt::Plain;
use crate::attempt::PlainQuestions;
use crate::attempt::identity::IdentityTable;

const PROCESSES_MAX: usize = 512;
/// Questions of one process that are told apart. About 120 bytes each.
const NAMES_MAX: usize = 512;
/// … and of all processes together.
const ALL_NAMES_MAX: usize = 32_768;

/// One process.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq)]
pub struct ProcessTally {
    /// Its name.
    pub comm: Comm,
    /// Inode number of its network namespace.
    pub netns: u32,
    /// Whose it is.
    pub workload: Option<Arc<Identity>>,
    /// How its attempts ended.
    pub tally: Tally,
    /// Attempts, whatever their end.
    pub queries: u64,
    /// Of those, for reverse lookups (PTR).
    pub reverse: u64,
    /// Different questions (name and type), as far as they are told apart.
    pub names: Table<Fingerprint, NameTally>,
    /// Attempts whose question is not in `names`.
    pub unnamed: u64,
    /// How many questions there were in a window whose names were not kept; in the one that had
    /// most, if there were several.
    forgotten: u64,
}

/// One question of one process.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq)]
pub struct NameTally {
    /// The name in presentation form.
    pub name: String,
    /// How often it was asked.
    pub asked: u64,
    /// How often the answer was NXDOMAIN.
    pub nxdomain: u64,
}

/// The processes that asked most, bounded.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq)]
pub struct Processes {
    processes: Table<u32, ProcessTally>,
    names: usize,
    /// Attempts of processes that found no room.
    pub left_out: u64,
}

impl ProcessTally {
    /// How many different questions it asked. Those beyond the bound count as asked once.
    pub fn different(&self) -> u64 {
        self.forgotten.max(self.names.len() as u64) + self.unnamed
    }

    fn meet(&mut self, attempt: &Attempt) {
        self.comm = attempt.owner.comm;
        self.netns = attempt.owner.netns;
        if self.workload.is_none() {
            self.workload.clone_from(&attempt.workload);
        }
    }

    /// Counts how often a question was asked, and was answered NXDOMAIN; apart from others
    /// if there is room. `all` are the questions of all processes.
    fn count(
        &mut self,
        all: &mut usize,
        key: Fingerprint,
        (asked, nxdomain): (u64, u64),
        name: impl FnOnce() -> String,
    ) {
        let has_room = self.names.len() < NAMES_MAX && *all < ALL_NAMES_MAX;
        let own = match self.names.entry(key) {
            Entry::Occupied(own) => {
                let own = own.into_mut();
                if own.name.is_empty() {
                    own.name = name();
                }
                own
            }
            Entry::Vacant(room) if has_room => {
                *all += 1;
                room.insert(NameTally {
                    name: name(),
                    ..NameTally::default()
                })
            }
            Entry::Vacant(_) => {
                self.unnamed += asked;
                return;
            }
        };
        own.asked += asked;
        own.nxdomain += nxdomain;
    }
}

impl Processes {
    pub(super) fn record(&mut self, attempt: &Attempt, question: Option<Fingerprint>) {
        let Some(pid) = attempt.owner.pid else {
            return;
        };
        self.make_room(pid);
        let process = self.processes.entry(pid).or_default();
        process.meet(attempt);
        process.queries += 1;
        process.tally.record(attempt);
        let Some(question) = question else {
            process.unnamed += 1;
            return;
        };
        if question.rtype == Rtype::PTR {
            process.reverse += 1;
        }
        let is_nxdomain = attempt.outcome == Outcome::Answered
            && attempt
                .answer
                .is_some_and(|it| it.rcode == OptRcode::NXDOMAIN);
        let name = || attempt.question.parse().map(|question| question.name);
        process.count(&mut self.names, question, (1, is_nxdomain.into()), || {
            name().unwrap_or_default()
        });
    }

    /// As [`Self::record`] of each of them.
    pub(super) fn count(&mut self, plain: &Plain) {
        let attempt = &plain.example;
        let Some(pid) = attempt.owner.pid else {
            return;
        };
        self.make_room(pid);
        let process = self.processes.entry(pid).or_default();
        process.meet(attempt);
        process.queries += plain.number();
        let tally = Tally::of_plain(plain.number(), plain.nxdomain);
        process.tally.absorb(&tally);
    }

    /// What was asked in them.
    pub(super) fn ask(&mut self, all: &PlainQuestions) {
        for asker in &all.askers {
            let Some(pid) = asker.pid else { continue };
            self.make_room(pid);
            let process = self.processes.entry(pid).or_default();
            (process.comm, process.netns) = (asker.comm, all.netns);
            for &(place, asked, nxdomain) in &asker.names {
                let Some(question) = all.questions.get(place as usize) else {
                    continue;
                };
                if question.fingerprint.rtype == Rtype::PTR {
                    process.reverse += u64::from(asked);
                }
                let counts = (asked.into(), nxdomain.into());
                process.count(&mut self.names, question.fingerprint, counts, || {
                    let question = question.question.parse();
                    question.map(|question| question.name).unwrap_or_default()
                });
            }
        }
    }

    pub(super) fn follow(&mut self, next: &Self) {
        let mut processes: Vec<_> = next.processes.iter().collect();
        processes.sort_unstable_by_key(|(pid, _)| *pid);
        for (&pid, tally) in processes {
            self.make_room(pid);
            let process = self.processes.entry(pid).or_default();
            process.comm = tally.comm;
            process.netns = tally.netns;
            if process.workload.is_none() {
                process.workload.clone_from(&tally.workload);
            }
            process.queries += tally.queries;
            process.tally.absorb(&tally.tally);
            process.reverse += tally.reverse;
            process.unnamed += tally.unnamed;
            process.forgotten = process.forgotten.max(tally.forgotten);
            for (key, name) in &tally.names {
                let counts = (name.asked, name.nxdomain);
                process.count(&mut self.names, *key, counts, || name.name.clone());
            }
        }
        self.left_out += next.left_out;
    }

    /// Takes the names out of it: without them a question is told by its number alone.
    pub(super) fn forget_names(&mut self) {
        for process in self.processes.values_mut() {
            let names = std::mem::take(&mut process.names);
            process.forgotten = process.forgotten.max(names.len() as u64);
        }
        self.names = 0;
    }

    /// What it takes, in octets, about.
    pub(super) fn octets(&self) -> usize {
        /// What is allocated for a short name.
        const NAME: usize = 32;
        let names = self.processes.values().map(|process| &process.names);
        let names = names.map(|it| it.capacity() * size_of::<(Fingerprint, NameTally)>());
        self.processes.capacity() * size_of::<(u32, ProcessTally)>()
            + names.sum::<usize>()
            + self.names * NAME
    }

    pub(super) fn learn(&mut self, known: &IdentityTable) {
        for process in self.processes.values_mut() {
            known.update(&mut process.workload);
        }
    }

    /// For a process that is new. The quietest quarter goes: a crowd of short-lived
    /// processes must not keep a busy one out.
    fn make_room(&mut self, pid: u32) {
        if self.processes.len() < PROCESSES_MAX || self.processes.contains_key(&pid) {
            return;
        }
        let mut quietest: Vec<_> = self
            .processes
            .iter()
            .map(|(&pid, process)| (process.queries, pid))
            .collect();
        quietest.sort_unstable();
        for (queries, pid) in quietest.into_iter().take(PROCESSES_MAX / 4) {
            if let Some(process) = self.processes.remove(&pid) {
                self.names -= process.names.len();
                self.left_out += queries;
            }
        }
    }

    /// Every process that is told apart, with its thread-group id.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &ProcessTally)> {
        self.processes.iter().map(|(&pid, process)| (pid, process))
    }

    /// One process.
    pub fn get(&self, pid: u32) -> Option<&ProcessTally> {
        self.processes.get(&pid)
    }
}
