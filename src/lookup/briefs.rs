//! The commonest lookups, kept short, because there are so many: one name, of one type or
//! of A and AAAA, each answered at once. Whatever is more than that goes to the store.

use std::num::NonZeroU32;

use domain::base::iana::Rtype;

use super::finished::Closed;
use super::finished::LookupResult;
use super::finished::Outline;
use super::joining::PAUSE_NS;
use super::open::Thread;
use super::step::AttemptKey;
use super::step::Step;
use super::step::StepEnd;
use super::step::go_together;
use crate::attempt::Fingerprint;

/// So many are kept, most of them one behind the other as they begin: 160 octets each, 320 KB in
/// all.
const BRIEFS_MAX: usize = 2_048;
/// They are found by their chain, in sets of a line of the cache each: 32 KB in all.
const SETS: usize = 512;
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
    octets: Octets,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Octets([u8; QUESTION_MAX]);

impl Brief {
    pub(super) fn steps(&self) -> &[Step] {
        &self.steps[..usize::from(self.number)]
    }

    pub(super) fn question(&self) -> &[u8] {
        &self.octets.0[..usize::from(self.len)]
    }
}

/// The same as it is kept: a line of the cache has all but its question and its second message.
/// Most of their CPU time is waiting for these octets.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Kept {
    chain: u64,
    thread: Thread,
    cell: u32,
    is_two: bool,
    len: u8,
    ends: [StepEnd; 2],
    /// That of both.
    name: u64,
    first: Half,
}

/// One of its messages.
#[derive(Clone, Copy, Debug)]
struct Half {
    cookie: u64,
    sent_ns: u64,
    server: u64,
    took_ns: u32,
    id: u16,
    rtype: Rtype,
}

/// All that are kept; nothing is allocated before the first.
#[derive(Debug, Default)]
pub(super) struct Briefs {
    /// A ring: each has the next free place, or that of the one which was there.
    all: Vec<Option<Kept>>,
    seconds: Vec<Half>,
    questions: Vec<Octets>,
    /// Where the latest one is.
    latest: usize,
    sets: Vec<Set>,
    number: usize,
}

/// Pointers to those of some chains.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Set([Option<Pointer>; WAYS]);

/// Where one of a chain may be.
#[derive(Clone, Copy, Debug)]
struct Pointer {
    /// The upper half of the chain.
    tag: u32,
    /// Its place in the ring, plus one.
    at: NonZeroU32,
}

/// A plain answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain<'a> {
    pub(super) chain: u64,
    pub(super) thread: Thread,
    pub(super) cell: u32,
    /// As it was asked, and which it is.
    pub(super) question: &'a [u8],
    pub(super) asked: Fingerprint,
    pub(super) step: &'a Step,
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

impl Half {
    /// In the place of one that there is not.
    const NONE: Self = Self {
        cookie: 0,
        sent_ns: 0,
        server: 0,
        took_ns: 0,
        id: 0,
        rtype: Rtype::A,
    };

    fn of(step: &Step, rtype: Rtype) -> Self {
        Self {
            cookie: step.key.cookie,
            sent_ns: step.sent_ns(),
            server: step.server,
            // A plain answer took a tenth of a second at the most.
            took_ns: u32::try_from(step.took_ns()).unwrap_or(u32::MAX),
            id: step.key.id.unwrap_or(0),
            rtype,
        }
    }

    fn end_ns(&self) -> u64 {
        self.sent_ns + u64::from(self.took_ns)
    }

    fn step(&self, name: u64, end: StepEnd) -> Step {
        Step {
            key: AttemptKey {
                cookie: self.cookie,
                id: Some(self.id),
                sent_ns: self.sent_ns,
            },
            end_ns: self.end_ns(),
            gave_up: false,
            question: Some(Fingerprint {
                name,
                rtype: self.rtype,
            }),
            server: self.server,
            end,
            is_waste: false,
            lost_ns: 0,
        }
    }
}

