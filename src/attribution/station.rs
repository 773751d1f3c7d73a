//! The thread between the poller and the command: says of each attempt whose it
//! is, and keeps their order.

use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Weak;
use std::time::Duration;
use std::time::Instant;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use crossbeam_channel::Receiver;
use crossbeam_channel::SendError;
use crossbeam_channel::Sender;
use crossbeam_channel::at;
use crossbeam_channel::never;
use crossbeam_channel::select;
use serde::Serialize;

use super::names::Asking;
use super::process::Processes;
use super::questions::Answer;
use super::questions::Question;
use super::recent::Recent;
use super::resolver::Resolver;
use super::subject::Subject;
use crate::attempt::Attempt;
use crate::attempt::Identity;
use crate::attempt::Plain;
use crate::attempt::SlowRead;
use crate::attempt::identity::Delegated;
use crate::attempt::identity::cgroup_path;
use crate::host::proc::Root;
use crate::lookup::Lookup;
use crate::monitor::Message;
use crate::pace::Pace;

/// How long an attempt waits for its names. An answer that a person waits for is
/// there in a few milliseconds; a CRI socket takes some ten.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);
/// Attempts that may wait, some 500 octets each.
const WAITING_MAX: usize = 8192;
/// Control groups and processes that are known, some 600 octets each.
pub(super) const KNOWN_MAX: usize = 16_384;
/// After this time a process is looked at again: its number may be another's by
/// now, or it may have been moved. Nothing is moved but what has just started.
const TRUSTED: Duration = Duration::from_secs(5);
/// Looks at processes in a second that the station takes itself, which saves one
/// thread's waking up; the resolver takes those beyond. A look takes some 30 µs, so
/// these take 3 % of a core.
const LOOKS_PER_SECOND: u32 = 1000;
/// The kernel counts the start of processes in hundredths of a second.
const TICK_NS: u64 = 10_000_000;

/// How often it could be said whose an attempt is.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize,
)]
pub struct Attributed {
    /// Attempts that went on with all that there is to know.
    pub attributed: u64,
    /// Attempts whose control group is not known: its process or its group was
    /// gone, or nobody owns the socket.
    pub unknown: u64,
    /// Attempts that went on without a name that they should have: it came later
    /// or not at all.
    pub unnamed: u64,
    /// Of the two before, those that found no room to wait.
    pub hurried: u64,
}

#[derive(Clone, Debug)]
enum Owner {
    Known(Arc<Subject>),
    /// It is being asked for.
    Asked,
    Unknown,
    /// There was no room to ask.
    Hurried,
}

/// What was said, and when.
#[derive(Debug)]
struct Looked {
    /// Whose it is, and when the process started, as in [`Answer`].
    found: Option<(Arc<Subject>, u64)>,
    at: Instant,
}

pub(super) struct Station {
    output: Sender<Message>,
    /// What was counted up to the last word about each window.
    tallies: Sender<Attributed>,
    resolver: Resolver,
    has_version_1: bool,
    known: Recent<Question, Looked>,
    asked: HashSet<Question>,
    processes: Processes,
    /// By path, as long as anybody has one: all processes of a group share it.
    subjects: HashMap<(Vec<u8>, Option<Delegated>), Weak<Subject>>,
    names: Asking,
    looks: Pace,
    patience: Duration,
    trusted: Duration,
    /// Attempts that wait, and until when at the latest.
    held: VecDeque<(Attempt, Instant)>,
    /// The same for those that were counted together.
    held_plain: VecDeque<(Plain, Instant)>,
    /// Slow reads are of attempts that went before them: so many must be out.
    reads: VecDeque<(u64, Vec<SlowRead>)>,
    /// So are lookups.
    lookups: VecDeque<(u64, Vec<Lookup>)>,
    taken: u64,
    released: u64,
    counts: Attributed,
}

/// The command has gone away.
struct Gone;

impl From<SendError<Message>> for Gone {
    fn from(_: SendError<Message>) -> Self {
        Self
    }
}

impl Owner {
    /// Whether more may be known soon.
    fn is_pending(&self) -> bool {
        match self {
            Self::Asked => true,
            Self::Known(subject) => subject.lacks_names() && subject.is_awaited(),
            Self::Unknown | Self::Hurried => false,
        }
    }
}

impl Station {
    pub(super) fn new(
        output: Sender<Message>,
        tallies: Sender<Attributed>,
        resolver: Resolver,
        names: Asking,
        has_version_1: bool,
    ) -> Self {
        Self {
            output,
            tallies,
            resolver,
            has_version_1,
            known: Recent::new(KNOWN_MAX),
            asked: HashSet::new(),
            subjects: HashMap::new(),
            processes: Processes::of(Root::default()),
            names,
            looks: Pace::new(LOOKS_PER_SECOND, Instant::now()),
            patience: PATIENCE,
            trusted: TRUSTED,
            held: VecDeque::new(),
            held_plain: VecDeque::new(),
            reads: VecDeque::new(),
            lookups: VecDeque::new(),
            taken: 0,
            released: 0,
            counts: Attributed::default(),
        }
    }

