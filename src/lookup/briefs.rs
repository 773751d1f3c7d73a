//! The commonest lookups, kept short, because there are so many: one name, of one type or
//! of A and AAAA, each answered at once. Whatever is more than that goes to the store.

use super::finished::Closed;
use super::finished::LookupResult;
use super::finished::Outline;
use super::joining::PAUSE_NS;
use super::open::Thread;
use super::step::Step;
use super::step::StepEnd;
use super::step::go_together;

/// They stand in sets by their chain: some 300 octets each, 600 KB in all.
const SETS: usize = 256;
const WAYS: usize = 8;
/// The longest question that is kept with one; longer ones are in no plain record.
const QUESTION_MAX: usize = 64;
/// Who has been quiet for so long has its answer, nearly always; in nanoseconds.
const QUIET_NS: u64 = 2_000_000;

/// A lookup of one or two plain answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Brief {
    pub(super) chain: u64,
    pub(super) thread: Thread,
    pub(super) cell: u32,
    steps: [Step; 2],
    number: u8,
    len: u8,
    octets: [u8; QUESTION_MAX],
}

/// All that are kept; nothing is allocated before the first.
#[derive(Debug, Default)]
pub(super) struct Briefs {
    sets: Vec<[Option<Brief>; WAYS]>,
    number: usize,
}

/// What became of a plain answer.
#[derive(Debug)]
pub(super) enum Taken {
    /// It is in its place.
    Done,
    /// It is, and this one had to go.
    Instead(Box<Brief>),
    /// It takes more than is known here.
    TooMuch,
}

impl Brief {
    /// Begins with this one, whose question has room.
    fn new((chain, thread, cell): (u64, Thread, u32), step: &Step, question: &[u8]) -> Self {
        let mut octets = [0; QUESTION_MAX];
        let len = question.len().min(QUESTION_MAX);
        octets[..len].copy_from_slice(&question[..len]);
        Self {
            chain,
            thread,
            cell,
            steps: [*step; 2],
            number: 1,
            len: len as u8,
            octets,
        }
    }

    /// Whether a library may have spread one lookup over the threads of both.
    fn may_be_part_of(&self, other: &Self) -> bool {
        // Who asks for both on one socket has one thread for them.
        let is_whole =
            |it: &Self| it.number == 2 && it.steps[0].key.cookie == it.steps[1].key.cookie;
        let is_alike = self.steps().len() == 1
            && other.steps().len() == 1
            && self.steps[0].question == other.steps[0].question;
        self.chain == other.chain && !is_whole(self) && !is_whole(other) && !is_alike
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps[..usize::from(self.number)]
    }

    pub(super) fn question(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }

    fn last_ns(&self) -> u64 {
        let ends = self.steps().iter().map(|step| step.end_ns);
        ends.max().unwrap_or(0)
    }

    fn closed(&self) -> Closed {
        let steps = self.steps();
        let first_ns = steps.iter().map(Step::sent_ns).min().unwrap_or(0);
        let any = |end| steps.iter().any(|step| step.end == end);
        Closed::Plain(
            self.cell,
            Outline {
                result: match (any(StepEnd::Found), any(StepEnd::NoData)) {
                    (true, _) => LookupResult::Ok,
                    (_, true) => LookupResult::NoData,
                    _ => LookupResult::NoSuchName,
                },
                duration_ns: self.last_ns().saturating_sub(first_ns),
                queries: u64::from(self.number),
                lost_ns: 0,
            },
        )
    }

    /// Whether this is the other half of it.
    fn is_completed_by(&self, step: &Step) -> bool {
        let (Some(own), Some(other)) = (self.steps[0].question, step.question) else {
            return false;
        };
        self.number == 1
            && own.name == other.name
            && own.rtype != other.rtype
            && go_together(own.rtype, other.rtype)
            && step.sent_ns() <= self.steps[0].end_ns + PAUSE_NS
            && self.steps[0].sent_ns() <= step.end_ns + PAUSE_NS
    }

    /// Whether it was over when this was sent: its thread asks the same anew, or has
    /// found what it looked for.
    fn is_before(&self, step: &Step) -> bool {
        self.last_ns() <= step.sent_ns()
            && self.steps().iter().any(|it| match it.end {
                StepEnd::Found => true,
                StepEnd::NoSuchName => it.question == step.question,
                _ => it.question == step.question && it.server == step.server,
            })
    }
}

impl Briefs {
    /// Takes a plain answer; what is over by it goes to `closed`.
    pub(super) fn take(
        &mut self,
        chain: u64,
        thread: Thread,
        step: &Step,
        (question, cell): (&[u8], u32),
        closed: &mut Vec<Closed>,
    ) -> Taken {
        if question.len() > QUESTION_MAX {
            return Taken::TooMuch;
        }
        if self.sets.is_empty() {
            self.sets = vec![[None; WAYS]; SETS];
        }
        let set = &mut self.sets[chain as usize % SETS];
        let is_own = |it: &Brief| it.chain == chain && it.thread == thread;
        let own = set.iter_mut().flatten().find(|it| is_own(it));
        if let Some(own) = own {
            if own.is_completed_by(step) {
                own.steps[1] = *step;
                own.number = 2;
                return Taken::Done;
            }
            if !own.is_before(step) {
                return Taken::TooMuch;
            }
            closed.push(own.closed());
            *own = Brief::new((chain, thread, cell), step, question);
            return Taken::Done;
        }
        let (place, instead) = match set.iter().position(Option::is_none) {
            Some(free) => (free, None),
            None => {
                let last_ns = |at: &usize| set[*at].as_ref().map_or(0, Brief::last_ns);
                let eldest = (0..WAYS).min_by_key(last_ns).unwrap_or(0);
                (eldest, set[eldest].take())
            }
        };
        set[place] = Some(Brief::new((chain, thread, cell), step, question));
        match instead {
            None => {
                self.number += 1;
                Taken::Done
            }
            Some(it) if it.last_ns() + QUIET_NS <= step.sent_ns() => {
                closed.push(it.closed());
                Taken::Done
            }
            Some(it) => Taken::Instead(Box::new(it)),
        }
    }

    /// Takes out one of this chain.
    pub(super) fn pop(&mut self, chain: u64) -> Option<Brief> {
        if self.number == 0 {
            return None;
        }
        let set = &mut self.sets[chain as usize % SETS];
        let mut all = set.iter_mut();
        let place = all.find(|it| it.is_some_and(|it| it.chain == chain))?;
        self.number -= 1;
        place.take()
    }

    /// Closes those that are over, but for those that may be parts of others, which it
    /// returns.
    pub(super) fn close(
        &mut self,
        now_ns: u64,
        closed: &mut Vec<Closed>,
        is_elsewhere: impl Fn(u64) -> bool,
    ) -> Vec<Brief> {
        let mut parts = Vec::new();
        if self.number == 0 {
            return parts;
        }
        for set in &mut self.sets {
            for at in 0..WAYS {
                let Some(brief) = set[at] else {
                    continue;
                };
                if now_ns.saturating_sub(brief.last_ns()) < PAUSE_NS {
                    continue;
                }
                self.number -= 1;
                set[at] = None;
                let is_part = |it: &Brief| it.may_be_part_of(&brief);
                if is_elsewhere(brief.chain) || set.iter().flatten().any(is_part) {
                    parts.push(brief);
                } else {
                    closed.push(brief.closed());
                }
            }
        }
        parts
    }

    pub(super) fn any(&self) -> bool {
        self.number > 0
    }
}