impl Kept {
    /// Its messages and what each came to; the second one is kept elsewhere.
    fn halves<'a>(
        &'a self,
        second: &'a Half,
    ) -> impl Iterator<Item = (&'a Half, StepEnd)> + use<'a> {
        let second = self.is_two.then_some((second, self.ends[1]));
        [(&self.first, self.ends[0])].into_iter().chain(second)
    }

    fn last_ns(&self, second: &Half) -> u64 {
        let ends = self.halves(second).map(|(half, _)| half.end_ns());
        ends.max().unwrap_or(0)
    }

    fn closed(&self, second: &Half) -> Closed {
        let sent = self.halves(second).map(|(half, _)| half.sent_ns);
        let first_ns = sent.min().unwrap_or(0);
        let any = |end| self.halves(second).any(|it| it.1 == end);
        Closed::Plain(
            self.cell,
            Outline {
                result: match (any(StepEnd::Found), any(StepEnd::NoData)) {
                    (true, _) => LookupResult::Ok,
                    (_, true) => LookupResult::NoData,
                    _ => LookupResult::NoSuchName,
                },
                duration_ns: self.last_ns(second).saturating_sub(first_ns),
                queries: if self.is_two { 2 } else { 1 },
                lost_ns: 0,
            },
        )
    }

    /// Whether this is the other half of it.
    fn is_completed_by(&self, question: Fingerprint, step: &Step) -> bool {
        !self.is_two
            && self.name == question.name
            && self.first.rtype != question.rtype
            && go_together(self.first.rtype, question.rtype)
            && step.sent_ns() <= self.first.end_ns() + PAUSE_NS
            && self.first.sent_ns <= step.end_ns + PAUSE_NS
    }

    /// Whether it was over when this was sent: its thread asks the same anew, or has
    /// found what it looked for.
    fn is_before(&self, second: &Half, question: Fingerprint, step: &Step) -> bool {
        let asks_anew = |half: &Half| self.name == question.name && half.rtype == question.rtype;
        self.last_ns(second) <= step.sent_ns()
            && self.halves(second).any(|(half, end)| match end {
                StepEnd::Found => true,
                StepEnd::NoSuchName => asks_anew(half),
                _ => asks_anew(half) && half.server == step.server,
            })
    }

    /// Whether a library may have spread one lookup over the threads of both.
    fn may_be_part_of(&self, second: &Half, (other, of_other): (&Self, &Half)) -> bool {
        // Who asks for both on one socket has one thread for them.
        let is_whole = |it: &Self, second: &Half| it.is_two && it.first.cookie == second.cookie;
        let is_alike = !self.is_two
            && !other.is_two
            && (self.name, self.first.rtype) == (other.name, other.first.rtype);
        self.chain == other.chain
            && !is_whole(self, second)
            && !is_whole(other, of_other)
            && !is_alike
    }
}

impl Briefs {
    /// Takes a plain answer; what is over by it goes to `closed`.
    pub(super) fn take(&mut self, it: Plain<'_>, closed: &mut Vec<Closed>) -> Taken {
        let Plain {
            chain,
            thread,
            cell,
            question,
            asked,
            step,
        } = it;
        if question.len() > QUESTION_MAX {
            return Taken::TooMuch;
        }
        let kept = Kept {
            chain,
            thread,
            cell,
            is_two: false,
            len: question.len() as u8,
            ends: [step.end; 2],
            name: asked.name,
            first: Half::of(step, asked.rtype),
        };
        let own = self.of_chain(chain).find(|it| it.1.thread == thread);
        if let Some((at, own)) = own {
            if own.is_completed_by(asked, step) {
                let whole = Kept {
                    is_two: true,
                    ends: [own.ends[0], step.end],
                    ..*own
                };
                self.seconds[at] = kept.first;
                self.all[at] = Some(whole);
                return Taken::Done;
            }
            if !own.is_before(&self.seconds[at], asked, step) {
                return Taken::TooMuch;
            }
            closed.push(own.closed(&self.seconds[at]));
            self.put(at, kept, question);
            return Taken::Done;
        }
        let (at, before) = self.make_room(chain);
        let taken = match before {
            None => Taken::Done,
            Some(it) if it.last_ns(&self.seconds[at]) + QUIET_NS <= step.sent_ns() => {
                closed.push(it.closed(&self.seconds[at]));
                Taken::Done
            }
            Some(it) => Taken::Instead(Box::new(self.told(&it, at))),
        };
        self.put(at, kept, question);
        self.point_at(at, chain);
        taken
    }

    fn put(&mut self, at: usize, kept: Kept, question: &[u8]) {
        self.all[at] = Some(kept);
        self.questions[at].0[..question.len()].copy_from_slice(question);
    }

    /// Those of this chain, each with its place.
    fn of_chain(&self, chain: u64) -> impl Iterator<Item = (usize, &Kept)> {
        let set = self.sets.get(chain as usize % SETS);
        let pointers = set.into_iter().flat_map(|set| &set.0).flatten();
        let tagged = pointers.filter(move |it| it.tag == tag(chain));
        let all = tagged.filter_map(|it| Some((it.place(), self.all[it.place()].as_ref()?)));
        all.filter(move |(_, it)| it.chain == chain)
    }