    /// Until the poller has finished, or the command has gone away.
    pub(super) fn run(
        mut self,
        messages: Receiver<Message>,
        mut answers: Receiver<Answer>,
    ) -> (Attributed, Resolver) {
        // The last word about a window. Those that wait get their time before it; nothing
        // more comes in meanwhile.
        let mut last_word = None;
        loop {
            if self.held.is_empty()
                && self.held_plain.is_empty()
                && let Some(message) = last_word.take()
            {
                let is_end = matches!(message, Message::Finished(_));
                // Before the word: who has got that one finds this.
                let _gone = self.tallies.send(self.counts);
                if self.output.send(message).is_err() || is_end {
                    break;
                }
            }
            let input = match last_word {
                None => messages.clone(),
                Some(_) => never(),
            };
            let held = self.held.front().map(|(_, until)| *until);
            let held_plain = self.held_plain.front().map(|(_, until)| *until);
            let until = held.into_iter().chain(held_plain).min();
            let patience = until.map_or_else(never, at);
            let done = select! {
                recv(input) -> message => match message {
                    Ok(Message::Ended(attempts)) => self.take(attempts),
                    Ok(Message::Plain(plain)) => {
                        let until = Instant::now() + self.patience;
                        self.held_plain.extend(plain.into_iter().map(|it| (it, until)));
                        self.release()
                    }
                    // Whose they would have been nobody knows.
                    Ok(
                        message @ (Message::TurnedAway(_)
                        | Message::Suspects(_)
                        | Message::CameSecond(_)
                        | Message::Questions(_)),
                    ) => self.output.send(message).map_err(Gone::from),
                    Ok(Message::SlowReads(reads)) => {
                        self.reads.push_back((self.taken, reads));
                        self.release()
                    }
                    Ok(Message::Lookups(lookups)) => {
                        self.lookups.push_back((self.taken, lookups));
                        self.release()
                    }
                    Ok(message @ (Message::Rolled(_) | Message::Finished(_))) => {
                        last_word = Some(message);
                        Ok(())
                    }
                    Err(_) => break,
                },
                recv(answers) -> answer => {
                    match answer {
                        Ok(answer) => self.learn(answer),
                        // Both threads that answer have died.
                        Err(_) => answers = never(),
                    }
                    self.release()
                }
                recv(patience) -> _ => self.release(),
            };
            if done.is_err() {
                break;
            }
        }
        (self.counts, self.resolver)
    }

    /// A batch goes on as it came if everything about it is known.
    fn take(&mut self, mut attempts: Vec<Attempt>) -> Result<(), Gone> {
        let now = Instant::now();
        self.taken += attempts.len() as u64;
        let mut ready = 0;
        while self.held.is_empty()
            && let Some(attempt) = attempts.get_mut(ready)
        {
            let owner = self.owner(attempt, now);
            if owner.is_pending() {
                break;
            }
            self.attribute(attempt, owner, 1);
            ready += 1;
        }
        let rest = attempts.split_off(ready);
        self.send(attempts)?;
        for attempt in rest {
            // Asks ahead for those behind.
            let _owner = self.owner(&attempt, now);
            self.held.push_back((attempt, now + self.patience));
        }
        self.release()
    }

    fn release(&mut self) -> Result<(), Gone> {
        let now = Instant::now();
        self.release_plain(now)?;
        let mut ready = Vec::new();
        while let Some((mut attempt, until)) = self.held.pop_front() {
            let owner = self.owner(&attempt, now);
            let is_hurried = owner.is_pending() && now < until;
            if is_hurried && self.held.len() < WAITING_MAX {
                self.held.push_front((attempt, until));
                break;
            }
            self.counts.hurried += u64::from(is_hurried);
            self.attribute(&mut attempt, owner, 1);
            ready.push(attempt);
        }
        self.send(ready)
    }

    /// Nearly always at once: somebody has asked for the first of their kind.
    fn release_plain(&mut self, now: Instant) -> Result<(), Gone> {
        let mut ready = Vec::new();
        while let Some((mut plain, until)) = self.held_plain.pop_front() {
            let owner = self.owner(&plain.example, now);
            if owner.is_pending() && now < until {
                self.held_plain.push_front((plain, until));
                break;
            }
            let number = plain.number();
            self.attribute(&mut plain.example, owner, number);
            ready.push(plain);
        }
        if !ready.is_empty() {
            self.output.send(Message::Plain(ready))?;
        }
        Ok(())
    }

    fn send(&mut self, attempts: Vec<Attempt>) -> Result<(), Gone> {
        self.released += attempts.len() as u64;
        if !attempts.is_empty() {
            self.output.send(Message::Ended(attempts))?;
        }
        while let Some((after, _)) = self.reads.front()
            && *after <= self.released
            && let Some((_, reads)) = self.reads.pop_front()
        {
            self.output.send(Message::SlowReads(reads))?;
        }
        while let Some((after, _)) = self.lookups.front()
            && *after <= self.released
            && let Some((_, mut lookups)) = self.lookups.pop_front()
        {
            let now = Instant::now();
            for lookup in &mut lookups {
                if let Owner::Known(subject) = self.owner(&lookup.example, now) {
                    lookup.example.workload = Some(subject.identity());
                }
            }
            self.output.send(Message::Lookups(lookups))?;
        }
        Ok(())
    }