    /// Finds a place for one of this chain. Returns it, and the one that had to go for it.
    fn make_room(&mut self, chain: u64) -> (usize, Option<Kept>) {
        if self.sets.is_empty() {
            self.sets = vec![Set([None; WAYS]); SETS];
            self.all = vec![None; BRIEFS_MAX];
            self.seconds = vec![Half::NONE; BRIEFS_MAX];
            self.questions = vec![Octets([0; QUESTION_MAX]); BRIEFS_MAX];
        }
        let set = &self.sets[chain as usize % SETS].0;
        let is_full = set.iter().all(Option::is_some);
        let last_ns = |at: &usize| self.all[*at].map_or(0, |it| it.last_ns(&self.seconds[*at]));
        let of_set = set.iter().flatten().map(|it| it.place());
        let eldest = of_set.filter(|_| is_full).min_by_key(last_ns);
        let at = eldest.unwrap_or_else(|| {
            self.latest = self.next();
            self.latest
        });
        (at, self.remove(at))
    }

    /// The next place that is free, if any is.
    fn next(&self) -> usize {
        let mut places = (self.latest + 1..BRIEFS_MAX).chain(0..=self.latest);
        let free = match self.number < BRIEFS_MAX {
            true => places.find(|at| self.all[*at].is_none()),
            false => None,
        };
        free.unwrap_or((self.latest + 1) % BRIEFS_MAX)
    }

    /// In its chain's set, which has room.
    fn point_at(&mut self, at: usize, chain: u64) {
        let pointer = Pointer {
            tag: tag(chain),
            // Bounded by BRIEFS_MAX.
            at: NonZeroU32::MIN.saturating_add(at as u32),
        };
        let mut set = self.sets[chain as usize % SETS].0.iter_mut();
        if let Some(free) = set.find(|it| it.is_none()) {
            *free = Some(pointer);
            self.number += 1;
        }
    }

    fn remove(&mut self, at: usize) -> Option<Kept> {
        let kept = self.all[at].take()?;
        self.number -= 1;
        let set = self.sets[kept.chain as usize % SETS].0.iter_mut();
        let own = |it: &&mut Option<Pointer>| it.is_some_and(|it| it.place() == at);
        set.filter(own).for_each(|it| *it = None);
        Some(kept)
    }

    /// One that was kept there, for whoever keeps longer ones.
    fn told(&self, kept: &Kept, at: usize) -> Brief {
        let [first, second] = [
            (&kept.first, kept.ends[0]),
            (&self.seconds[at], kept.ends[1]),
        ]
        .map(|(half, end)| half.step(kept.name, end));
        Brief {
            chain: kept.chain,
            thread: kept.thread,
            cell: kept.cell,
            steps: [first, second],
            number: if kept.is_two { 2 } else { 1 },
            len: kept.len,
            octets: self.questions[at],
        }
    }

    /// Takes out one of this chain.
    pub(super) fn pop(&mut self, chain: u64) -> Option<Brief> {
        if self.number == 0 {
            return None;
        }
        let (at, _) = self.of_chain(chain).next()?;
        let kept = self.remove(at)?;
        Some(self.told(&kept, at))
    }

    /// Closes those that are over, but for those that may be parts of others, which it
    /// returns.
    pub(super) fn close(
        &mut self,
        now_ns: u64,
        closed: &mut Vec<Closed>,
        is_elsewhere: impl Fn(u64) -> bool,
    ) -> Vec<Brief> {
        let over = self.over(now_ns);
        let is_part = |at: &usize| {
            self.all[*at].is_some_and(|it| is_elsewhere(it.chain) || self.is_part(*at, &it))
        };
        // Of several parts each has to go where the others go.
        let is_part: Vec<_> = over.iter().map(is_part).collect();
        let mut parts = Vec::new();
        for (at, is_part) in over.into_iter().zip(is_part) {
            match self.remove(at) {
                Some(kept) if is_part => parts.push(self.told(&kept, at)),
                Some(kept) => closed.push(kept.closed(&self.seconds[at])),
                None => {}
            }
        }
        parts
    }

    /// Places of those that are over, most of them in the order in which they began.
    fn over(&self, now_ns: u64) -> Vec<usize> {
        let places = (self.latest + 1..BRIEFS_MAX).chain(0..=self.latest);
        let kept = places.filter_map(|at| Some((at, self.all.get(at)?.as_ref()?)));
        let kept = kept.take(self.number);
        let is_over =
            |at: usize, it: &Kept| now_ns.saturating_sub(it.last_ns(&self.seconds[at])) >= PAUSE_NS;
        let over = kept.filter(|(at, it)| is_over(*at, it));
        over.map(|(at, _)| at).collect()
    }

    /// Whether it may be part of another one.
    fn is_part(&self, at: usize, kept: &Kept) -> bool {
        let of = |at: usize| &self.seconds[at];
        let mut others = self.of_chain(kept.chain).filter(|it| it.0 != at);
        others.any(|(other, it)| it.may_be_part_of(of(other), (kept, of(at))))
    }

    pub(super) fn any(&self) -> bool {
        self.number > 0
    }
}

impl Pointer {
    fn place(self) -> usize {
        self.at.get() as usize - 1
    }
}

fn tag(chain: u64) -> u32 {
    (chain >> 32) as u32
}