    /// It stands for so many.
    fn attribute(&mut self, attempt: &mut Attempt, owner: Owner, number: u64) {
        let counts = &mut self.counts;
        if matches!(owner, Owner::Hurried) {
            counts.hurried += number;
        }
        let Owner::Known(subject) = owner else {
            counts.unknown += number;
            return;
        };
        let identity = subject.identity();
        if identity.lacks_names() {
            counts.unnamed += number;
            subject.went_unnamed(number);
        } else {
            counts.attributed += number;
        }
        attempt.workload = Some(identity);
    }

    /// The socket's control group, unless its process can tell more: systemd opens a socket in
    /// the group of its `.socket` unit, and hands it to the service, which is whose it is.
    fn owner(&mut self, attempt: &Attempt, now: Instant) -> Owner {
        let mut group = match attempt.owner.cgroup_id {
            0 => Owner::Unknown,
            id => self.find(Question::Cgroup(id), attempt.sent_ns, now),
        };
        // With version 1, the root of version 2 says nothing about anybody, and the
        // group of a runtime nothing about its containers.
        let says_nothing = |of_path: &Identity| {
            of_path.is_anonymous()
                || of_path
                    .unit()
                    .is_some_and(|unit| cgroup_path::STARTERS.contains(&unit))
        };
        match &group {
            Owner::Asked if !self.has_version_1 => return group,
            Owner::Known(subject) if !self.has_version_1 && !subject.of_path().is_socket_unit() => {
                return group;
            }
            Owner::Known(subject) if subject.of_path().is_contained() => return group,
            Owner::Known(subject) if says_nothing(subject.of_path()) => group = Owner::Unknown,
            _ => {}
        }
        let Some(pid) = attempt.owner.pid else {
            return group;
        };
        let question = Question::Process(pid, attempt.owner.comm);
        let process = self.find(question, attempt.sent_ns, now);
        match (&process, &group) {
            (Owner::Unknown | Owner::Hurried, _) => group,
            (Owner::Known(process), Owner::Known(_) | Owner::Asked)
                if process.of_path().is_anonymous() =>
            {
                group
            }
            _ => process,
        }
    }

    /// What is known by now; else it is looked at, or asked for.
    fn find(&mut self, question: Question, sent_ns: u64, now: Instant) -> Owner {
        if let Some(owner) = self.recall(question, sent_ns, now) {
            return owner;
        }
        if self.asked.contains(&question) {
            return Owner::Asked;
        }
        // At once: it has its answer and may be about to end.
        if let Question::Process(pid, _) = question
            && self.looks.allows(now)
        {
            let found = self.processes.look(pid).ok();
            self.learn(Answer::Found(question, found));
            return self
                .recall(question, sent_ns, now)
                .unwrap_or(Owner::Unknown);
        }
        if !self.resolver.ask(question) {
            return Owner::Hurried;
        }
        self.asked.insert(question);
        Owner::Asked
    }

    fn recall(&mut self, question: Question, sent_ns: u64, now: Instant) -> Option<Owner> {
        let looked = self.known.get(&question, now)?;
        // An id is never another group's.
        let is_for_ever = matches!(question, Question::Cgroup(_)) && looked.found.is_some();
        if !is_for_ever && now.saturating_duration_since(looked.at) >= self.trusted {
            return None;
        }
        Some(match &looked.found {
            Some((subject, started_ns)) if sent_ns + TICK_NS >= *started_ns => {
                Owner::Known(Arc::clone(subject))
            }
            // Gone, or the attempt is of an earlier process with this number.
            _ => Owner::Unknown,
        })
    }

    fn learn(&mut self, answer: Answer) {
        let Answer::Found(question, found) = answer else {
            return;
        };
        let at = Instant::now();
        self.asked.remove(&question);
        let found = found.map(|it| (self.subject(it.path, it.delegated), it.started_ns));
        // Who is gone keeps what was read before.
        let found = found.or_else(|| self.known.get(&question, at)?.found.take());
        self.known.insert(question, Looked { found, at }, at);
    }

    fn subject(&mut self, path: Vec<u8>, delegated: Option<Delegated>) -> Arc<Subject> {
        let key = (path, delegated);
        if let Some(known) = self.subjects.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        // Doubling keeps the cost of cleaning up in proportion.
        if self.subjects.len() == self.subjects.capacity() {
            self.subjects.retain(|_, known| known.strong_count() > 0);
        }
        let subject = Arc::new(Subject::of_cgroup(&key.0, delegated));
        self.subjects.insert(key, Arc::downgrade(&subject));
        self.names.ask(&subject);
        subject
    }
}

#[cfg(test)]
mod tests;
